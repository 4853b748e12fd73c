"""What every module of a network took and answered in one pass, whatever its code looks like."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Snapshot(NamedTuple):
    """A tensor that was seen: which one it was, its shape, and whether nothing overwrote it after it was answered."""

    number: int
    shape: torch.Size
    intact: bool


class ModuleCall(NamedTuple):
    """A module that ran: what it took first, its answer if that was a tensor, and the first tensor in any answer."""

    name: str
    module: nn.Module
    input: Snapshot | None
    answer: Snapshot | None
    first: Snapshot | None

    def holds(self, other: "ModuleCall") -> bool:
        """Whether ``other`` is this module or one inside it."""
        return other.name == self.name or other.name.startswith(f"{self.name}.") or not self.name


@dataclass(frozen=True)
class Pass:
    """The modules that ran exactly once, in the order in which they ended; and the shapes of what the network answered.

    What runs several times has no address: nobody could say which of its answers is meant.
    """

    network: str
    samples: int
    calls: tuple[ModuleCall, ...]
    output: tuple[torch.Size, ...]


@torch.no_grad()
def watch(model: nn.Module, example: Tensor) -> Pass:
    """One pass of ``model`` over ``example`` in eval mode. Modes are as before afterwards, and no hook stays."""
    rows: list[tuple[str, nn.Module, Tensor | None, Tensor | None, int, bool]] = []
    handles = []
    for name, module in model.named_modules():
        if not name:
            continue

        def note(module: nn.Module, args: Any, kwargs: Any, answer: Any, name: str = name) -> None:
            first_input = next(tensors_in([*args, *kwargs.values()]), None)
            first = next(tensors_in(answer), None)
            rows.append((name, module, first_input, first, 0 if first is None else first._version, first is answer))

        handles.append(module.register_forward_hook(note, with_kwargs=True))
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        output = [x.shape for x in tensors_in(model(example))]
    finally:
        for handle in handles:
            handle.remove()
        for module in training:
            module.training = True
    numbers: dict[int, int] = {}
    times = Counter(name for name, *_ in rows)

    def snapshot(x: Tensor | None, version: int | None = None) -> Snapshot | None:
        if x is None:
            return None
        return Snapshot(numbers.setdefault(id(x), len(numbers)), x.shape, version in (None, x._version))

    calls: list[ModuleCall] = []
    for name, module, first_input, first, version, alone in rows:
        answer = snapshot(first, version)
        if times[name] == 1:
            calls.append(ModuleCall(name, module, snapshot(first_input), answer if alone else None, answer))
    return Pass(type(model).__name__, len(example), tuple(calls), tuple(output))


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in an argument or an answer, however it packs them."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for x in value:
            yield from tensors_in(x)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))
    elif is_dataclass(value) and not isinstance(value, type):
        yield from tensors_in([getattr(value, field.name) for field in fields(value)])
