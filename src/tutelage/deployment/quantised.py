"""An ONNX file in whole numbers of 8 or 4 bits, made of the float32 one by ONNX Runtime's own tools.

Four ways. ``static`` knows the range of every activation beforehand, from samples: convolutions and linear layers, and
what lies between them, compute in 8 bits. ``dynamic`` measures the ranges of a linear layer's inputs each time that it
is asked. ``weights_of(8)`` and ``weights_of(4)`` keep the weights of linear layers in so many bits, a scale for each
32 of them. The last three leave convolutions as they are: those of ONNX Runtime are slower so than in float32.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias, get_args

from torch import Tensor

from tutelage.calls import reason
from tutelage.deployment.onnx import INPUT, onnx_module
from tutelage.quiet import quiet

Observer: TypeAlias = Literal["minmax", "entropy", "percentile"]
"""How the range of an activation follows from what samples made of it: all of it, the part whose histogram in 8 bits is
nearest by KL divergence, or all but 0.001 %."""
OBSERVERS: tuple[Observer, ...] = get_args(Observer)
_METHODS: Mapping[Observer, str] = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
Quantise: TypeAlias = Callable[[bytes], bytes]
"""The bytes of a float32 file -> those of a quantised one."""
PIECE = 16
"""Samples that are looked at together: what they make of all layers is in memory at once."""
BLOCK = 32
"""Weights that share a scale where weights alone are quantised."""
IN_INT8 = 4
"""ONNX Runtime's word for computing with the weights in 8 bits; its float32 kernels take up to 80 times as long."""
LINEAR, MIXING = ("MatMul", "Gemm"), ("Conv", "ConvTranspose", "MatMul", "Gemm")


def static(content: bytes, calibration: Tensor, observer: Observer = "minmax") -> bytes:
    r"""The file with int8 weights and uint8 activations, whose ranges ``calibration`` shows, in QDQ form.

    A weight is ``q · s_c`` with ``s_c = max|w_c| / 127`` for each output channel ``c``, an activation
    ``(q − z) · s`` with ``s = (max − min) / 255`` for a whole tensor; biases are int32, of the scale ``s · s_c``.
    ``calibration`` (2 or more) is what the file takes, as inference gives it. Transposed convolutions in groups stay in
    float32. Raises ``ValueError`` for fewer, and where nothing in the file could be quantised.
    """
    if len(calibration) < 2:
        raise ValueError(
            "One sample does not show the ranges of activations; calibrate with 2 or more (100 to 1,000 are usual)."
        )
    tools = onnx_module("onnxruntime.quantization")
    with _preprocessed(content, MIXING, "convolutions or linear layers") as (before, after), quiet():
        tools.quantize_static(
            str(before),
            str(after),
            _reader(calibration),
            quant_format=tools.QuantFormat.QDQ,
            per_channel=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            nodes_to_exclude=_in_groups(before),
            calibrate_method=getattr(tools.CalibrationMethod, _METHODS[observer]),
            extra_options={"CalibStridedMinMax": 1},  # a piece at a time, with whatever observer
        )
        return after.read_bytes()


def dynamic(content: bytes) -> bytes:
    """The file with int8 weights of linear layers, whose inputs are quantised when it is asked; others stay.

    Raises ``ValueError`` where there is no linear layer.
    """
    tools = onnx_module("onnxruntime.quantization")
    with _preprocessed(content, LINEAR, "linear layers") as (before, after), quiet():
        tools.quantize_dynamic(str(before), str(after), op_types_to_quantize=[*LINEAR], per_channel=True)
        return after.read_bytes()


def weights_of(content: bytes, bits: Literal[4, 8]) -> bytes:
    """The file with weights of linear layers in ``bits``, ``BLOCK`` to a scale, symmetric; others stay.

    Raises ``ValueError`` where there is no linear layer.
    """
    onnx = onnx_module("onnx")
    quantizer = import_module("onnxruntime.quantization.matmul_nbits_quantizer").MatMulNBitsQuantizer
    model = import_module("onnxruntime.quantization.onnx_model").ONNXModel
    with _preprocessed(content, LINEAR, "linear layers") as (before, _), quiet():
        float32 = model(onnx.load(before))
        float32.replace_gemm_with_matmul()
        smaller = quantizer(float32.model, bits=bits, block_size=BLOCK, is_symmetric=True, accuracy_level=IN_INT8)
        smaller.process()
        made: bytes = smaller.model.model.SerializeToString(deterministic=True)
        return made


WITHOUT_SAMPLES: Mapping[str, Quantise] = {
    "int8-dynamic": dynamic,
    "int8-weights": partial(weights_of, bits=8),
    "int4-weights": partial(weights_of, bits=4),
}
"""The ways that look at no samples."""


@contextmanager
def _preprocessed(content: bytes, wanted: tuple[str, ...], words: str) -> Iterator[tuple[Path, Path]]:
    """The file after ONNX Runtime's pre-processing, with shapes and folded norms, and a place for what is made of it.

    Shapes are inferred by ONNX: the runtime's own symbolic inference fails on splits, transposed convolutions and
    torch's attention. Raises ``ValueError`` where the file has no node of the kinds that are ``wanted``, and where its
    tools fail.
    """
    onnx = onnx_module("onnx")
    shapes = import_module("onnxruntime.quantization.shape_inference")
    with TemporaryDirectory(prefix="tutelage-") as folder:
        float32, before, after = (Path(folder, name) for name in ("float32.onnx", "before.onnx", "after.onnx"))
        float32.write_bytes(content)
        with _told(), quiet():
            shapes.quant_pre_process(str(float32), str(before), skip_symbolic_shape=True)
        if not any(node.op_type in wanted for node in onnx.load(before).graph.node):
            raise ValueError(f"The network has no {words}, so there is nothing that could be quantised so.")
        with _told():
            yield before, after


@contextmanager
def _told() -> Iterator[None]:
    """Raise ``ValueError`` for whatever the runtime's tools raise within: errors without a common class."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(f"ONNX Runtime's tools cannot quantise this network: {reason(error)}.") from None


def _in_groups(file: Path) -> list[str]:
    """Transposed convolutions in groups, by name: their scales are of the channels of a group, and not of each bias."""
    nodes = onnx_module("onnx").load(file).graph.node
    return [
        x.name
        for x in nodes
        if x.op_type == "ConvTranspose" and any(a.name == "group" and a.i > 1 for a in x.attribute)
    ]


def _reader(samples: Tensor) -> Any:
    """``samples`` for ONNX Runtime's calibration, ``PIECE`` at a time."""
    base: Any = onnx_module("onnxruntime.quantization").CalibrationDataReader

    class Reader(base):  # type: ignore[misc]  # of a module that is loaded late
        def __init__(self) -> None:
            self.pieces = samples.cpu().contiguous().split(PIECE)
            self.set_range(0, len(self))

        def __len__(self) -> int:
            return len(self.pieces)

        def set_range(self, start_index: int, end_index: int) -> None:
            self.rest = iter(self.pieces[start_index:end_index])

        def get_next(self) -> dict[str, Any] | None:
            piece = next(self.rest, None)
            return None if piece is None else {INPUT: piece.numpy()}

    return Reader()
