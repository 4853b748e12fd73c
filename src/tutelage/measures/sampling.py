"""What the choice of the test samples leaves of a figure, whatever the figure is."""

from collections.abc import Callable
from math import inf, sqrt
from statistics import NormalDist

import torch
from torch import Tensor

from tutelage.results import Interval, Score

Z = NormalDist().inv_cdf(0.975)


def sampling_interval(
    figure: Callable[[Tensor], Tensor], count: int, low: float = -inf, high: float = inf
) -> Interval | None:
    r"""The 95 % interval of ``figure(weights)``, of ``count`` samples that weigh 1 each, within ``low`` and ``high``.

    ``figure ± 1.96 · √(n/(n−1) · Σ_i D_i²)``, where ``D_i`` is its derivative by the weight of sample ``i``, less the
    mean of all. ``figure`` gives one number and does not change if all weights are doubled, as a mean or a ratio of
    sums. Of a mean it is the usual interval, of a ratio that of Cochran, "Sampling Techniques", 1977, §2.11.
    Nothing where nothing can be told: of one sample, and where no sample moves the figure, as when all are right.

    Jaeckel, "The Infinitesimal Jackknife", Bell Laboratories, 1972; Efron, "The Jackknife, the Bootstrap and Other
    Resampling Plans", 1982, ch. 6.

    >>> x = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    >>> [round(bound, 3) for bound in sampling_interval(lambda weights: (weights * x).sum() / weights.sum(), 4)]
    [1.235, 3.765]
    """
    if count < 2:
        return None
    with torch.enable_grad():
        weights = torch.ones(count, dtype=torch.float64, requires_grad=True)
        value = figure(weights)
        (moves,) = torch.autograd.grad(value, weights)
    spread = float((moves - moves.mean()).square().sum()) * count / (count - 1)
    reach = Z * sqrt(spread)
    middle = float(value.detach())
    return (max(low, middle - reach), min(high, middle + reach)) if reach > 1e-12 * abs(middle) else None


def share_in_percent(figure: Callable[[Tensor], Tensor], count: int) -> Score:
    """``figure``, a share from 0 to 1 of ``count`` samples with weights, in per cent and with its interval."""
    value = figure(torch.ones(count, dtype=torch.float64)).item()
    return Score(100 * value, sampling_interval(lambda weights: 100 * figure(weights), count, 0, 100))
