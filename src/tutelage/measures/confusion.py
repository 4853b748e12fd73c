"""Which classes are taken for which."""

import torch
from torch import Tensor

from tutelage.measures.errors import one_target_each
from tutelage.shapes import Logits


def worst_pairs(logits: Logits, target: Tensor, at_most: int = 10) -> list[tuple[int, int, int]]:
    """(target, answer, number of samples), most frequent mistake first; among equals, in the order of the classes.

    Raises ``ValueError`` if there is not one target for each sample.

    >>> worst_pairs(torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 0]))
    [(0, 1, 2)]
    """
    one_target_each(logits, target)
    answer, num_classes = logits.argmax(-1), logits.shape[-1]
    wrong = answer != target
    codes, counts = torch.unique(target[wrong] * num_classes + answer[wrong], return_counts=True)  # no C × C matrix
    worst = counts.argsort(descending=True, stable=True)[:at_most]
    return [
        (c // num_classes, c % num_classes, n)
        for c, n in zip(codes[worst].tolist(), counts[worst].tolist(), strict=True)
    ]
