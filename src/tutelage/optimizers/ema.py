"""An average of the weights, kept while they train."""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from tutelage.optimizers.factory import Factory, Named


def ema(factory: Factory, decay: float) -> Factory:
    """After each step: ``average <- decay · average + (1 - decay) · weight``, beginning with the first step's weights.

    ``averaged(optimizer)`` reads it. Buffers, such as BatchNorm's, are not averaged.
    """

    if not 0 <= decay < 1:
        raise ValueError(f"The decay of an average is at least 0 and below 1; got {decay}.")

    def build(named: Named) -> Optimizer:
        optimizer = factory(named)

        @torch.no_grad()
        def average(optimizer: Optimizer, *_: Any) -> None:
            for _name, p in named:
                if p.grad is not None:  # Adam takes any state for its own: never be the first to write
                    kept = optimizer.state[p]
                    kept["ema"] = kept["ema"].lerp_(p, 1 - decay) if "ema" in kept else p.clone()

        optimizer.register_step_post_hook(average)
        return optimizer

    return build


def averaged(optimizer: Optimizer) -> dict[str, Tensor]:
    """Name -> averaged weight, for every parameter that has ever had a gradient."""
    return {
        name: optimizer.state[p]["ema"]
        for group in optimizer.param_groups
        for name, p in zip(group["param_names"], group["params"], strict=True)
        if "ema" in optimizer.state.get(p, {})
    }
