"""How two rows of numbers go together: in a straight line (Pearson), or in the same order (Spearman)."""

from math import atanh, sqrt, tanh
from statistics import NormalDist

from torch import Tensor

Z = NormalDist().inv_cdf(0.975)


def pearson(answers: Tensor, targets: Tensor) -> float:
    """The correlation of two rows (N,), from −1 to 1; 0 where one of them is the same number throughout.

    Raises ``ValueError`` unless both are (N,) of one length, 2 or more.

    >>> import torch
    >>> pearson(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 4.0, 7.0])).__round__(4)
    0.9934
    """
    if answers.shape != targets.shape or answers.ndim != 1 or len(answers) < 2:
        raise ValueError(f"Two rows of one length go together; got {tuple(answers.shape)} and {tuple(targets.shape)}.")
    x, y = (row.double() - row.double().mean() for row in (answers, targets))
    size = (x.square().sum() * y.square().sum()).sqrt()
    return (x @ y / size).clamp(-1, 1).item() if size > 0 else 0.0


def spearman(answers: Tensor, targets: Tensor) -> float:
    """The correlation of the ranks of two rows (N,); equal numbers share the mean of theirs. Raises as ``pearson``.

    >>> import torch
    >>> spearman(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([0.1, 0.2, 0.3]))
    1.0
    """
    return pearson(ranks(answers), ranks(targets))


def ranks(row: Tensor) -> Tensor:
    """The places of numbers (N,) in their order, from 1; equal ones have the mean of theirs. float64.

    >>> import torch
    >>> ranks(torch.tensor([7.0, 3.0, 7.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, which, counts = row.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    means: Tensor = last - (counts.double() - 1) / 2
    return means[which]


def interval_of_spearman(value: float, count: int) -> tuple[float, float]:
    """What the choice of ``count`` pairs leaves (95 %) of a rank correlation: Fisher's ``atanh`` with an error of
    ``√((1 + ρ²/2) / (N − 3))``. All of −1 to 1 for three pairs or fewer.

    Bonett & Wright, "Sample size requirements for estimating Pearson, Kendall and Spearman correlations", 2000.

    >>> [round(x, 3) for x in interval_of_spearman(0.8668, 1500)]
    [0.851, 0.881]
    """
    if count <= 3:
        return -1.0, 1.0
    if abs(value) >= 1:
        return value, value
    reach = Z * sqrt((1 + value**2 / 2) / (count - 3))
    return tanh(atanh(value) - reach), tanh(atanh(value) + reach)
