"""A network that starts from a seed of its own, whoever is built before it; one that starts anew at its sizes."""

from collections.abc import Callable

import torch
from torch import nn

from tutelage.models.resnet import he_fan_out_


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


def restart_(model: nn.Module) -> nn.Module:
    """``model``, each layer's weights drawn as PyTorch starts a layer of its size, statistics included.

    What was made narrower has weights for the sizes that it had: too small where they are drawn by the fan-in.
    """
    for module in model.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
    return model


def restart_by_fan_out_(model: nn.Module) -> nn.Module:
    """``restart_``, and convolutions drawn by ``he_fan_out_``: how this package's networks for CIFAR start."""
    return he_fan_out_(restart_(model))
