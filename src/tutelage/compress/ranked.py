"""Channels taken out in the order of their importance, until a network costs what is wanted."""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor

from tutelage.compress.structure.graph import Channels, Closed
from tutelage.compress.structure.widths import Width, unread, widths

Across: TypeAlias = Callable[[Tensor], Tensor]
"""The scores of the groups of one width -> scores that can be compared with those of others."""
ROUNDING = 1e-12
"""Of a limit that was multiplied from a share: so much more is no more."""


def as_they_are(scores: Tensor) -> Tensor:
    """The same: all of a network is one ranking."""
    return scores


def evenly(scores: Tensor) -> Tensor:
    """Their places from 0 to 1: every width loses the same share.

    >>> evenly(torch.tensor([3.0, 1.0, 2.0, 7.0]))
    tensor([0.5000, 0.0000, 0.2500, 0.7500])
    """
    return scores.argsort(stable=True).argsort().to(scores.dtype) / len(scores)


def least_important(
    channels: Channels,
    scores: Tensor,
    cost: Callable[[Closed], float],
    limit: float,
    *,
    across: Across = as_they_are,
    multiple: int = 1,
) -> Closed:
    """What to close so that ``cost`` is no more than ``limit``: groups of channels, the least important first.

    ``scores`` (channels,) are those of an ``Importance``; a group has the mean of its channels' that are known. Of each
    width a ``multiple`` of groups goes at once, and what is left is one, as kernels like it; one of them stays.
    Raises ``ValueError`` where that costs more than ``limit``, and where nothing can be taken out.
    """
    found = widths(channels)
    if not found:
        why = "; ".join(f"{name}: {words}" for name, words in list(channels.fixed.items())[:3])
        raise ValueError(f"No channel of this network can be taken out: {why}.")
    ranked = sorted(
        (score, number, place, block)
        for number, width in enumerate(found)
        for place, (score, block) in enumerate(_blocks(width, scores, across, multiple))
    )
    blocks = [block for *_, block in ranked]

    def first(count: int) -> Closed:
        return unread(channels, [group for block in blocks[:count] for group in block])

    least, most = cost(first(len(blocks))), limit * (1 + ROUNDING)
    if least > most:
        raise ValueError(f"The least that can be left costs {least:g}, more than {limit:g}: let more be left.")
    low, high = 0, len(blocks)  # so few cost too much or may, so many do not
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if cost(first(middle)) <= most else (middle + 1, high)
    return first(high)


def least_left(channels: Channels, cost: Callable[[Closed], float], *, multiple: int = 1) -> float:
    """What a network costs at least of which ``least_important`` takes out all that it may."""
    return cost(unread(channels, [group for width in widths(channels) for group in width.groups[multiple:]]))


def _blocks(width: Width, scores: Tensor, across: Across, multiple: int) -> list[tuple[float, list[tuple[int, ...]]]]:
    """What goes at once, and its score, the least important first; the last ``multiple`` of groups is not among it."""
    each = across(torch.stack([scores[list(group)].nanmean() for group in width.groups])).nan_to_num(nan=torch.inf)
    order = each.argsort(stable=True).tolist()
    rest = len(order) % multiple
    starts = [*([0] if rest else []), *range(rest, len(order), multiple)]
    return [
        (float(each[order[start:end]].mean()), [width.groups[x] for x in order[start:end]])
        for start, end in pairwise(starts)
    ]
