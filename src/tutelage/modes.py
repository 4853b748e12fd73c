"""Networks in eval mode for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


@contextmanager
def evaluating(model: Callable[..., Any]) -> Iterator[None]:
    """The model in eval mode, without gradients; at the end, each part of it in the mode it was in before.

    A function that is no network has no mode; it is without gradients all the same.

    >>> net = nn.Sequential(nn.Dropout()).train()
    >>> with evaluating(net):
    ...     bool((net(torch.ones(9)) == 1).all())
    True
    >>> net.training
    True
    """
    training = [module for module in model.modules() if module.training] if isinstance(model, nn.Module) else []
    try:
        if isinstance(model, nn.Module):
            model.eval()
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True
