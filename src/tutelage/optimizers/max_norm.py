"""Weights of bounded length."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

from tutelage.optimizers.factory import Factory, Named


def max_norm(factory: Factory, limit: float, where: Callable[[str], bool]) -> Factory:
    """After each step: ``w <- w · min(1, limit / ‖w‖)`` for the incoming weights ``w`` of each unit.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 2014, §5.1.
    """

    if not limit > 0:
        raise ValueError(f"The longest that weights may be is a number above 0; got {limit}.")

    def build(named: Named) -> Optimizer:
        optimizer = factory(named)
        chosen = [p for name, p in named if where(name) and p.ndim > 1]

        @torch.no_grad()
        def shorten(_optimizer: Optimizer, *_: Any) -> None:
            for p in chosen:
                lengths = torch.linalg.vector_norm(p, dim=tuple(range(1, p.ndim)), keepdim=True)
                p.mul_((limit / lengths).clamp(max=1))

        optimizer.register_step_post_hook(shorten)
        return optimizer

    return build
