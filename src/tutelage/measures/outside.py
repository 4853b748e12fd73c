"""Whether a network knows what it does not know: samples of another kind, told from its own by how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tutelage.limits import refuse_outside


@dataclass(frozen=True)
class Detection:
    """How well a score tells samples from outside from those within.

    ``auroc`` is the probability that one from outside has the higher score (0.5 by chance, ties count a half), from 0
    to 1; ``false_alarms`` the share of the samples within that score as high as the lowest of 95 % of those outside.
    """

    auroc: float
    false_alarms: float


def outside(within: Tensor, beyond: Tensor) -> Detection:
    """How well scores ``within`` (N,) are told from those ``beyond`` (M,), which should be higher: entropies, say.

    Raises ``ValueError`` unless there are scores of both, numbers all.

    Hendrycks & Gimpel, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples in Neural Networks",
    ICLR 2017, arXiv:1610.02136.

    >>> outside(torch.tensor([0.1, 0.2, 0.6]), torch.tensor([0.5, 0.9]))
    Detection(auroc=0.8333333333333334, false_alarms=0.3333333333333333)
    """
    within, beyond = _scores(within, beyond)
    ordered = within.sort().values
    below = torch.searchsorted(ordered, beyond)  # those within that are lower
    not_above = torch.searchsorted(ordered, beyond, right=True)
    auroc = ((below + not_above).double().mean() / (2 * len(within))).item()
    lowest = beyond.sort(descending=True).values[-(-95 * len(beyond) // 100) - 1]
    return Detection(auroc, (within >= lowest).double().mean().item())


def detected(within: Tensor, beyond: Tensor, false_alarms: Sequence[float]) -> list[float]:
    """The share of ``beyond`` (M,) with higher scores than all but a share of those ``within`` (N,): a curve.

    Each of ``false_alarms`` is from 0 to 1, and so is each answer. Raises ``ValueError`` for others and as ``outside``.

    >>> detected(torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0.25, 0.35, 0.5]), [0.0, 0.25, 0.5])
    [0.3333333333333333, 0.6666666666666666, 1.0]
    """
    for share in false_alarms:
        refuse_outside("A share of false alarms", share, 0, 1)
    within, beyond = _scores(within, beyond)
    ordered = within.sort(descending=True).values
    limits = [ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in false_alarms]
    return [(beyond > limit).double().mean().item() for limit in limits]


def _scores(within: Tensor, beyond: Tensor) -> tuple[Tensor, Tensor]:
    within, beyond = within.double().flatten(), beyond.double().flatten()
    if not len(within) or not len(beyond) or bool(torch.cat([within, beyond]).isnan().any()):
        raise ValueError(
            f"Scores are numbers of samples within and outside, one or more of each; got {len(within)} and "
            f"{len(beyond)}, {int(torch.cat([within, beyond]).isnan().sum())} of them no numbers."
        )
    return within, beyond
