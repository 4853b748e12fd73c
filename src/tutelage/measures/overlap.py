"""How far the regions that a network sees cover those that are there."""

from typing import NamedTuple

import torch
from torch import Tensor


class Overlap(NamedTuple):
    """Pixels of each class in each picture, (N, C): in both the answer and the target, in the one, in the other."""

    both: Tensor
    answered: Tensor
    wanted: Tensor

    def intersection_over_union(self, weights: Tensor | None = None) -> Tensor:
        r"""The mean over the classes of ``Σ_n both / Σ_n (answered + wanted − both)``, of classes that occur in either.

        The sums run over all pictures, so that a class counts by its pixels, wherever they are. ``weights`` (N,) say
        how much each picture counts.

        Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015, §4.5.
        """
        weights = self._weights(weights)
        union = self.answered + self.wanted - self.both
        occur = union.any(0)
        return ((weights @ self.both)[occur] / (weights @ union)[occur]).mean()

    def pixel_accuracy(self, weights: Tensor | None = None) -> Tensor:
        """The share of the pixels that are of the class that they are taken for."""
        weights = self._weights(weights)
        return (weights @ self.both).sum() / (weights @ self.wanted).sum()

    def _weights(self, weights: Tensor | None) -> Tensor:
        weights = torch.ones(len(self.both), dtype=torch.float64) if weights is None else weights
        return weights.to(self.both.device)


def overlap(classes: Tensor, targets: Tensor, num_classes: int, ignored: int) -> Overlap:
    """The pixels of answers ``classes`` and of ``targets``, both (N, H, W), that are not ``ignored`` in the latter.

    Raises ``ValueError`` if the shapes differ, and for targets that are no class.

    >>> both, answered, wanted = overlap(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 0]]]), 2, ignored=255)
    >>> both.tolist(), answered.tolist(), wanted.tolist()
    ([[1.0, 0.0]], [[1.0, 1.0]], [[2.0, 0.0]])
    """
    if classes.shape != targets.shape or classes.ndim != 3 or not len(classes):
        raise ValueError(
            f"Masks are compared pixel by pixel, (N, H, W), of a picture or more; got answers {tuple(classes.shape)} "
            f"and targets {tuple(targets.shape)}."
        )
    counted = targets != ignored
    unknown = targets[counted & ((targets < 0) | (targets >= num_classes))]
    if len(unknown):
        raise ValueError(
            f"The classes of a mask are 0 to {num_classes - 1}, and {ignored} where nobody knows; {int(unknown[0])} is "
            f"among them."
        )
    places = torch.arange(len(targets), device=targets.device)[:, None, None].expand_as(targets) * num_classes

    def count(which: Tensor, of: Tensor) -> Tensor:
        found = (places + of.long())[which].bincount(minlength=len(targets) * num_classes)
        return found.view(len(targets), num_classes).double()

    return Overlap(count(counted & (classes == targets), targets), count(counted, classes), count(counted, targets))
