"""An exported program (``.pt2``) as a network that answers: its operations, done one after the other.

Only operations of ``torch.ops.aten`` that compute, and arithmetic with sizes, are done; no code is made of what the
file says. What it says of devices is passed over: it computes where its input lies.
"""

import operator
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.calls import reason
from tutelage.foreign.exported_file import DTYPES, Program, read_program
from tutelage.foreign.kept_file import bytes_in, file_as_tensor
from tutelage.foreign.pieces import in_pieces, refuse_more_inputs, typed
from tutelage.machine import usable_memory
from tutelage.outputs import kind_of

ARITHMETIC = (
    *["add", "sub", "mul", "floordiv", "truediv", "mod", "pow", "neg", "getitem"],
    *["eq", "ne", "ge", "gt", "le", "lt", "and_", "or_", "not_"],
)
PRIVATE = (
    *["_softmax", "_log_softmax", "_native_batch_norm_legit_no_training", "_adaptive_avg_pool2d", "_to_copy"],
    *["_unsafe_view", "_assert_tensor_metadata", "_assert_scalar", "_native_batch_norm_legit", "_weight_norm"],
    *["_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_attention_math"],
)
"""Operations with a name of torch's own that networks are exported with."""
REFUSED = ("from_file", "save", "load", "print", "warn", "set_data", "resize_", "set_", "rand", "normal", "bernoulli")
"""What reads files, speaks, changes other memory or answers otherwise each time: how such a name begins."""
HELD, ROOM = 256, 2**30
"""How many times the bytes of input and weights, and how many more, a program may hold at once."""
FORMATS = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d, 4: torch.preserve_format}


class ExportedProgram(nn.Module):
    """The program whose file is in the buffer ``content``: pictures in, answers out, no layers to look at.

    The first tensor of what it returns, or the one called ``logits``. A program of a fixed batch size is asked in
    pieces of that. Raises ``ValueError``, when asked, as ``read_program`` does and for an operation that is not done.
    """

    def __init__(self, content: Tensor, name: str = "the exported program") -> None:
        super().__init__()
        self.register_buffer("content", content)
        self.name = name
        self._read: tuple[Any, Program] | None = None
        self._fits: set[tuple[int, ...]] = set()

    @property
    def program(self) -> Program:
        """What is in the buffer by now, read once."""
        content: Tensor = self.get_buffer("content")
        stamp = (id(content), content._version)
        if self._read is None or self._read[0] != stamp:
            self._read, self._fits = (stamp, read_program(bytes_in(content), self.name)), set()
        return self._read[1]

    @property
    def num_weights(self) -> int:
        return self.program.num_weights

    def forward(self, inputs: Tensor) -> Tensor:
        program = self.program
        refuse_more_inputs(self.name, len(program.inputs))
        dtype = program.dtypes[0] or torch.float32
        fixed = program.sizes[0][0] if program.sizes[0] else 0

        def ask(x: Tensor) -> Tensor:
            if x.shape not in self._fits:
                _refuse_huge(program, typed(x, dtype), self.name)
                self._fits.add(x.shape)
            return _done(program, typed(x, dtype), self.name)

        try:
            return in_pieces(ask, inputs, fixed)
        except ValueError:
            raise
        except Exception as failure:  # names that lead nowhere, and sizes that do not fit
            raise ValueError(
                f"{self.name} does not answer samples of shape {tuple(inputs.shape[1:])} ({reason(failure)}); say "
                "which it wants, or export it again."
            ) from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_read": None, "_fits": set()}


def exported_program(file: Path) -> nn.Module:
    """The program in ``file``, as ``torch.export.save`` wrote it; looked through at once."""
    network = ExportedProgram(file_as_tensor(file), str(file))
    for node in network.program.nodes:
        _operation(str(node["target"]), str(file))
    return network


class _TooLargeError(ValueError):
    """What is held at once is more than is allowed."""


