"""Where a network's maps grow smaller: the stages of its trunk, found in what its modules took and answered."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import TypeGuard

from torch import nn

from tutelage.models.watch import ModuleCall, Pass, Snapshot

STEP = 1.5
"""How many times as many places a map of an earlier stage has, at least: edges that are not padded are no step."""


class Trunk:
    """The modules that follow one another from a network's input to its answer, as near to the surface as possible.

    A module is looked into if it hides stages: if maps inside it have a size between that of what it takes and that of
    what it answers. ``maps`` are those whose answer is a map (samples, channels, H, W) of more than one place.
    """

    def __init__(self, watched: Pass) -> None:
        self.calls, self.samples, self.output = watched.calls, watched.samples, watched.output
        self.weighted = [call for call in watched.calls if has_matrices(call.module, inside=False)]
        self.place = {call.name: place for place, call in enumerate(watched.calls)}
        self._features_last = _features_last(watched.calls)
        self._inside = _children(watched.calls)
        self.parts = self._opened("", eager=False)
        if len({part.answer.shape[2:] for part in self.parts if self.is_map(part.answer)}) < 2:
            self.parts = self._opened("", eager=True)

    def is_map(self, x: Snapshot | None) -> TypeGuard[Snapshot]:
        """Whether that is (samples, channels, H, W), of more than one place."""
        return self.is_spatial(x) and _area(x) > 1

    def is_spatial(self, x: Snapshot | None) -> TypeGuard[Snapshot]:
        """Whether that is (samples, channels, H, W), of one place too."""
        if x is None or len(x.shape) != 4 or x.number in self._features_last:
            return False
        return x.shape[0] == self.samples  # and not, say, windows of them

    def is_tokens(self, x: Snapshot | None) -> bool:
        """Whether that is (samples, tokens, features), or (samples, H, W, features)."""
        return x is not None and (len(x.shape) == 3 or x.number in self._features_last)

    def stages(self) -> dict[Sequence[int], str]:
        """Size of the map -> the last layer of the trunk that answers with it, from shallow to deep.

        Maps that grow again, as a decoder's do, are not among them, nor is what comes before the first weights or what
        the classes are read off, nor those that are cut into tokens before most of the weights are applied.
        """
        first = self.place[self.weighted[0].name] if self.weighted else 0
        scores = self.class_scores()
        limit = len(self.calls) if scores is None else self.place[scores.name]
        last: dict[Sequence[int], str] = {}
        smallest, led_there, to_tokens = inf, 0, 0
        for part in self.parts:
            x, weights = part.first, _matrices(part.module)
            if not self.is_map(x) and self._holds_tokens(part):
                to_tokens += weights
            else:
                led_there += weights
            if to_tokens > led_there:
                last, led_there, to_tokens = {}, led_there + to_tokens, 0
            if not self.is_map(x) or not first <= self.place[part.name] < limit or _area(x) > smallest:
                continue
            smallest = _area(x)
            if part.answer and x.intact and not isinstance(part.module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
                last[x.shape[2:]] = part.name
        return last

    def class_scores(self) -> ModuleCall | None:
        """The convolution whose map is one score a class and place, of which a network answers with means or a map.

        The only layer with weights is none such: it is all that there is to learn from.
        """
        weighted = self.weighted
        if len(weighted) < 2 or not isinstance(weighted[-1].module, nn.Conv2d) or not self.is_map(weighted[-1].answer):
            return None
        scores = (self.samples, weighted[-1].module.out_channels)
        return weighted[-1] if scores in {tuple(shape[:2]) for shape in self.output} else None

    def around(self, call: ModuleCall) -> ModuleCall | None:
        """The part of the trunk that ``call`` is, or is inside of."""
        return next((part for part in self.parts if part.holds(call)), None)

    def _opened(self, name: str, eager: bool) -> list[ModuleCall]:
        parts: list[ModuleCall] = []
        for child in self._inside[name]:
            inner = self._opened(child.name, eager) if child.name in self._inside else []
            parts += inner if self._hides(child, inner, eager) else [child]
        return parts

    def _hides(self, call: ModuleCall, inner: Sequence[ModuleCall], eager: bool) -> bool:
        """Whether stages are to be looked for inside; ``eager``: maps of the size of what it takes are stages too."""
        if not inner or self.is_tokens(call.input):
            return False
        if call.first is None or (call.answer is None and self._passes_on(call)):
            return True
        low = _area(call.first) if self.is_spatial(call.first) else 1
        high = _area(call.input) if self.is_spatial(call.input) else inf
        sizes = {_area(part.first) for part in inner if self.is_map(part.first)}
        if any(STEP * low < size < high / STEP for size in sizes):
            return True
        return eager and low < high and high in sizes and _in_a_row(self._inside[call.name])

    def _passes_on(self, call: ModuleCall) -> bool:
        """Whether the tensor that it packs into its answer is what a module just inside it answered."""
        return any(c.first and call.first and c.first.number == call.first.number for c in self._inside[call.name])

    def _holds_tokens(self, part: ModuleCall) -> bool:
        return any(part.holds(call) and (self.is_tokens(call.input) or self.is_tokens(call.answer))
                   for call in self.calls)  # fmt: skip


def _children(calls: Sequence[ModuleCall]) -> Mapping[str, list[ModuleCall]]:
    """Name of a module that ran, ``""`` for the network -> the modules that ran just inside it."""
    ran = {call.name for call in calls}
    inside: dict[str, list[ModuleCall]] = defaultdict(list)
    for call in calls:
        inside[next((name for name in _enclosing(call.name) if name in ran), "")].append(call)
    return inside


def _enclosing(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name


def _area(x: Snapshot) -> int:
    return x.shape[2:].numel()


def has_matrices(module: nn.Module, *, inside: bool = True) -> bool:
    """Whether there are weights that are more than one number a channel."""
    return _matrices(module, inside=inside) > 0


def _matrices(module: nn.Module, *, inside: bool = True) -> int:
    """How many weights there are that are more than one number a channel."""
    return sum(p.ndim > 1 for p in module.parameters(recurse=inside))


def _features_last(calls: Sequence[ModuleCall]) -> set[int]:
    """Numbers of the tensors (samples, H, W, features): a linear layer or a norm reads them so, or a block between."""
    kinds = (nn.Linear, nn.LayerNorm, nn.RMSNorm)  # not what inherits: some of that turns the dimensions first
    numbers: set[int] = set()
    for call in calls:
        both = [x for x in (call.input, call.answer) if x is not None and len(x.shape) == 4]
        reads = type(call.module) in kinds and len(getattr(call.module, "normalized_shape", (0,))) == 1
        keeps = len(both) == 2 and both[0].shape == both[1].shape and _matrices(call.module) > 0
        if reads or (keeps and both[0].number in numbers):
            numbers.update(x.number for x in both)
    return numbers


def _in_a_row(calls: Sequence[ModuleCall]) -> bool:
    """Whether each of them takes what the one before answered: then none of them is a branch."""
    return all(a.answer and b.input and a.answer.number == b.input.number for a, b in pairwise(calls))
