"""Precision and recall of labels in one number."""

import torch
from torch import Tensor

from tutelage.measures.average_precision import labels_each


def f1_scores(holds: Tensor, targets: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""The micro and the macro F1, ``2TP / (2TP + FP + FN)``, of what ``holds`` (N, K), a truth value for each label.

    Micro counts all labels together; macro is the mean of each label's own, over the labels that a sample or more have.
    Both are NaN where nothing is positive and nothing is said to be. ``weights`` (N,) say how much each sample counts.
    Raises ``ValueError`` unless answers and targets are (N, K) of one sample or more.

    Opitz & Burst, "Macro F1 and Macro F1", 2019, arXiv:1911.03347 (the mean of F1, not F1 of means).

    >>> micro, macro = f1_scores(torch.tensor([[True, False], [True, True]]), torch.tensor([[1, 0], [0, 1]]))
    >>> round(micro.item(), 4), round(macro.item(), 4)
    (0.8, 0.8333)
    """
    labels_each(holds, targets)
    weights = torch.ones(len(holds), dtype=torch.float64) if weights is None else weights
    has, weights = targets > 0.5, weights.to(holds.device)
    right = weights @ (holds & has).double()  # (K,)
    all_said = weights @ (holds.double() + has.double())  # 2TP + FP + FN
    known = has.any(0)
    return 2 * right.sum() / all_said.sum(), (2 * right[known] / all_said[known]).mean()
