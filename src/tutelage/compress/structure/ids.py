"""Which channel each element of a tensor belongs to, in little memory; and which channels go together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NONE = -1
"""The channel of what belongs to none: padding, and what is filled with a constant."""
CPU = torch.device("cpu")  # said everywhere: a network may be built, and its channels found, under another default


@dataclass(frozen=True, eq=False)
class Ids:
    """The number of the channel that each element of a tensor of ``shape`` belongs to, or ``NONE``.

    ``core`` (int64, on the CPU) has as many dimensions, each of the full size, or of size 1 where all are alike.
    """

    core: Tensor
    shape: torch.Size

    def full(self) -> Tensor:
        """All of them, as a view that repeats in place."""
        return self.core.expand(self.shape)

    def along(self, axis: int) -> Tensor | None:
        """One channel for each index of ``axis``, ``NONE`` where there is none; ``None`` where several share an index.

        Elements of no channel do not count beside those of one.
        """
        rows = self.core.movedim(axis, 0)[..., None].flatten(1)
        if not rows.shape[1]:
            return torch.full((self.shape[axis],), NONE, device=CPU)
        most = rows.amax(1, keepdim=True) if rows.numel() else rows[:, :1]
        if not bool(((rows == most) | (rows == NONE)).all()):
            return None
        return most[:, 0].expand(self.shape[axis])

    def per_element(self) -> list[int]:
        """The channels of ``core``, one for each of its elements, in order."""
        return self.core.flatten().tolist()


def compact(full: Tensor) -> Ids:
    """Ids out of one number for each element.

    >>> compact(torch.tensor([[4, 7], [4, 7]])).core
    tensor([[4, 7]])
    """
    core = full
    for axis in range(full.ndim):
        first = core.narrow(axis, 0, min(1, core.shape[axis]))
        if core.shape[axis] > 1 and (core.stride(axis) == 0 or bool((core == first).all())):
            core = first
    return Ids(core.clone(), full.shape)


def along(numbers: Sequence[int] | Tensor, axis: int, shape: torch.Size) -> Ids:
    """Ids that depend on the index of ``axis`` alone."""
    sizes = [1] * len(shape)
    sizes[axis] = shape[axis]
    return Ids(torch.as_tensor(numbers, dtype=torch.int64, device=CPU).view(sizes), shape)


def joined(parts: Sequence[Ids], axis: int) -> Ids:
    """Of tensors that are concatenated along ``axis``."""
    parts = [p for p in parts if len(p.shape) > 1 or p.shape.numel()] or list(parts)
    axis %= len(parts[0].shape)
    sizes = [max(p.core.shape[d] for p in parts) for d in range(len(parts[0].shape))]
    pieces = []
    for part in parts:
        own = list(sizes)
        own[axis] = part.shape[axis]
        pieces.append(part.core.expand([n if part.shape[d] else 0 for d, n in enumerate(own)]))
    core = torch.cat(pieces, axis)
    shape = list(parts[0].shape)
    shape[axis] = core.shape[axis]
    return Ids(core, torch.Size(shape))


def division(whole: Ids, parts: Sequence[Ids]) -> tuple[list[int], int] | None:
    """The channels of an axis that is cut into equal parts, and how many: ``None`` where none is.

    Into tensors of one size, or by a view that makes two dimensions of one, of which the first counts the parts.
    """
    shape = parts[0].shape
    axis = next((axis for axis, (size, left) in enumerate(zip(whole.shape, shape, strict=False)) if size != left), -1)
    if axis < 0 or whole.core.shape[axis] == 1 or any(part.shape != shape for part in parts):
        return None
    count, more = (len(parts), 0) if len(parts) > 1 else (shape[axis], 1)
    numbers = whole.along(axis)
    if numbers is None or len(shape) != len(whole.shape) + more or not 1 < count < len(numbers) or len(numbers) % count:
        return None
    return numbers.tolist(), count


def is_rest(rest: Ids, of: Ids, gone: Tensor) -> bool:
    """Whether ``rest`` is what is left of ``of`` once the elements of the channels that are ``gone`` are taken out.

    ``gone`` is a truth value for each channel.
    """
    if len(rest.shape) != len(of.shape):
        return False
    sizes: tuple[list[int], list[int]] = ([], [])
    for axis, (left, whole) in enumerate(zip(rest.shape, of.shape, strict=True)):
        alike = rest.core.shape[axis] == of.core.shape[axis] == 1
        if alike and left != whole:
            return False
        sizes[0].append(1 if alike else left)
        sizes[1].append(1 if alike else whole)
    numbers = of.core.expand(sizes[1])
    stays = ~gone[numbers] | (numbers == NONE)
    for axis, size in enumerate(sizes[1]):  # which is as long as it was: of each of its places, as many are left
        if size == sizes[0][axis] > 1 and len(stays.movedim(axis, 0)[..., None].flatten(1).sum(1).unique()) > 1:
            return False
    return torch.equal(rest.core.expand(sizes[0]).flatten(), numbers[stays])


def places(numbers: Sequence[int], device: torch.device = CPU) -> Tensor:
    """Indices as a tensor, of none as well."""
    return torch.tensor(list(numbers), dtype=torch.int64, device=device)


class Groups:
    """Channels that go together or not at all, and those that may not go, with the reason."""

    def __init__(self) -> None:
        self._above: list[int] = []
        self.reasons: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._above)

    def new(self, count: int) -> list[int]:
        """``count`` new channels."""
        first = len(self._above)
        self._above += range(first, first + count)
        return list(range(first, first + count))

    def of(self, channel: int) -> int:
        """The number that stands for its group."""
        root = channel
        while self._above[root] != root:
            root = self._above[root]
        while self._above[channel] != root:
            self._above[channel], channel = root, self._above[channel]
        return root

    def couple(self, one: int, other: int) -> bool:
        """From now on both go together. Returns whether they did not before."""
        low, high = sorted((self.of(one), self.of(other)))
        if low != high:
            self._above[high] = low
            if high in self.reasons:
                self.reasons.setdefault(low, self.reasons[high])
        return low != high

    def couple_alike(self, channels: Sequence[int], parts: int) -> bool:
        """In as many equal ``parts`` of ``channels``, the first of each go together, the second of each, and so on.

        Returns whether some did not before. What is padding has no others.
        """
        if NONE in channels:
            return False
        size = len(channels) // parts
        return sum(self.couple(channels[place % size], channel) for place, channel in enumerate(channels)) > 0

    def fix(self, channels: Iterable[int], reason: str) -> bool:
        """None of them may go, for ``reason``. Returns whether one of them could go before."""
        roots = {self.of(channel) for channel in channels if channel != NONE}
        new = [root for root in roots if root not in self.reasons]
        self.reasons.update(dict.fromkeys(new, reason))
        return bool(new)

    def reason(self, channel: int) -> str:
        """Why it may not go, "" where it may."""
        return self.reasons.get(self.of(channel), "")
