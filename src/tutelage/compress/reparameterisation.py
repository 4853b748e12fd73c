"""Local reparameterisation: the random answers of a layer, drawn by their mean and variance instead of its weights."""

from math import log
from typing import Any

import torch
from torch import Tensor

from tutelage.shapes import at_least_float32

SMALL = 1e-8
"""Added to the variance of an answer, so that its root has a gradient."""
LOG2_E = 1 / log(2)


def drawn(mean: Tensor, variance: Tensor) -> Tensor:
    """One draw of N(mean, variance) each, from the default generator of the device."""
    answer: Tensor = _Drawn.apply(mean, variance)  # type: ignore[no-untyped-call]
    return answer


def variance(log_variance: Tensor) -> Tensor:
    """σ² = exp(log σ²), laid out as log σ² is.

    Of a kernel of one input channel ``exp`` keeps no layout, and the layout of kernels is that of the maps: variances
    would lie otherwise than the means that they are added to, and each sum of the two would take three times as long.
    """
    each: Tensor = _Variance.apply(log_variance)  # type: ignore[no-untyped-call]
    return each


def refuse_second_derivative(of: str) -> None:
    """Raise ``RuntimeError`` in a backward pass whose gradient is to be differentiated: it would be taken for 0."""
    if torch.is_grad_enabled():
        raise RuntimeError(
            f"The gradient of {of} cannot be differentiated again: ask for it without create_graph=True, or in eval "
            f"mode, where nothing is drawn and no divergence is paid."
        )


class _Drawn(torch.autograd.Function):
    """``mean + √(variance + 1e-8) ε``, ε ~ N(0, 1) each; rounding may leave a variance a little below 0."""

    @staticmethod
    def forward(ctx: Any, mean: Tensor, variance: Tensor) -> Tensor:
        spread = torch.add(at_least_float32(variance), SMALL).clamp_min_(SMALL)
        slope = _noise(spread, 0.5).mul_(spread.rsqrt())  # of the answer by the variance: ε / (2 σ)
        ctx.save_for_backward(slope.to(variance.dtype))
        answer = torch.addcmul(mean, spread, slope, value=2, out=spread)
        return answer.to(mean.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        refuse_second_derivative("what a layer with a posterior draws")
        (slope,) = ctx.saved_tensors
        return grad, slope * grad


class _Variance(torch.autograd.Function):
    """A power of 2: where ``exp`` is MKL's, it takes four times as long."""

    @staticmethod
    def forward(ctx: Any, log_variance: Tensor) -> Tensor:
        wide = at_least_float32(log_variance)
        each = torch.mul(wide, LOG2_E, out=torch.empty_like(wide)).exp2_().to(log_variance.dtype)
        ctx.save_for_backward(each)
        return each

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        refuse_second_derivative("a variance")
        (each,) = ctx.saved_tensors
        return torch.mul(grad, each)


def _noise(like: Tensor, deviation: float) -> Tensor:
    """N(0, deviation²) in the layout of ``like``, float32 or wider. Drawn in a row: anything else takes ten times."""
    noise = torch.empty_like(like)
    noise.as_strided((noise.numel(),), (1,)).normal_(0, deviation)
    return noise