def _refuse_huge(program: Program, inputs: Tensor, where: str) -> None:
    """Raise ``ValueError`` for a program that holds far more at once than its input and weights let expect.

    It is done once without values: what is made up of these, and what has no such form, is not seen.
    """
    given = inputs.nbytes + sum(x.nbytes for x in program.tensors.values())
    most = min(usable_memory() // 2, HELD * given + ROOM)
    try:
        _done(program, inputs.to("meta"), where, most)
    except _TooLargeError:
        shape = tuple(inputs.shape)
        raise ValueError(f"{where} wants more than {most >> 20} MiB for a batch {shape}; export it again.") from None
    except Exception:  # an operation that looks at values, or has no form without them
        return


def _done(program: Program, inputs: Tensor, where: str, most: int | None = None) -> Tensor:
    """What the program answers. Raises ``_TooLargeError`` where more than ``most`` bytes are made and still needed."""
    held: dict[str, int] = {}
    values: dict[str, Any] = {name: x.to(inputs.device) for name, x in program.tensors.items()}
    values[program.inputs[0]] = inputs
    for node, gone in zip(program.nodes, program.no_longer, strict=True):
        target = str(node["target"])
        given = [(x["name"], x.get("kind"), _value(x["arg"], values, inputs.device)) for x in node["inputs"]]
        positional = [value for _, kind, value in given if kind != 2]
        named = {name: value for name, kind, value in given if kind == 2}
        answer = _operation(target, where)(*positional, **named)
        outputs = node["outputs"]
        if len(outputs) == 1 and "as_tensors" in outputs[0]:
            outputs = [{"as_tensor": x} for x in outputs[0]["as_tensors"]]
            answer = tuple(answer)
        parts = answer if isinstance(answer, tuple | list) else (answer,)
        values.update({_called(x): part for x, part in zip(outputs, parts, strict=False) if _called(x)})
        if most is not None:
            held |= {_called(x): part.nbytes for x, part in zip(outputs, parts, strict=False) if _is_tensor(part)}
            if sum(held.values()) > most:
                raise _TooLargeError
        for name in gone:
            values.pop(name, None), held.pop(name, None)
    answer = _value(program.outputs[program.answer], values, inputs.device)
    if not isinstance(answer, Tensor):
        raise ValueError(f"{where} returns {kind_of(answer)} first, where a tensor is wanted.")
    return answer


def _is_tensor(part: Any) -> bool:
    return isinstance(part, Tensor)


def _operation(target: str, where: str) -> Callable[..., Any]:
    """Raises ``ValueError`` for what is not done here."""
    home, _, name = target.rpartition(".")
    if home == "_operator" and name in ARITHMETIC:
        return getattr(operator, name)  # type: ignore[no-any-return]
    parts = target.split(".")
    computes = parts[:3] == ["torch", "ops", "aten"] and len(parts) == 5 and not parts[3].startswith(REFUSED)
    if computes and (not parts[3].startswith("_") or parts[3] in PRIVATE):
        packet = getattr(torch.ops.aten, parts[3], None)
        overload = getattr(packet, parts[4], None)
        if isinstance(overload, torch._ops.OpOverload):
            return overload
    raise ValueError(
        f"{where} uses the operation {target!r}, and only those of torch.ops.aten that compute are done; "
        "export the network in eval mode under torch.no_grad(), without operations of other libraries."
    )


def _value(argument: Mapping[str, Any], values: Mapping[str, Any], device: torch.device) -> Any:
    (kind, x), *_ = argument.items()
    match kind:
        case "as_none":
            return None
        case "as_tensor":
            return values[x["name"]]
        case "as_tensors":
            return [values[one["name"]] for one in x]
        case "as_optional_tensor":
            return _value(x, values, device)
        case "as_optional_tensors":
            return [_value(one, values, device) for one in x]
        case "as_sym_int" | "as_sym_float" | "as_sym_bool":
            return values[x["as_name"]] if "as_name" in x else next(iter(x.values()))
        case "as_sym_ints" | "as_sym_floats" | "as_sym_bools":
            return [values[one["as_name"]] if "as_name" in one else next(iter(one.values())) for one in x]
        case "as_scalar_type":
            return DTYPES[x]
        case "as_memory_format":
            return FORMATS[x]
        case "as_layout":
            return torch.strided
        case "as_device":
            return device
        case "as_int" | "as_ints" | "as_float" | "as_floats" | "as_bool" | "as_bools" | "as_string" | "as_strings":
            return float(x) if isinstance(x, str) and kind == "as_float" else x
    raise ValueError(f"An exported program's argument is a tensor, a number or a list of these; got {kind}.")


def _called(output: Mapping[str, Any]) -> str:
    (kind, x), *_ = output.items()
    return str(x.get("name") or x.get("as_name") or "") if kind != "as_none" and isinstance(x, Mapping) else ""
