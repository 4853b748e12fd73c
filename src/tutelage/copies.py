"""Copies of networks."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn


def copy_of(network: nn.Module) -> nn.Module:
    """A copy that shares nothing with ``network``, of those also that keep what they computed, without its history.

    The older weight norm of torch keeps a weight so, which ``copy.deepcopy`` refuses; it computes it anew in each pass.

    >>> layer = nn.Linear(2, 2)
    >>> layer.kept = layer.weight * 2
    >>> copy_of(layer).kept.requires_grad
    False
    """
    kept = (x for module in network.modules() for x in vars(module).values() if isinstance(x, Tensor))
    memo = {id(x): x.detach().clone() for x in kept if x.grad_fn is not None}
    with torch.no_grad():  # copies of TorchScript would have a history otherwise
        return deepcopy(network, memo)


def learning(network: nn.Module, wanted: bool = True) -> nn.Module:
    """The network, whose weights learn from now on, or no longer; TorchScript has no ``requires_grad_`` of its own."""
    for weight in network.parameters():
        if weight.is_floating_point() or weight.is_complex():
            weight.requires_grad_(wanted)
    return network


def in_float32(build: Callable[[], nn.Module]) -> nn.Module:
    """A copy of what ``build`` makes, in float32 as data are: networks are kept in any precision."""
    return copy_of(build()).float()


def is_float32(network: nn.Module) -> bool:
    """Whether all fractions that it holds are float32."""
    held = (*network.parameters(), *network.buffers())
    return all(x.dtype == torch.float32 for x in held if x.is_floating_point())
