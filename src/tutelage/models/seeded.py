"""A network that starts from a seed of its own, whoever is built before it."""

from collections.abc import Callable

import torch
from torch import nn


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """What ``build`` makes right after ``torch.manual_seed(seed)``; nobody else's random numbers move.

    Among peers of other seeds a network then starts from the weights that it has alone, in a stage of this seed.

    >>> alike = [seeded(lambda: nn.Linear(3, 2), 5).weight for _ in range(2)]
    >>> torch.equal(*alike)
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
