"""A student as one ONNX file, compared with the network before it is kept."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from tutelage.compress.fake_quantised import is_fake_quantised
from tutelage.deployment.about import About, Input
from tutelage.deployment.compared import ROUNDED, TOLERANCE, Checked, checked
from tutelage.deployment.network import (
    Exported,
    OfIdsAndMask,
    as_taken,
    as_wide,
    ids_and_mask,
    output_name,
    plain_copy,
)
from tutelage.deployment.traced import BATCH, TOKENS, traced, traced_texts
from tutelage.deployment.whole_numbers import in_whole_numbers
from tutelage.files import atomically
from tutelage.quiet import quiet

OPSET = 18
"""The version of ONNX's operators in the files; ONNX Runtime has it since 1.14 (2023)."""
INPUT = "input"
TEXTS = ("input_ids", "attention_mask")
"""What inputs are called, and those of texts."""
LARGEST = 2**31 - 1
"""Bytes of a file: more do not fit into one."""


def export_onnx(
    model: nn.Module,
    samples: Tensor,
    path: Path | str,
    about: About,
    *,
    takes: Input | None = None,
    probabilities: bool = False,
    real: bool = True,
) -> Checked:
    """``model`` as an ONNX file at ``path`` for batches of any size; none where its answers would differ.

    ``samples`` (2 or more) are uint8 pictures, or what the network sees where its inputs are no pictures. ``takes``
    says what the file does: ``pixels`` (uint8, 0 to 255: the default for pictures, with the normalisation in the file),
    ``unit`` (float32, 0 to 1) or ``normalised`` (float32, as the network sees them). Of texts it takes ``input_ids``
    and ``attention_mask``, int64 (N, T), of any length up to the longest. The output is called ``logits``,
    ``values`` (of a regression), or with ``probabilities`` so. The task, the classes and the preprocessing stand in the
    metadata; no path, sample or date does, so that the same network gives the same bytes.

    Raises ``ImportError`` with the install line without the extra ``onnx``; ``ValueError`` for a network that cannot be
    exported, with the line or operation that is in the way, and for answers that differ, with by how much; ``OSError``
    in one sentence where the file cannot be written. What is fake-quantised is written in whole numbers, with the
    scales that it rounds with (``in_whole_numbers``), and may differ by ``ROUNDED``.
    """
    path = Path(path)
    made = converted(model, samples, path, about, takes=takes, probabilities=probabilities)
    asked, size = answering(made.content, made.output, path, about), len(made.content)
    allowed = ROUNDED if is_fake_quantised(made.network) else TOLERANCE
    network, inputs, takes, output = made.network, made.inputs, made.takes, made.output
    done = checked(network, asked, inputs, path, size, takes=takes, output=output, real=real, allowed=allowed)
    with atomically(path) as temporary:
        temporary.write_bytes(made.content)
    return done


@dataclass(frozen=True)
class Converted:
    """An ONNX file that is not written yet: its ``content``, the ``network`` that it is of, and ``inputs`` for both.

    It ``takes`` these, and its output is called ``output``.
    """

    content: bytes
    network: nn.Module
    inputs: Tensor
    takes: Input
    output: str


def converted(
    model: nn.Module, samples: Tensor, path: Path, about: About, *, takes: Input | None, probabilities: bool
) -> Converted:
    """What ``export_onnx`` writes to ``path``, in float32. Arguments and errors as there."""
    onnx = onnx_module("onnx")
    onnx_module("onnxruntime")
    onnx_module("onnxscript")
    takes = takes or about.input
    output, inputs = output_name(about, probabilities), as_taken(samples, about, takes)
    network = Exported(plain_copy(model), about, takes, probabilities).eval()
    refuse_huge(network, path)
    name = type(getattr(model, "_orig_mod", model)).__name__
    written = in_whole_numbers(network, inputs[:2]) if is_fake_quantised(network) else network
    if (texts := about.tokenisation) is not None:
        path_of_operations = traced_texts(OfIdsAndMask(written, texts.padding).eval(), texts.longest, name)
    else:
        path_of_operations = traced(written, inputs, name)
    program = _converted(path_of_operations, inputs_of(about), output, name)
    content = bare(program, onnx, {**about.facts(), "input": takes, "output": output})
    return Converted(content, network, inputs, takes, output)


