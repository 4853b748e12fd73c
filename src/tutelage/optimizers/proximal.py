"""Exact zeros."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from tutelage.optimizers.factory import Factory, Named

Scale: TypeAlias = Callable[[str], float | Tensor]
"""A parameter's name -> ``α``, by how much its penalty is scaled: a number, or one for each of its elements."""


def alike(_name: str) -> float:
    """1 for every parameter."""
    return 1.0


def proximal(factory: Factory, strength: float, where: Callable[[str], bool], scale: Scale = alike) -> Factory:
    """After each step: ``w <- sign(w) · max(|w| - lr · strength · α, 0)`` for the parameters whose name is ``where``.

    The proximal operator of ``strength · Σ α|w|``: it reaches exact zeros where a penalty only comes near. Around
    gradient descent without momentum or decay it is the proximal gradient method. ``scale`` gives ``α`` by name.

    Huang & Wang, "Data-Driven Sparse Structure Selection for Deep Neural Networks", ECCV 2018, arXiv:1707.01213.
    """

    refuse_no_strength(strength)

    def build(named: Named) -> Optimizer:
        optimizer = factory(named)
        chosen = {p: scale(name) for name, p in named if where(name)}

        @torch.no_grad()
        def shrink(optimizer: Optimizer, *_: Any) -> None:
            for group in optimizer.param_groups:
                for p in chosen.keys() & set(group["params"]):
                    p.copy_(soft_threshold(p, group["lr"] * strength * chosen[p]))

        optimizer.register_step_post_hook(shrink)
        return optimizer

    return build


def soft_threshold(x: Tensor, threshold: float | Tensor) -> Tensor:
    """``sign(x) · max(|x| - threshold, 0)``, element by element: the proximal operator of ``threshold · |x|``.

    >>> soft_threshold(torch.tensor([3.0, -0.5, -2.0]), 1.0)
    tensor([ 2.,  0., -1.])
    """
    return x - torch.clamp(x, -threshold, threshold)  # type: ignore[arg-type]


def refuse_no_strength(strength: float) -> None:
    if not strength >= 0:
        raise ValueError(f"The strength of a penalty is 0 or more; got {strength}.")
