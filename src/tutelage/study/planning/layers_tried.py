"""What each layer's channels are worth: half of one width at a time is taken out, and the network asked again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor, nn

from tutelage.compress.importance import filters
from tutelage.compress.ranked import evenly
from tutelage.compress.structure.graph import Channels, Closed
from tutelage.compress.structure.widths import Width, unread, widths

HALF = 0.5
"""Of a width, what is taken out."""
LEAST = 0.02
"""Points a share of the count: what is seen to cost nothing is still worth a little."""


@dataclass(frozen=True)
class LayerTried:
    """Without half of the channels that ``layers`` make the network loses ``lost`` points, and ``saved`` of its count.

    ``layers`` are joined by commas.
    """

    layers: str
    lost: float
    saved: float


def layers_tried(
    channels: Channels, scores: Tensor, lost: Callable[[Closed], tuple[float, float]], end: float
) -> tuple[LayerTried, ...]:
    """Every width that has two groups or more; nothing where that takes longer than until ``end`` on the clock.

    The groups with the lowest ``scores`` go. ``lost`` says the points that are lost with that closed, and the share of
    the count that is left.
    """
    found = []
    for width in widths(channels):
        half = int(HALF * len(width.groups))
        if not half:
            continue
        if perf_counter() > end:
            return ()
        order = _of_groups(width, scores).argsort(stable=True).tolist()
        points, left = lost(unread(channels, [width.groups[place] for place in order[:half]]))
        found.append(LayerTried(name_of(width), points, 1 - left))
    return tuple(found)


def by_layer(model: nn.Module, channels: Channels, *, worth: Mapping[str, float]) -> Tensor:
    """The norm of filters, as places from above 0 to 1 in each width, times what a width is ``worth``, by its layers.

    After Han, Pool, Tran & Dally, "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015,
    arXiv:1506.02626, §4.1, of channels.
    """
    scores = filters(model, channels)
    for width in widths(channels):
        places = evenly(_of_groups(width, scores)) + 1 / len(width.groups)
        for group, place in zip(width.groups, places.tolist(), strict=True):
            scores[list(group)] = place * worth.get(name_of(width), 1.0)
    return scores


def worths(tried: Sequence[LayerTried]) -> dict[str, float]:
    """Points that are lost for what is saved, by layers, over their mean.

    >>> worths([LayerTried("0", 3.0, 0.1), LayerTried("2", 1.0, 0.1)])
    {'0': 1.5, '2': 0.5}
    """
    each = {x.layers: max(x.lost / max(x.saved, 1e-6), LEAST) for x in tried}
    mean = sum(each.values()) / max(len(each), 1)
    return {name: value / mean for name, value in each.items()}


def name_of(width: Width) -> str:
    """The layers that make it."""
    return ", ".join(width.makers)


def _of_groups(width: Width, scores: Tensor) -> Tensor:
    return torch.stack([scores[list(group)].nanmean() for group in width.groups])
