"""How far a normal posterior is from the priors of variational dropout: KL(q ‖ p) as a function of log α = log(σ²/θ²).

Both fall as α grows: a weight that is nothing but noise costs nothing. That is what makes networks sparse.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

from tutelage.compress.reparameterisation import refuse_second_derivative
from tutelage.shapes import at_least_float32

Divergence: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Means θ and log σ² of one shape -> Σ KL in nats, a scalar."""
CITATIONS = {
    "sparse": """@inproceedings{molchanov2017variational,
  title = {Variational Dropout Sparsifies Deep Neural Networks},
  author = {Molchanov, Dmitry and Ashukha, Arsenii and Vetrov, Dmitry},
  booktitle = {International Conference on Machine Learning (ICML)},
  year = {2017}
}""",
    "bayesian": """@inproceedings{liu2019variational,
  title = {Variational Bayesian Dropout with a Hierarchical Prior},
  author = {Liu, Yuhang and Dong, Wenyong and Zhang, Lei and Gong, Dong and Shi, Qinfeng},
  booktitle = {Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2019}
}""",
}
K1, K2, K3 = 0.63576, 1.87320, 1.48695
CLIP = 10.0
"""log α is cut at ± this where something is dropped by it; its divergences are not."""
LEAST = 2e-9
"""1 / (1 + 1/α) at log α = −20: what a weight costs is counted up to there, 10 nats; gradients go on."""
SMALL = 1e-8
"""Added to θ², so that its logarithm is finite."""


def sparse(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Σ KL(N(θ, σ²) ‖ log-uniform prior), to 0.008 each: ``k₁ − k₁ S(k₂ + k₃ log α) + ½ log(1 + 1/α)``, S the sigmoid.

    With its constant, so that it is 0 where α is infinite, and 0 or more everywhere.

    Molchanov, Ashukha & Vetrov, "Variational Dropout Sparsifies Deep Neural Networks", ICML 2017, arXiv:1701.05369.

    >>> sparse(torch.tensor([1.0, 1.0]), torch.tensor([-3.0, 3.0]))
    tensor(2.1410)
    """
    total: Tensor = _Total.apply(mean, log_variance, K1)  # type: ignore[no-untyped-call]
    return total


def bayesian(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Σ KL(N(θ, σ²) ‖ N(0, γ)) at the best γ = θ² + σ² of each weight: ``½ log(1 + 1/α)``. Exact.

    Liu, Dong, Zhang, Gong & Shi, "Variational Bayesian Dropout with a Hierarchical Prior", CVPR 2019, arXiv:1811.07533.

    >>> bayesian(torch.tensor([1.0, 1.0]), torch.tensor([-3.0, 3.0]))
    tensor(1.5486)
    """
    total: Tensor = _Total.apply(mean, log_variance, 0.0)  # type: ignore[no-untyped-call]
    return total


def standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""Σ KL(N(μ, σ²) ‖ N(0, 1)): ``½ Σ (σ² + μ² − log σ² − 1)``.

    >>> standard_normal(torch.tensor([1.0]), torch.tensor([0.0]))
    tensor(0.5000)
    """
    return 0.5 * (log_variance.exp() + mean.square() - log_variance - 1).sum()


def log_alpha(mean: Tensor, log_variance: Tensor) -> Tensor:
    """log(σ²/θ²) of each, cut at ±10: how much of it is noise.

    >>> log_alpha(torch.tensor([1.0, 0.0]), torch.tensor([-2.0, -2.0]))
    tensor([-2., 10.])
    """
    return (log_variance - (mean.square() + SMALL).log()).clamp(-CLIP, CLIP)


class _Total(torch.autograd.Function):
    """``Σ ½ log(1 + 1/α) + k₁ S(−k₂ − k₃ log α)``, with its gradient in one pass: it is asked for in every step."""

    @staticmethod
    def forward(ctx: Any, mean: Tensor, log_variance: Tensor, k1: float) -> Tensor:
        mean, log_variance = at_least_float32(mean), at_least_float32(log_variance)
        square = torch.mul(mean, mean).add_(SMALL)
        log_alpha = square.log()
        torch.sub(log_variance, log_alpha, out=log_alpha)
        kept = log_alpha.sigmoid().clamp_min_(LEAST)  # 1 / (1 + 1/α)
        total = _sum_of_logs(kept).mul_(-0.5)
        slope = kept.sub_(1)  # twice that of log σ²
        if k1:
            gate = log_alpha.mul_(-K3).sub_(K2).sigmoid_()
            total.add_(gate.sum(), alpha=k1)
            slope.addcmul_(gate, gate, value=2 * k1 * K3).sub_(gate, alpha=2 * k1 * K3)
        ctx.save_for_backward(torch.div(mean, square, out=square).mul_(slope), slope)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        refuse_second_derivative("a divergence of dropout")
        of_mean, of_variance = ctx.saved_tensors
        return of_mean * -grad, of_variance * (0.5 * grad), None


def _sum_of_logs(x: Tensor) -> Tensor:
    """``Σ log x`` for x (N, …) from e⁻²⁰ to 1: logarithms of products of four, which are a quarter of the work."""
    first, *others = x.chunk(4)
    product = first.clone()
    for other in others:
        product[: len(other)].mul_(other)
    return product.log_().sum()
