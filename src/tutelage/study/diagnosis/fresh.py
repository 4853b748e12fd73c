"""Whether a network's weights are still those that training begins with."""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

ENOUGH = 200
"""Weights of a layer from which their spread is known well enough."""


def looks_fresh(model: nn.Module) -> bool:
    """Whether nothing in ``model`` looks as if it had been trained.

    Normalisations stand where they start: weights 1, biases 0, and no batch was counted. Where there are none, every
    linear and convolutional layer is drawn as torch draws it, uniform up to ``1 / √(inputs)``, which no step of an
    optimizer leaves so. A network of neither, or drawn otherwise, is not called fresh.

    >>> looks_fresh(nn.Linear(64, 10)), looks_fresh(nn.Linear(1, 1))
    (True, False)
    """
    norms = [x for x in model.modules() if isinstance(x, _NormBase | nn.LayerNorm | nn.GroupNorm | nn.RMSNorm)]
    stateful = [norm for norm in norms if norm.state_dict()]
    if stateful:
        return all(map(_at_the_start, stateful))
    layers = [x for x in model.modules() if isinstance(x, nn.Linear | nn.modules.conv._ConvNd)]
    large = [layer for layer in layers if layer.weight.numel() >= ENOUGH]
    return bool(large) and all(_is_uniform(layer.weight.detach(), layer) for layer in large)


def _at_the_start(norm: nn.Module) -> bool:
    start = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0.0}
    state = norm.state_dict()
    return all(bool((x == start[name]).all()) for name, x in state.items() if name in start)


def _is_uniform(weights: Tensor, layer: nn.Module) -> bool:
    fan_in = weights[0].numel() if not getattr(layer, "transposed", False) else weights[:, 0].numel()
    bound = 1 / sqrt(fan_in)
    largest, spread = float(weights.abs().max()), float(weights.double().std(correction=0))
    expected = bound / sqrt(3)
    rough = 4 / sqrt(weights.numel())  # four standard errors, and more, of the spread of a uniform draw
    return bool(torch.isfinite(weights).all()) and largest <= bound * (1 + 1e-6) and abs(spread / expected - 1) < rough
