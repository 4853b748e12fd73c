"""Which layers of a network there are to learn from: found by watching it once, whatever its code looks like."""

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn

from tutelage.models.trunk import Trunk, has_matrices
from tutelage.models.watch import ModuleCall, Pass, watch
from tutelage.taps import find_layer


@dataclass(frozen=True, eq=False)
class Outline:
    """Addresses of a classifier: its stages from shallow to deep, what they are before their ReLU, its last layer.

    ``maps`` are the last layer at each resolution; ``preactivations`` are the addresses of the same before the ReLU,
    and ``norms`` the batch norms that feed it (``None`` where there is none); ``last`` is what the mean is taken of, of
    a single place too where images are so small.
    ``blocks`` are the maps in finer steps: the modules that they are made of, if those are made of several layers.

    Each is found as it is asked for, and raises ``ValueError`` in a network that has no such layer: one that works on
    tokens has no maps, one that ends in a convolution has no ``head``.
    """

    watched: Pass
    override: tuple[str, ...] = ()

    @cached_property
    def maps(self) -> tuple[str, ...]:
        maps = self.override or tuple(self._trunk.stages().values())
        if not maps:
            raise ValueError(f"{self._network} has no layer that shows a map (samples, channels, H, W) to learn from.")
        return maps

    @cached_property
    def preactivations(self) -> tuple[str, ...]:
        return tuple(address for address, _ in self._before_relu)

    @cached_property
    def norms(self) -> tuple[str | None, ...]:
        return tuple(norm for _, norm in self._before_relu)

    @cached_property
    def last(self) -> str:
        deepest = (list(self._trunk.stages().values()) or self.maps)[-1]  # whichever maps were given
        if (beyond := self._single_place(deepest)) is not None:
            return beyond
        pool = self._pool(deepest)
        return deepest if pool is None else f"{pool.name}:input"

    @cached_property
    def head(self) -> str:
        deepest = max((self._trunk.place[name] for name in self._trunk.stages().values()), default=-1)
        for call in reversed(self.watched.calls):
            answers = call.answer is not None and call.answer.shape in self.watched.output
            if isinstance(call.module, nn.Linear) and answers and self._trunk.place[call.name] > deepest:
                return call.name
        raise ValueError(f"{self._network} does not end in a linear layer, so there is no embedding that it is fed.")

    @property
    def embedding(self) -> str:
        """What the last layer is fed."""
        return f"{self.head}:input"

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        return tuple(block for name in self.maps for block in self._blocks(self._call(name)))

    def deepest(self, count: int) -> "Outline":
        """The outline with the deepest ``count`` of its maps."""
        return Outline(self.watched, self.maps[-count:])

    @property
    def _network(self) -> str:
        return self.watched.network

    @cached_property
    def _trunk(self) -> Trunk:
        return Trunk(self.watched)

    @cached_property
    def _before_relu(self) -> list[tuple[str, str | None]]:
        return [_before_relu(self._call(name), self.watched.calls) for name in self.maps]

    def _call(self, name: str) -> ModuleCall:
        return next(call for call in self.watched.calls if call.name == name)

    def _pool(self, deepest: str) -> ModuleCall | None:
        """The module that takes the last map and answers with none, if there is one."""
        trunk = self._trunk
        scores = trunk.class_scores()
        if scores is not None:
            part = trunk.around(scores)
            return None if part is None or trunk.is_map(part.answer) else part
        after = [part for part in trunk.parts if trunk.place[part.name] > trunk.place[deepest]]
        ends = [part for part in after if trunk.is_map(part.input) and not trunk.is_map(part.answer)]
        return ends[-1] if ends else None

    def _single_place(self, deepest: str) -> str | None:
        """Where the last map has shrunk to 1×1 in layers with weights, behind the deepest one of more places: it.

        What follows a pool is no such layer, nor is a convolution that gives the classes.
        """
        trunk, weighted, last = self._trunk, False, None
        if trunk.class_scores() is not None:
            return None
        for part in trunk.parts:
            if trunk.place[part.name] <= trunk.place[deepest] or not trunk.is_spatial(part.input):
                continue
            if trunk.is_map(part.first):  # a decoder's: it grows again
                weighted, last = False, None
            elif self._pools(part):
                return f"{part.name}:input" if weighted else None
            elif any(part.holds(call) for call in trunk.weighted[-1:]):
                break
            elif weighted := weighted or has_matrices(part.module):
                last = part.name if part.answer and part.answer.intact else last
        return last

    def _pools(self, part: ModuleCall) -> bool:
        """Whether that is where places end: what answers with none, or without weights with one for all."""
        if not self._trunk.is_spatial(part.first):
            return True
        if has_matrices(part.module):
            return False
        kinds = [type(module) for module in part.module.modules()]
        if any(issubclass(kind, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d) for kind in kinds):
            return True
        return self._trunk.is_map(part.input) and nn.MaxPool2d not in kinds  # that one may be a step of the trunk

    def _blocks(self, whole: ModuleCall) -> list[str]:
        """The modules just inside it that answer with maps and hold others, if the last one's answer is its own."""
        inside = [c for c in self.watched.calls if c.name.rpartition(".")[0] == whole.name]
        inside = [c for c in inside if self._trunk.is_map(c.answer) and any(True for _ in c.module.children())]
        if not inside or not _same(inside[-1].answer, whole.answer):
            return [whole.name]
        return self._blocks(inside[0]) if len(inside) == 1 else [c.name for c in inside]


