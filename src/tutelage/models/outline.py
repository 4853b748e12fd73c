"""Which layers of a network there are to learn from: found by watching it once, whatever its code looks like."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tutelage.taps import find_layer


@dataclass(frozen=True)
class Outline:
    """Addresses of a classifier: its stages from shallow to deep, what they are before their ReLU, its last layer.

    ``maps`` are the last layer at each resolution; ``preactivations`` are the addresses of the same before the ReLU,
    and ``norms`` the batch norms that feed it (``None`` where there is none); ``last`` is what the mean is taken of.
    ``blocks`` are the maps in finer steps: the modules that they are made of, if those are made of several layers.
    """

    maps: tuple[str, ...]
    preactivations: tuple[str, ...]
    norms: tuple[str | None, ...]
    last: str
    head: str
    blocks: tuple[str, ...] = ()

    @property
    def embedding(self) -> str:
        """What the last layer is fed."""
        return f"{self.head}:input"


class _Call(NamedTuple):
    name: str
    module: nn.Module
    given: Tensor
    answer: Tensor


@torch.no_grad()
def outline(model: nn.Module, example: Tensor, maps: tuple[str, ...] = ()) -> Outline:
    """The outline of ``model``, read off one pass over ``example`` in eval mode; ``maps`` are found unless given.

    Raises ``ValueError`` for a network without a linear last layer or without maps, and for layers that do not exist.

    >>> from tutelage.models.resnet import resnet8
    >>> found = outline(resnet8(), torch.zeros(1, 3, 32, 32))
    >>> found.maps, found.preactivations[1], found.norms[1], found.embedding, found.blocks[0]
    (('layer1', 'layer2', 'layer3'), 'layer2.block1.relu2:input', 'layer2.block1.norm2', 'head:input', 'layer1.block1')
    """
    calls = _watched(model, example)
    head = next((call for call in reversed(calls) if isinstance(call.module, nn.Linear)), None)
    if head is None:
        raise ValueError(f"{type(model).__name__} does not end in a linear layer, so there is no head to speak of.")
    deep = [call for call in calls if call.answer.ndim == 4 and call.answer.shape[-1] > 1]
    for name in maps:
        find_layer(model, name)
        if name not in {call.name for call in deep}:
            raise ValueError(f"Layer {name!r} of {type(model).__name__} shows no map (samples, channels, H, W).")
    found = maps or _last_at_each_resolution(deep)
    if not found:
        raise ValueError(f"{type(model).__name__} has no layer that shows a map (samples, channels, H, W).")
    before = [_before_relu(name, calls) for name in found]
    preactivations, norms = tuple(address for address, _ in before), tuple(norm for _, norm in before)
    blocks = tuple(block for name in found for block in _blocks(name, deep))
    return Outline(tuple(found), preactivations, norms, _pooled(calls, deep), head.name, blocks)


def _watched(model: nn.Module, example: Tensor) -> list[_Call]:
    """Every module that took a tensor and answered with one, in the order in which they ended."""
    calls: list[_Call] = []
    handles = []
    for name, module in model.named_modules():
        if not name:
            continue

        def note(module: nn.Module, given: tuple[Any, ...], answer: Any, name: str = name) -> None:
            if given and isinstance(given[0], Tensor) and isinstance(answer, Tensor):
                calls.append(_Call(name, module, given[0], answer))

        handles.append(module.register_forward_hook(note))
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        model(example)
    finally:
        for handle in handles:
            handle.remove()
        for module in training:
            module.training = True
    return calls


def _last_at_each_resolution(deep: list[_Call]) -> list[str]:
    """Of the modules nearest to the surface, the last one that answered in each size of map."""
    depths = Counter(call.name.count(".") for call in deep)
    sizes = {call.answer.shape[2:] for call in deep}
    for depth in sorted(depths):  # an enclosing module, such as `features`, may hide the stages: then look inside
        last = {call.answer.shape[2:]: call.name for call in deep if call.name.count(".") == depth}
        if len(last) > 1 or len(sizes) == 1:
            return list(last.values())
    return []


def _blocks(name: str, deep: list[_Call]) -> list[str]:
    """The modules just inside the map called ``name`` that answer with maps and hold others; else the map itself."""
    inside = [c for c in deep if c.name.rpartition(".")[0] == name and any(True for _ in c.module.children())]
    return [c.name for c in inside] or [name]


def _before_relu(name: str, calls: list[_Call]) -> tuple[str, str | None]:
    """Where the map called ``name`` stands before its ReLU, and the batch norm whose output that is, or feeds it."""
    whole = next(call for call in calls if call.name == name)
    inside = [call for call in calls if call.name == name or call.name.startswith(f"{name}.")]
    relu = next((c for c in inside if isinstance(c.module, nn.ReLU) and c.answer is whole.answer), None)
    within = [c for c in inside if isinstance(c.module, nn.BatchNorm2d)]
    if relu is not None:
        direct = [c for c in calls if isinstance(c.module, nn.BatchNorm2d) and c.answer is relu.given]
        straight = direct or [c for c in within if not _on_shortcut(c, inside)]
        return f"{relu.name}:input", straight[-1].name if straight else None
    after = next((c for c in calls if isinstance(c.module, nn.BatchNorm2d) and c.given is whole.answer), None)
    if after is not None:  # pre-activation: the next block normalises the bare sum
        return after.name, after.name
    return name, within[-1].name if within else None


def _on_shortcut(norm: _Call, inside: list[_Call]) -> bool:
    """Whether what ``norm`` is given comes by a 1×1 convolution straight from what the enclosing block was given."""
    source = next((c for c in inside if c.answer is norm.given and isinstance(c.module, nn.Conv2d)), None)
    if source is None or source.module.kernel_size != (1, 1):
        return False
    block = norm.name.rpartition(".")[0]
    enclosing = [c for c in inside if block.startswith(c.name) and c.name != norm.name and "." in c.name]
    return any(c.given is source.given for c in enclosing)


def _pooled(calls: list[_Call], deep: list[_Call]) -> str:
    """The address of the last map: the input of what takes the mean over its places, if that is a module."""
    pool = next((c for c in reversed(calls) if c.given.ndim == 4 and c.given.shape[-1] > 1 and
                 (c.answer.ndim < 4 or c.answer.shape[-1] == 1)), None)  # fmt: skip
    return deep[-1].name if pool is None else f"{pool.name}:input"
