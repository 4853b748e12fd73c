"""How well the samples that have a label are ranked before those that do not."""

import torch
from torch import Tensor


def average_precision(answers: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""The average precision of each label, (K,) in float64: the mean of the precision at each sample that has it.

    ``AP_k = 1/P_k · Σ_{i: y_ik = 1} #{j: y_jk = 1, a_jk ≥ a_ik} / #{j: a_jk ≥ a_ik}``, of ``answers`` and ``targets``
    (N, K), where more than 0.5 is a label that holds. Equal answers count as one threshold, so that answers that are
    all the same score the share of the samples that have the label. NaN for a label that no sample has. ``weights``
    (N,) say how much each sample counts.

    Raises ``ValueError`` unless both are (N, K) of one sample or more.

    Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015 (AP over all ranks,
    without interpolation, as in its challenges from 2010 on).

    >>> answers, targets = torch.tensor([[3.0], [2.0], [1.0]]), torch.tensor([[1.0], [0.0], [1.0]])
    >>> average_precision(answers, targets)  # (1/1 + 2/3) / 2
    tensor([0.8333], dtype=torch.float64)
    """
    labels_each(answers, targets)
    scores, order = answers.double().sort(0, descending=True)
    weights = torch.ones(len(answers), dtype=torch.float64, device=answers.device) if weights is None else weights
    counted = weights.to(answers.device)[order]  # (N, K)
    positive = counted * (targets > 0.5).gather(0, order)
    last = _last_of_equals(scores)
    precision = positive.cumsum(0).gather(0, last) / counted.cumsum(0).gather(0, last)
    return (positive * precision).sum(0) / positive.sum(0)


def mean_average_precision(answers: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """The mean of ``average_precision`` over the labels that a sample or more have; NaN where nobody has any."""
    known = (targets > 0.5).any(0)
    return average_precision(answers[:, known], targets[:, known], weights).mean()


def labels_each(answers: Tensor, targets: Tensor) -> None:
    """Raises ``ValueError`` unless answers and targets are (N, K) both, of a sample or more."""
    if answers.ndim != 2 or answers.shape != targets.shape or not len(answers):
        raise ValueError(
            f"Labels of which any number hold are one answer and one target a sample and label, (N, K); "
            f"got answers {tuple(answers.shape)} and targets {tuple(targets.shape)}."
        )


def _last_of_equals(scores: Tensor) -> Tensor:
    """For each place of ``scores``, sorted along the first dimension, the last place of an equal score."""
    count = len(scores)
    places = torch.arange(count, device=scores.device)[:, None].expand_as(scores)
    ends = torch.ones_like(scores, dtype=torch.bool)
    ends[:-1] = scores[:-1] != scores[1:]
    return torch.where(ends, places, count).flip(0).cummin(0).values.flip(0)