def outline(model: nn.Module, example: Tensor, maps: tuple[str, ...] = ()) -> Outline:
    """The outline of ``model``, read off one pass over ``example`` in eval mode; ``maps`` are found unless given.

    Raises ``ValueError`` for given layers that do not exist or show no map.

    >>> import torch
    >>> from tutelage.models.resnet import resnet8
    >>> layers = outline(resnet8(), torch.zeros(1, 3, 32, 32))
    >>> layers.maps, layers.preactivations[1], layers.norms[1], layers.embedding, layers.blocks[0]
    (('layer1', 'layer2', 'layer3'), 'layer2.block1.relu2:input', 'layer2.block1.norm2', 'head:input', 'layer1.block1')
    """
    watched = watch(model, example)
    trunk = Trunk(watched) if maps else None
    for name in maps:
        find_layer(model, name)
        if not any(call.name == name and trunk is not None and trunk.is_map(call.answer) for call in watched.calls):
            raise ValueError(f"Layer {name!r} of {type(model).__name__} shows no map (samples, channels, H, W).")
    return Outline(watched, tuple(maps))


def _before_relu(whole: ModuleCall, calls: tuple[ModuleCall, ...]) -> tuple[str, str | None]:
    """Where a map stands before its ReLU, and the batch norm whose output that is, or feeds it."""
    inside = [call for call in calls if whole.holds(call)]
    norms = [call for call in calls if isinstance(call.module, nn.BatchNorm2d)]
    within = [c for c in norms if whole.holds(c)]
    relu = next((c for c in inside if isinstance(c.module, nn.ReLU) and _same(c.answer, whole.answer)), None)
    if relu is not None:
        direct = [c for c in norms if _same(c.answer, relu.input)]
        straight = direct or [c for c in within if not _on_shortcut(c, inside)]
        address = whole.name if relu.module.inplace else f"{relu.name}:input"  # in place, it is gone once it ran
        return address, straight[-1].name if straight else None
    after = next((c for c in norms if _same(c.input, whole.answer)), None)
    if after is not None:  # pre-activation: the next block normalises the bare sum
        return after.name if after.answer and after.answer.intact else whole.name, after.name
    straight = [c for c in within if not _on_shortcut(c, inside)] or within
    return whole.name, straight[-1].name if straight else None


def _on_shortcut(norm: ModuleCall, inside: list[ModuleCall]) -> bool:
    """Whether what ``norm`` is given comes by a 1×1 convolution straight from what the enclosing block was given."""
    source = next((c for c in inside if isinstance(c.module, nn.Conv2d) and _same(c.answer, norm.input)), None)
    if source is None or source.module.kernel_size != (1, 1):
        return False
    block = norm.name.rpartition(".")[0]
    enclosing = [c for c in inside if block.startswith(c.name) and c.name != norm.name and "." in c.name]
    return any(_same(c.input, source.input) for c in enclosing)


def _same(one: object, other: object) -> bool:
    number = getattr(one, "number", None)
    return number is not None and number == getattr(other, "number", None)
