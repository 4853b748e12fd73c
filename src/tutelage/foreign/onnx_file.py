"""An ONNX file as a network that answers, through ONNX Runtime on the CPU, which comes with the extra ``onnx``."""

import math
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.foreign.kept_file import LARGEST, bytes_as_tensor, bytes_in, file_as_tensor
from tutelage.foreign.pieces import in_pieces, refuse_more_inputs, typed

DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Whose operators ONNX Runtime itself has; others are in libraries, of which none is ever loaded."""
TYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
    "tensor(uint8)": torch.uint8,
}
UINT8 = 2
"""What ONNX calls the type of levels from 0 to 255."""


class OnnxNetwork(nn.Module):
    """The model whose file is in the buffer ``content``: pictures (N, C, H, W) in, answers out, no layers to look at.

    Pictures are put in the order (N, H, W, C) where the model wants that. A model of a fixed batch size is asked in
    pieces of that. Of several outputs the one called ``logits`` is taken. Raises ``ValueError``, when asked, for inputs
    that the model does not take.
    """

    def __init__(self, content: Tensor, name: str = "the ONNX model") -> None:
        super().__init__()
        self.register_buffer("content", content)
        self.name = name
        self._session: tuple[Any, Any] | None = None

    @property
    def session(self) -> Any:
        """A session of ONNX Runtime for what is in the buffer by now, made once; it takes torch's number of threads."""
        content: Tensor = self.get_buffer("content")
        stamp = (id(content), content._version, torch.get_num_threads())
        if self._session is None or self._session[0] != stamp:
            self._session = stamp, _session(bytes_in(content), self.name)
        return self._session[1]

    @property
    def num_weights(self) -> int:
        """Numbers in the tensors that the model holds. Needs onnx."""
        model = onnx_extra("onnx").load_from_string(bytes_in(self.get_buffer("content")))
        return sum(math.prod(x.dims) for x in model.graph.initializer)

    def forward(self, inputs: Tensor) -> Tensor:
        session = self.session
        wanted, outputs = _ends(session, self.name)
        refuse_more_inputs(self.name, len(wanted))
        output = "logits" if "logits" in outputs else outputs[0]
        word, kind, shape = wanted[0]
        if kind not in TYPES:
            raise ValueError(f"{self.name} takes {kind} as {word!r}, where floats or uint8 are wanted.")
        inputs = _arranged(inputs, shape, self.name)

        def ask(x: Tensor) -> Tensor:
            array = typed(x.detach().cpu(), TYPES[kind]).contiguous().numpy()
            try:
                (answer,) = session.run([output], {word: array})
            except Exception as failure:  # its own kinds of errors, of many lines
                words = str(failure).strip().partition("\n")[0].rstrip(".")
                raise ValueError(
                    f"{self.name} does not answer samples of shape {tuple(x.shape[1:])} ({words}); say which it wants."
                ) from None
            return torch.from_numpy(answer)

        return in_pieces(ask, inputs, shape[0] if shape else 0).to(inputs.device)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}


def onnx_network(file: Path) -> nn.Module:
    """The model in ``file``, with data that it keeps in files beside it; a session is made at once, to see that it can.

    Raises ``FileNotFoundError``, ``ValueError`` for what is no model, is larger than 2 GiB with all its data, needs
    operators of libraries, or keeps data outside its folder; ``ImportError`` with the install line without the extra.
    """
    content = bytes_in(file_as_tensor(file))
    onnx = onnx_extra("onnx")
    try:
        model = onnx.load_from_string(content)
        if not (model.graph.node and model.graph.input and model.graph.output):
            raise ValueError("it has no operators, no input or no output")
        onnx.external_data_helper.load_external_data_for_model(model, str(file.parent))
        content = model.SerializeToString()
    except Exception as error:  # protobuf's own kinds
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
        raise ValueError(f"{file} is no ONNX model that can be read whole ({reason}); export it again.") from None
    if len(content) > LARGEST:
        raise ValueError(f"{file} takes {len(content)} bytes with its data, and at most {LARGEST} are read.")
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    local = {function.domain for function in model.functions}
    if foreign := sorted({node.domain for node in nodes} - {*DOMAINS, *local}):
        raise ValueError(f"{file} uses operators of {foreign[0]!r}, which are in a library, and none is loaded.")
    network = OnnxNetwork(bytes_as_tensor(content), str(file))
    _ends(network.session, str(file))
    return network


def onnx_extra(module: str) -> Any:
    """A module of the extra ``onnx``. Raises ``ImportError`` with the install line where it is missing."""
    try:
        return import_module(module)
    except ImportError:
        raise ImportError(f"Answering with an ONNX file needs {module}: pip install 'tutelage[onnx]'") from None


def _session(content: bytes, name: str) -> Any:
    runtime = onnx_extra("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # fatal alone: whatever fails is raised
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        # without its way to another device, which speaks on the terminal
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:
        words = str(error).strip().partition("\n")[0].rstrip(".")
        raise ValueError(f"{name} is not run by ONNX Runtime on a CPU ({words}); export it again.") from None


def _ends(session: Any, name: str) -> tuple[list[tuple[str, str, list[int]]], list[str]]:
    """Name, type and shape of each input, 0 where a size is free, and the names of the outputs."""
    try:
        wanted = [(x.name, x.type, [n if isinstance(n, int) else 0 for n in x.shape]) for x in session.get_inputs()]
        return wanted, [x.name for x in session.get_outputs()]
    except UnicodeDecodeError:
        raise ValueError(f"{name} names an input or output in bytes that are no text; export it again.") from None


def _arranged(inputs: Tensor, shape: list[int], name: str) -> Tensor:
    """``inputs`` in the order of the model's axes. Raises ``ValueError`` for sizes that are not the model's."""
    if inputs.ndim == 4 and len(shape) == 4 and shape[3] == inputs.shape[1] != shape[1]:
        inputs = inputs.permute(0, 2, 3, 1)
    given = tuple(inputs.shape)
    if len(given) != len(shape) or any(b not in (0, a) for a, b in zip(given[1:], shape[1:], strict=True)):
        words = ", ".join(str(x) if x else "any" for x in shape[1:])
        raise ValueError(f"{name} takes samples of shape ({words}); got {given[1:]}: say which size it wants.")
    return inputs
