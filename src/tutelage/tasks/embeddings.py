"""Embeddings: a vector a sample, as near as can be to the teacher's, which are the targets: nobody else knows any.

The angle decides, as in search. How far the student puts all pairs in the teacher's order says the same of neighbours.
"""

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from tutelage.data.labelled import Labelled
from tutelage.losses.hint import mean_squares
from tutelage.measures.correlation import interval_of_spearman, spearman
from tutelage.objective import Loss
from tutelage.results import Metric, Score
from tutelage.shapes import at_least_float32
from tutelage.tasks.task import Task, as_targets

COSINE = Metric("cosine", "%", "higher")
ORDER = Metric("order of pairs", "%", "higher")
Z = NormalDist().inv_cdf(0.975)
MOST = 512
"""Samples of which all pairs are put in order."""
SHOWN = 3
"""Numbers of a vector that are told."""


def vectors_gap(answers: Tensor, targets: Tensor) -> Tensor:
    """The mean squared difference of vectors (N, D). Raises ``ValueError`` for other shapes than the targets'."""
    return mean_squares(answers, targets.to(answers))


def cosine_and_order(answers: Tensor, data: Labelled) -> dict[str, Score]:
    """The mean cosine of answers with targets, (N, D) both, with its 95 % interval; and Spearman's correlation of the
    cosines of all pairs of the first ``MOST`` samples with those of the targets. Both in %.

    >>> import torch
    >>> from tutelage.data.labelled import labelled
    >>> data = labelled("two", torch.zeros(3, 1), torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    >>> cosine_and_order(2 * data.targets, data)["order of pairs"].value
    100.0
    """
    targets = at_least_float32(data.targets).to(answers.device)
    each = 100 * cosine_similarity(at_least_float32(answers), targets).double()
    mean, reach = each.mean().item(), Z * each.std().item() / sqrt(len(each)) if len(each) > 1 else 0.0
    pairs = [cosines_of_pairs(x[:MOST]) for x in (answers, targets)]
    order = spearman(*pairs) if len(pairs[0]) > 1 else 1.0
    low, high = interval_of_spearman(order, min(len(each), MOST))
    return {
        COSINE.name: Score(round(mean, 6), (mean - reach, max(mean, min(100.0, mean + reach)))),
        ORDER.name: Score(round(100 * order, 6), (100 * low, 100 * high)),
    }


def cosines_of_pairs(vectors: Tensor) -> Tensor:
    """The cosines of all pairs of different rows: (N · (N − 1) / 2,)."""
    unit = normalize(vectors.double(), dim=1)
    first, second = torch.triu_indices(len(unit), len(unit), 1, device=unit.device)
    return (unit @ unit.T)[first, second]


def cosine_of_the_mean(data: Labelled) -> float:
    """Of whoever answers every sample with the same vector: the best one is the mean of the targets' directions."""
    unit = normalize(data.targets.double(), dim=1)
    return 100 * cosine_similarity(unit, unit.mean(0, keepdim=True)).mean().item()


def near_vectors(_temperature: float) -> Loss:
    """The mean squared difference from the teacher's vectors, which no temperature softens."""
    return mean_squares


def first_numbers(answer: Tensor, _classes: Sequence[str]) -> str:
    """The first numbers of a vector, such as ``0.12, -3.4, …``.

    >>> first_numbers(torch.tensor([0.1234, -3.4, 0.0, 1.0]), ())
    '0.123, -3.4, 0, …'
    """
    shown = ", ".join(f"{x:.3g}" for x in answer.flatten()[:SHOWN].tolist())
    return shown + (", …" if answer.numel() > SHOWN else "")


EMBEDDINGS = Task(
    loss=vectors_gap,
    metrics=(COSINE, ORDER),
    score=cosine_and_order,
    constant=cosine_of_the_mean,
    soft=near_vectors,
    words=first_numbers,
    answers=as_targets,
    name="embeddings",
    of_teacher=True,
)
