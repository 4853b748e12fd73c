"""Exact zeros."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

from tutelage.optimizers.factory import Factory, Named


def proximal(factory: Factory, strength: float, where: Callable[[str], bool]) -> Factory:
    """After each step: ``w <- sign(w) · max(|w| - lr · strength, 0)`` for the parameters whose name is ``where``.

    The proximal operator of ``strength · ‖w‖₁``: it reaches exact zeros where a penalty only comes near.

    Huang & Wang, "Data-Driven Sparse Structure Selection for Deep Neural Networks", ECCV 2018, arXiv:1707.01213.
    """

    if not strength >= 0:
        raise ValueError(f"The strength of a penalty is 0 or more; got {strength}.")

    def build(named: Named) -> Optimizer:
        optimizer = factory(named)
        chosen = {p for name, p in named if where(name)}

        @torch.no_grad()
        def shrink(optimizer: Optimizer, *_: Any) -> None:
            for group in optimizer.param_groups:
                for p in chosen.intersection(group["params"]):
                    p.copy_(p.sign() * (p.abs() - group["lr"] * strength).clamp_min(0))

        optimizer.register_step_post_hook(shrink)
        return optimizer

    return build
