"""Numbers drawn by counting: each follows from its keys alone, whatever was drawn before, on any device."""

from functools import lru_cache
from math import gcd

import numpy as np
import torch
from torch import Tensor

_VIEW, _ORDER, _TURN, _STRIDE = 0, 1, 2, 3  # what a number is for, so that no two uses share a hash; 4 to 12: elsewhere

FEW = 256
"""Views whose numbers are kept, 2 kB each: to draw them anew takes half of the time of showing a batch."""
ROUND = 2**16
"""Views up to which a sample meets all of them in turn; more would take long to list, and longer to see."""


def hashed(*keys: int | Tensor) -> Tensor:
    """A 63-bit number that looks random for each entry of the broadcast ``keys``; later keys are mixed into earlier.

    The arithmetic is our own, so the numbers are the same in every version of torch and on every device.

    >>> hashed(1, 2, torch.arange(2)).tolist() == hashed(1, 2, torch.arange(5)).tolist()[:2]
    True
    """
    mixed = torch.zeros((), dtype=torch.int64)
    for key in keys:
        mixed = (mixed + key + 1) * 0x2545F4914F6CDD1D  # int64 wraps around, which is what a hash wants
        mixed = (mixed ^ (mixed >> 29)) * 0x369DEA0F31A53F85
        mixed = (mixed ^ (mixed >> 32)) & 0x7FFFFFFFFFFFFFFF
    return mixed


def draw(seed: int, epoch: int, index: Tensor, num_views: int) -> Tensor:
    """A view in ``0 … num_views - 1`` for each entry of ``index``, as if at random and independently in each epoch."""
    return below(num_views, seed, epoch, _VIEW, index)


def in_turn(seed: int, epoch: int, index: Tensor, num_views: int) -> Tensor:
    """A view for each entry of ``index`` such that in every ``num_views`` epochs it meets each view exactly once.

    Each sample begins anywhere and walks by its own stride, ``(start + turn · stride) mod num_views`` with the stride
    coprime to ``num_views``; both change with each round. A cache of a teacher's answers is complete after one round,
    where views drawn independently leave 36 % of them unasked. Of more than ``ROUND`` views no training sees all, and
    they are drawn.

    >>> views = torch.stack([in_turn(0, epoch, torch.arange(4), 25) for epoch in range(25, 50)])
    >>> bool((views.sort(0).values == torch.arange(25)[:, None]).all())
    True
    """
    if num_views == 1:
        return torch.zeros_like(index)
    if num_views > ROUND:
        return draw(seed, epoch, index, num_views)
    cycle, turn = divmod(epoch, num_views)
    strides = torch.tensor([n for n in range(1, num_views + 1) if gcd(n, num_views) == 1], device=index.device)
    start = below(num_views, seed, cycle, _TURN, index)
    return (start + turn * strides[below(len(strides), seed, cycle, _STRIDE, index)]) % num_views


def order(seed: int, epoch: int, count: int) -> Tensor:
    """The numbers ``0 … count - 1``, shuffled anew in each epoch."""
    numbers = hashed(seed, epoch, _ORDER, torch.arange(count))  # of 63 bits: two alike are not to be met
    return torch.from_numpy(np.argsort(numbers.numpy()))


def below(bound: int, *keys: int | Tensor) -> Tensor:
    """A number in ``0 … bound - 1`` for each entry of the broadcast ``keys``."""
    return (hashed(*keys) >> 16) % bound  # the high bits of a hash are the best mixed


def uniform(*keys: int | Tensor) -> Tensor:
    """A number (float64) strictly between 0 and 1 for each entry of the broadcast ``keys``, as ``hashed`` draws them.

    >>> float(uniform(1, 2))
    0.4946852239853515
    """
    return ((hashed(*keys) >> 10).double() + 0.5) * 2.0**-53


def uniform_of_view(seed: int, what: int, number: int, view: Tensor) -> Tensor:
    """``uniform(seed, what, number, view)``; on a CPU, where all views are of the first few, read off a table of them.

    >>> views = torch.tensor([3, 0])
    >>> torch.equal(uniform_of_view(1, 13, 0, views), uniform(1, 13, 0, views))
    True
    """
    if view.device.type == "cpu" and len(view) and int(view.min()) >= 0 and int(view.max()) < FEW:
        return _of_few(seed, what, number)[view]
    return uniform(seed, what, number, view)


@lru_cache(maxsize=64)
def _of_few(seed: int, what: int, number: int) -> Tensor:
    with torch.inference_mode(False):
        return uniform(seed, what, number, torch.arange(FEW))


def checked_seed(seed: int) -> int:
    """``seed``; raises ``ValueError`` if it does not fit into the 63 bits that are mixed."""
    if not 0 <= seed < 2**63:
        raise ValueError(f"A seed is a whole number from 0 to 2**63 - 1; {seed} is not.")
    return seed
