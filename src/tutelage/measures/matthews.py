"""How well two classes are told apart where one of them is rare."""

from math import sqrt

from torch import Tensor


def matthews(answers: Tensor, targets: Tensor) -> float:
    """Matthews' correlation of the said classes (N,) with the true ones, 0 and 1: from −1 to 1; 0 of one class alone.

    ``(TP · TN − FP · FN) / √((TP + FP)(TP + FN)(TN + FP)(TN + FN))``.

    >>> import torch
    >>> matthews(torch.tensor([1, 1, 0, 0]), torch.tensor([1, 0, 0, 0])).__round__(4)
    0.5774
    """
    said, true = answers.bool(), targets.bool()
    both, neither = int((said & true).sum()), int((~said & ~true).sum())
    too_many, too_few = int((said & ~true).sum()), int((~said & true).sum())
    size = sqrt((both + too_many) * (both + too_few) * (neither + too_many) * (neither + too_few))
    return (both * neither - too_many * too_few) / size if size else 0.0
