"""Whether a network is right as often as it says it is."""

import torch
from torch import Tensor

from tutelage.measures.errors import one_target_each
from tutelage.results import Calibration
from tutelage.shapes import Logits


def calibration(logits: Logits, target: Tensor, num_bins: int = 15) -> Calibration:
    r"""Expected calibration error over bins of equal width, ``Σ_b n_b/n · |accuracy_b − confidence_b|``, and its curve.

    A sample falls into bin ``b`` if the probability of its answer is in ``((b − 1)/B, b/B]``.
    Raises ``ValueError`` if there is not one target for each sample, or no bin.

    Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks", 2017, arXiv:1706.04599, §2 (15 bins, §5).

    >>> sure = torch.tensor([[9.0, -9.0], [9.0, -9.0]])
    >>> round(calibration(sure, torch.tensor([0, 1])).error, 3)
    0.5
    """
    one_target_each(logits, target)
    if num_bins < 1:
        raise ValueError(f"A reliability curve has at least 1 bin; got {num_bins}.")
    probability, answer = logits.double().softmax(-1).max(-1)
    right = (answer == target).double()
    edges = torch.linspace(0, 1, num_bins + 1, dtype=torch.float64, device=logits.device)
    place = torch.bucketize(probability, edges[1:-1])  # (edge, next edge]
    count, confident, correct = (
        torch.bincount(place, weights=w, minlength=num_bins) for w in (torch.ones_like(right), probability, right)
    )
    return Calibration(
        error=((correct - confident).abs().sum() / len(target)).item(),
        edges=tuple(edges.tolist()),
        confidence=_means(confident, count),
        accuracy=_means(correct, count),
        share=tuple((count / len(target)).tolist()),
    )


def _means(total: Tensor, count: Tensor) -> tuple[float | None, ...]:
    return tuple(x / n if n else None for x, n in zip(total.tolist(), count.tolist(), strict=True))
