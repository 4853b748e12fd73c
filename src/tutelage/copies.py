"""Copies of networks."""

from copy import deepcopy

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
    return deepcopy(network, memo)
