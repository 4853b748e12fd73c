"""Students of a given cost that nobody searched for: all layers thinner alike, or each by chance."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from tutelage.compress.structure.graph import Channels, Closed

STEPS = 24
"""Halvings of what is tried: a share is found to seven digits."""


def uniform(channels: Channels, readers: Iterable[str], cost: Callable[[Closed], float], limit: float) -> Closed:
    """What to close so that each of ``readers`` reads the same share of its channels, the first ones.

    The largest such share whose ``cost`` is no more than ``limit``. Raises ``ValueError`` where one channel each costs
    more.
    """
    gates = {name: channels.readers[name].gates for name in readers}
    return _widest({name: torch.arange(count) for name, count in gates.items()}, dict.fromkeys(gates, 1.0), cost, limit)


def drawn(
    channels: Channels, readers: Iterable[str], cost: Callable[[Closed], float], limit: float, seed: int
) -> Closed:
    """The same, but how narrow each becomes beside the others is drawn, and so are the channels that it reads."""
    generator = torch.Generator().manual_seed(seed)
    order, exponents = {}, {}
    for name in readers:
        order[name] = torch.randperm(channels.readers[name].gates, generator=generator)
        exponents[name] = 0.5 + float(torch.rand((), generator=generator))
    return _widest(order, exponents, cost, limit)


def _widest(
    order: Mapping[str, Tensor], exponents: Mapping[str, float], cost: Callable[[Closed], float], limit: float
) -> Closed:
    """The first ``share ** exponent`` of each order stays open, one gate at least, for the largest share that fits."""

    def narrowed(share: float) -> Closed:
        inputs = {}
        for name, gates in order.items():
            inputs[name] = torch.ones(len(gates), dtype=torch.bool)
            inputs[name][gates[: max(1, round(share ** exponents[name] * len(gates)))]] = False
        return Closed(inputs)

    low, high = 0.0, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if cost(narrowed(middle)) <= limit else (low, middle)
    if cost(narrowed(low)) > limit:
        raise ValueError(f"One channel for each layer costs {cost(narrowed(low)):g}, more than {limit:g}: name more.")
    return narrowed(low)
