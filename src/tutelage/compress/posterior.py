"""What is believed of a layer's weights: a normal distribution of each, or of a factor of each input channel."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.compress.dropout_kl import CLIP, Divergence, log_alpha, standard_normal
from tutelage.compress.reparameterisation import drawn, variance
from tutelage.limits import refuse_outside

Product: TypeAlias = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""``(x, weight, bias) -> what the layer answers``: the matrix product, or the convolution."""
LOWEST, HIGHEST = -40.0, 10.0
"""log σ² that a layer may begin with."""


class Posterior(nn.Module):
    """q(w) of one layer, of which ``weight`` are the means. What has log α at or above ``threshold`` is noise.

    ``things`` says what it drops. Raises ``ValueError`` for a threshold that is not within the clip of ±10, at which
    all or nothing would be dropped, and for a log σ² to begin with that is not from −40 to 10.
    """

    things = ""

    def __init__(self, log_variance: float, threshold: float) -> None:
        super().__init__()
        refuse_outside("A log variance to begin with", log_variance, LOWEST, HIGHEST)
        if not -CLIP < threshold < CLIP:
            raise ValueError(
                f"A threshold lies within ±{CLIP:g}, at which log α is clipped, or all or nothing is dropped; "
                f"got {threshold}."
            )
        self.threshold = float(threshold)
        self.register_forward_pre_hook(_asked)

    def log_alpha(self, weight: Tensor) -> Tensor:
        """log α of all that may be dropped."""
        raise NotImplementedError

    def mean(self, weight: Tensor) -> Tensor:
        """The weights to predict with: the posterior's mean, and exactly 0 where log α reaches the threshold."""
        raise NotImplementedError

    def answer(self, x: Tensor, weight: Tensor, bias: Tensor | None, product: Product) -> Tensor:
        """A random answer to ``x``, drawn anew for each sample."""
        raise NotImplementedError

    def divergence(self, weight: Tensor, bias: Tensor | None, of: Divergence) -> Tensor:
        """Σ KL in nats, ``of`` what may be dropped."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"threshold={self.threshold:g}"


def has_posterior(layer: nn.Module) -> bool:
    """Whether the weight of ``layer`` is a mean, of a posterior of its own."""
    return isinstance(layer._modules.get("posterior"), Posterior)


class OfWeights(Posterior):
    r"""Independent q(w) = N(θ, σ²): ``log σ²`` of each weight is learnt beside θ, and log α = log σ² − log θ².

    Instead of weights, answers are drawn: ``y ~ N(x θᵀ + b, x² (σ²)ᵀ)``, one number for each sample and output, which
    has far less variance. The bias is not drawn.

    Kingma, Salimans & Welling, "Variational Dropout and the Local Reparameterization Trick", 2015, arXiv:1506.02557.
    """

    things = "weights"

    def __init__(self, weight: Tensor, log_variance: float = -10.0, threshold: float = 3.0) -> None:
        super().__init__(log_variance, threshold)
        self.log_variance = nn.Parameter(torch.full_like(weight, log_variance))

    def log_alpha(self, weight: Tensor) -> Tensor:
        return log_alpha(weight, self.log_variance)

    def mean(self, weight: Tensor) -> Tensor:
        return torch.where(self.log_alpha(weight) >= self.threshold, 0, weight)

    def answer(self, x: Tensor, weight: Tensor, bias: Tensor | None, product: Product) -> Tensor:
        return drawn(product(x, weight, bias), product(x.square(), variance(self.log_variance), None))

    def divergence(self, weight: Tensor, bias: Tensor | None, of: Divergence) -> Tensor:  # noqa: ARG002
        return of(weight, self.log_variance)


class OfChannels(Posterior):
    r"""A factor z ~ N(μ, σ²) of each input channel, drawn for each sample; the weights themselves are sure.

    ``y = (x ⊙ z) Wᵀ + b``, with one z for all places of a channel's map. A channel that is dropped is gone for good:
    this is what makes a network smaller, not only sparser.

    Liu, Dong, Zhang, Gong & Shi, "Variational Bayesian Dropout with a Hierarchical Prior", CVPR 2019, arXiv:1811.07533,
    their structured form: μ begins at N(1, 0.01²), log σ² at −9.
    """

    things = "input channels"

    def __init__(self, weight: Tensor, log_variance: float = -9.0, threshold: float = 0.0) -> None:
        super().__init__(log_variance, threshold)
        self.factor = nn.Parameter(_around(1.0, weight.new_empty(weight.shape[1])))
        self.log_variance = nn.Parameter(torch.full_like(self.factor, log_variance))

    def log_alpha(self, weight: Tensor) -> Tensor:  # noqa: ARG002
        return log_alpha(self.factor, self.log_variance)

    def mean(self, weight: Tensor) -> Tensor:
        noise = self.log_alpha(weight) >= self.threshold
        return torch.where(_over(noise, weight), 0, weight * _over(self.factor, weight))

    def answer(self, x: Tensor, weight: Tensor, bias: Tensor | None, product: Product) -> Tensor:
        return product(self.scaled(x, weight), weight, bias)

    def divergence(self, weight: Tensor, bias: Tensor | None, of: Divergence) -> Tensor:  # noqa: ARG002
        return of(self.factor, self.log_variance)

    def scaled(self, x: Tensor, weight: Tensor) -> Tensor:
        """``x`` times a factor drawn for each sample and channel."""
        places = weight.ndim - 2
        noise = torch.randn(*x.shape[: x.ndim - places], *[1] * places, dtype=x.dtype, device=x.device)
        return x * (_over(self.factor, weight) + _over((0.5 * self.log_variance).exp(), weight) * noise)


class OfGroups(Posterior):
    r"""The group normal–Jeffreys prior: a factor z of each input channel, and w | z ~ N(z θ, z² σ²) around it.

    ``y ~ N((x ⊙ z) θᵀ + b, (x ⊙ z)² (σ²)ᵀ + σ_b²)``. KL is that of log α of the factors, plus that of weights and
    biases to N(0, 1). Channels are dropped, as a whole.

    Louizos, Ullrich & Welling, "Bayesian Compression for Deep Learning", NeurIPS 2017, arXiv:1705.08665 (BC-GNJ).
    """

    things = "input channels"

    def __init__(
        self, weight: Tensor, log_variance: float = -9.0, threshold: float = 0.0, bias: Tensor | None = None
    ) -> None:
        super().__init__(log_variance, threshold)
        self.channels = OfChannels(weight, log_variance, threshold)
        self.log_variance = nn.Parameter(_around(log_variance, weight))
        self.bias_log_variance = None if bias is None else nn.Parameter(_around(log_variance, bias))

    def log_alpha(self, weight: Tensor) -> Tensor:
        return self.channels.log_alpha(weight)

    def mean(self, weight: Tensor) -> Tensor:
        return self.channels.mean(weight)

    def answer(self, x: Tensor, weight: Tensor, bias: Tensor | None, product: Product) -> Tensor:
        x = self.channels.scaled(x, weight)
        of_bias = None if self.bias_log_variance is None else self.bias_log_variance.exp()
        return drawn(product(x, weight, bias), product(x.square(), variance(self.log_variance), of_bias))

    def divergence(self, weight: Tensor, bias: Tensor | None, of: Divergence) -> Tensor:
        total = self.channels.divergence(weight, bias, of) + standard_normal(weight, self.log_variance)
        if bias is None or self.bias_log_variance is None:
            return total
        return total + standard_normal(bias, self.bias_log_variance)


def _asked(_module: nn.Module, _args: Any) -> None:
    """A hook that says: ask the layer. Torch's encoder layers compute with the plain weights unless there is one."""


def _over(channels: Tensor, weight: Tensor) -> Tensor:
    """(C,) as a factor of weights (out, C, …), or of maps (N, C, …)."""
    return channels.view(-1, *[1] * (weight.ndim - 2))


def _around(value: float, like: Tensor) -> Tensor:
    return value + 0.01 * torch.randn_like(like)