def onnx_module(module: str) -> Any:
    """A module of the extra, imported now. Raises ``ImportError`` with the install line where it is missing."""
    try:
        return import_module(module)
    except ImportError:
        raise ImportError(f"An ONNX file needs {module}: pip install 'tutelage[onnx]'") from None


def refuse_huge(network: nn.Module, path: Path) -> None:
    """Raise ``ValueError`` for weights that one ONNX file cannot hold."""
    size = sum(x.numel() * x.element_size() for x in network.state_dict().values())
    if size > LARGEST:
        raise ValueError(f"{path} was not written: one ONNX file holds 2 GB, and these weights take {size / 1e9:.1f}; "
                         f"export to .pt2, which holds more.")  # fmt: skip


def inputs_of(about: About) -> list[str]:
    """What the file's inputs are called."""
    return [INPUT] if about.tokenisation is None else [*TEXTS]


def _converted(program: ExportedProgram, inputs: list[str], output: str, name: str) -> Any:
    try:
        with quiet():
            return torch.onnx.export(
                program,
                dynamo=True,
                input_names=inputs,
                output_names=[output],
                opset_version=OPSET,
                external_data=False,
                verbose=False,
            ).model_proto  # type: ignore[union-attr]
    except Exception as error:
        raise ValueError(f"{name} cannot be written as ONNX: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    said = str(error)
    if lacking := re.search(r"No ONNX function found for <OpOverload\(op='([^']+)'", said):
        return (
            f"ONNX has no operation for {lacking[1].replace('._', '.')}; use others in the network, or export to .pt2, "
            "which has all of torch's"
        )
    found = re.search(r"Exception summary\s+<class '[^']*?(\w+)'>: ([^\n]+)", said)
    return f"{found[1]}: {found[2].rstrip('.')}" if found else f"{type(error).__name__}: {said.partition(chr(10))[0]}"


def bare(model: Any, onnx: Any, facts: Mapping[str, object]) -> bytes:
    """The bytes of the file with ``facts`` for its metadata, without what torch writes of this machine: stack traces,
    and names that it numbers."""
    graph = model.graph
    parts = [model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer]
    parts += [part for function in model.functions for part in (function, *function.node)]
    for part in parts:
        del part.metadata_props[:]
        part.ClearField("doc_string")
    used = {"", *(node.domain for node in graph.node), *(function.domain for function in model.functions)}
    for named in [x for x in model.opset_import if x.domain not in used]:
        model.opset_import.remove(named)
    del graph.value_info[:]  # the shapes between, which a runtime finds itself
    open_sizes = [size.dim_param for size in graph.input[0].type.tensor_type.shape.dim if size.dim_param]
    called = dict(zip(open_sizes, (BATCH, TOKENS), strict=False))
    for value in (*graph.input, *graph.output):
        for size in value.type.tensor_type.shape.dim:
            size.dim_param = called.get(size.dim_param, size.dim_param) or size.dim_param
    model.producer_name, model.producer_version = "tutelage", version("tutelage")
    onnx.helper.set_model_props(model, {key: json.dumps(value, ensure_ascii=False) for key, value in facts.items()})
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def answering(content: bytes, output: str, path: Path, about: About) -> Callable[[Tensor], Tensor]:
    """What ONNX Runtime answers to a batch with the file that will lie at ``path``, whose output is called so.

    A batch of tokens is given as ids and mask, without the padding behind all of them. Raises ``ValueError`` where the
    runtime refuses the file.
    """
    runtime = onnx_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, torch.get_num_threads()
    try:
        session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # of the runtime's own, without a common class
        raise ValueError(
            f"{path} was not kept: ONNX Runtime refuses it ({str(error).partition(chr(10))[0]})."
        ) from None

    def asked(batch: Tensor) -> Tensor:
        given = (batch,) if about.tokenisation is None else ids_and_mask(batch, about.tokenisation.padding)
        named = {name: x.numpy() for name, x in zip(inputs_of(about), given, strict=True)}
        return as_wide(torch.from_numpy(np.asarray(session.run([output], named)[0])), batch, about)

    return asked
