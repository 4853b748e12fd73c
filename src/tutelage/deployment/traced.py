"""A network as one path of operations for batches of any size; where there is none, which line is at fault."""

import re
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from tutelage.quiet import quiet

BATCH, TOKENS = "batch", "tokens"
FIXED = "specialized it to be a constant"
"""What torch says where a size that is to stay open came out as a number."""
_MACHINE = ("stack_trace", "from_node", "source_fn_stack")  # where the code lies on this machine


def traced(network: nn.Module, samples: Tensor, name: str) -> ExportedProgram:
    """``network`` on two rows of ``samples``, which leaves the size of a batch open; one row would freeze it.

    Nothing of the samples, and no path of this machine, is in it. Raises ``ValueError`` in one sentence that says which
    line of which file cannot be exported, and what to write instead.
    """
    rows = torch.zeros_like(samples[:1]).expand(2, *samples.shape[1:]).contiguous()
    return _traced(network, (rows,), ({0: Dim(BATCH)},), name)


def traced_texts(network: nn.Module, longest: int, name: str) -> ExportedProgram:
    """``network`` of ids and mask, int64 (N, T) both, for texts of up to ``longest`` tokens. Raises as ``traced``."""
    ids = torch.ones(2, 4, dtype=torch.int64)
    sizes = {0: Dim(BATCH), 1: Dim(TOKENS, max=longest)}
    return _traced(network, (ids, ids.clone()), (sizes, sizes), name)


def _traced(network: nn.Module, rows: tuple[Tensor, ...], sizes: tuple[Any, ...], name: str) -> ExportedProgram:
    try:
        program = _program(network, rows, sizes, strict=False)
    except Exception as error:
        found = _program_of_code(network, rows, sizes) if FIXED in str(error) else None
        if found is None:
            raise ValueError(f"{name} cannot be exported: {_reason(error)}.") from None
        program = found
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            for key in _MACHINE:
                node.meta.pop(key, None)
    return program


def _program(network: nn.Module, rows: tuple[Tensor, ...], sizes: tuple[Any, ...], *, strict: bool) -> ExportedProgram:
    with quiet(), torch.no_grad():
        return torch.export.export(network, rows, dynamic_shapes=sizes, strict=strict)


def _program_of_code(network: nn.Module, rows: tuple[Tensor, ...], sizes: tuple[Any, ...]) -> ExportedProgram | None:
    """What the compiler makes of the code, which takes seconds: ``len(x)`` is a size to it, to a trace a number."""
    with suppress(Exception):
        return _program(network, rows, sizes, strict=True)
    return None


def _reason(error: Exception) -> str:
    said, where = str(error), _place(error)
    if FIXED in said:
        constant = re.search(r"constant \((\d+)\)", said)
        return (
            f"it works for batches of {constant[1] if constant else 'one size'} alone, because a line of its forward "
            "has that number in it; write x.shape[0] there, or x.flatten(1) for x.view(2, -1)"
        )
    if guard := re.search(r"generated guard (.+?)(?:\.?Specializations |$)", said, re.MULTILINE):
        bounds = re.sub(r"L\['\w+'\]\.size\(\)\[0\]", BATCH, guard[1])
        return f"it does one thing where {bounds} and another elsewhere; what it does may not depend on a batch's size"
    if type(error).__name__ == "GuardOnDataDependentSymNode" or "data-dependent" in said:
        return (
            f"what it does depends on the values of its input{where}, and a file holds one path for all inputs; "
            "use torch.where for an if, and no .item(), int() or bool() of a tensor"
        )
    return f"{_first_line(error)}{where}"


def _place(error: Exception) -> str:
    """The innermost line of code that is not torch's own."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_ours(frame.filename)]
    if not frames:
        told = re.findall(r'File "([^"]+)", line (\d+), in \w+\n\s+(.+)', str(error))
        return next((f" ({Path(file).name}, line {n}: {code})" for file, n, code in reversed(told)), "")
    frame = frames[-1]
    return f" ({Path(frame.filename).name}, line {frame.lineno}: {frame.line})"


def _is_ours(file: str) -> bool:
    return file.startswith("<") or Path(file).is_relative_to(Path(torch.__file__).parent) or file == __file__


def _first_line(error: BaseException) -> str:
    lines: list[Any] = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0].strip().rstrip('.') if lines else 'no reason given'}"
