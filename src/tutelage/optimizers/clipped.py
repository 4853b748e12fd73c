"""Steps of bounded size."""

from typing import Any

from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from tutelage.optimizers.factory import Factory, Named


def clipped(factory: Factory, max_norm: float) -> Factory:
    """Before each step: ``g <- g · min(1, max_norm / ‖g‖)``, over all parameters together."""

    if not max_norm > 0:
        raise ValueError(f"The norm that gradients are clipped to is a number above 0; got {max_norm}.")

    def build(named: Named) -> Optimizer:
        optimizer = factory(named)

        def clip(_optimizer: Optimizer, *_: Any) -> None:
            clip_grad_norm_([p for _, p in named], max_norm)

        optimizer.register_step_pre_hook(clip)
        return optimizer

    return build
