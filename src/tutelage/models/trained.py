"""Whether a builder's networks come already trained."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


def comes_trained(build: Callable[[], nn.Module]) -> bool:
    """Whether ``build()`` gives a network with weights of its own, loaded say, and not one that training starts from.

    It is built twice under two seeds: fresh weights differ, loaded ones are equal. A body that was loaded under a fresh
    head, or under one of zeros, is still to be trained. Where equal weights may come from a builder that sets the seed
    itself, the normalisations tell: those of a fresh network all stand where they start. Seeds and generators are as
    before afterwards. Two buildings, no training, no data.

    >>> comes_trained(lambda: nn.Linear(3, 2))
    False
    """
    first, ended = _built(build, 1)
    second, ended_too = _built(build, 2)
    pairs = list(zip(first.parameters(), second.parameters(), strict=False))
    if not pairs or not all(_equal(a, b) for a, b in pairs) or any(_is_blank(a) for a, _ in pairs):
        return False
    if any(map(_starts_at_a_constant, first.modules())):
        return has_moved(first)
    return not torch.equal(ended, ended_too)


def has_moved(network: nn.Module) -> bool:
    """Whether a normalisation in it no longer stands where it starts, as after any training of the layers before it."""
    return any(_differs(module) for module in network.modules() if _starts_at_a_constant(module))


def _built(build: Callable[[], nn.Module], seed: int) -> tuple[nn.Module, Tensor]:
    """The network, and the state in which it left the generator."""
    with _seeded(seed):
        return build(), torch.get_rng_state()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _is_blank(weights: Tensor) -> bool:
    """A matrix of zeros: the last layer of a network that is to be tuned."""
    return weights.ndim > 1 and weights.numel() > 1 and not bool(weights.any())


def _starts_at_a_constant(module: nn.Module) -> bool:
    return isinstance(module, _NormBase | nn.LayerNorm | nn.GroupNorm | nn.RMSNorm) and bool(module.state_dict())


def _differs(norm: nn.Module) -> bool:
    """Whether anything in it differs from channel to channel, or a batch has been counted."""
    return any(bool(x.any()) if x.ndim == 0 else bool((x != x.flatten()[0]).any()) for x in norm.state_dict().values())
