"""What each layer alone suffers when weights of it become 0, and how many of each may, so that all suffer alike."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from tutelage.compress.masks import of_all, weights_of
from tutelage.copies import copy_of

Curves = Mapping[str, Sequence[float]]
"""By the name of a weight, the damage at each of the shares that were tried."""
STEPS = 60
"""Halvings of the damage that is allowed."""


@torch.no_grad()
def sensitivities(
    model: nn.Module, damage: Callable[[nn.Module], float], shares: Sequence[float]
) -> dict[str, tuple[float, ...]]:
    """What ``damage``, a loss or a number of errors, says of ``model`` when each weight alone is pruned by magnitude.

    One measurement for each weight and each of ``shares``, 0 first for ``shares_of``, on a copy; the model is not
    changed.

    Han, Pool, Tran & Dally, "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015,
    arXiv:1506.02626, §4.1 and figure 6.
    """
    copy, found = copy_of(model), {}
    for name, w in weights_of(copy).items():
        whole, row = w.clone(), []
        for share in shares:
            w.copy_(whole.masked_fill(~of_all({name: whole}, share)[name], 0))
            row.append(float(damage(copy)))
        w.copy_(whole)
        found[name] = tuple(row)
    return found


def shares_of(curves: Curves, shares: Sequence[float], sizes: Mapping[str, int], share: float) -> dict[str, float]:
    """How much of each weight becomes 0, so that ``share`` of all do and each does the same damage alone.

    ``curves`` are those of ``sensitivities`` at ``shares``, which rise from 0, read in straight lines, the damage as
    never falling; ``sizes`` are numbers of elements. For ``compress.masks.in_shares``. Where several layers suffer
    nothing, they lose in proportion to how far that holds. Raises ``ValueError`` for other ``shares``, and where the
    largest is less than ``share``.

    >>> shares_of({"robust": (0.0, 1.0), "tender": (0.0, 4.0)}, (0.0, 1.0), {"robust": 50, "tender": 50}, 0.5)
    {'robust': 0.8, 'tender': 0.2}
    """
    if shares[0] != 0 or list(shares) != sorted(shares):
        raise ValueError(f"The shares that were tried rise from 0; got {', '.join(f'{x:g}' for x in shares)}.")
    if share > shares[-1]:
        raise ValueError(f"Up to {shares[-1]:g} of each weight was tried, so that {share:g} of all cannot be told.")
    low, high = min(min(x) for x in curves.values()) - 1, max(max(x) for x in curves.values())
    wanted = share * sum(sizes[name] for name in curves)

    def reached(allowed: float) -> dict[str, float]:
        return {name: _reached(row, shares, allowed) for name, row in curves.items()}

    def count(found: Mapping[str, float]) -> float:
        return sum(sizes[name] * x for name, x in found.items())

    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if count(reached(middle)) <= wanted else (low, middle)
    below, above = reached(low), reached(high)  # where a curve is flat, all that it holds is reached at once
    part = (wanted - count(below)) / max(count(above) - count(below), 1e-9)
    return {name: round(below[name] + min(part, 1.0) * (above[name] - below[name]), 6) for name in curves}


def _reached(row: Sequence[float], shares: Sequence[float], allowed: float) -> float:
    """The largest share whose damage is no more than ``allowed``."""
    reached, worst = 0.0, row[0]
    for before, share, damage in zip((0.0, *shares), shares, row, strict=False):
        if damage > allowed:
            rise = damage - worst
            return reached + (share - before) * max(allowed - worst, 0.0) / rise if rise > 0 else reached
        reached, worst = share, max(worst, damage)
    return reached
