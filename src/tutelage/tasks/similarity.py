"""How alike two sentences are: the cosine of their vectors beside what people say. Their order decides, as on STS-B.

The samples are pairs: the first sentence is the input, the other one the input ``second``. A network sees one sentence
at a time and answers with its vector.
"""

from functools import partial

from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, mse_loss

from tutelage.data.labelled import Labelled
from tutelage.data.transforms import Show
from tutelage.data.views import plain
from tutelage.losses.hint import mean_squares
from tutelage.measures.correlation import interval_of_spearman, pearson, spearman
from tutelage.measures.predict import predict
from tutelage.objective import Loss
from tutelage.results import Metric, Score
from tutelage.tasks.task import Task

SPEARMAN = Metric("Spearman", "%", "higher")
PEARSON = Metric("Pearson", "%", "higher")
SECOND = "second"
TOGETHER = 64
"""Sentences that are asked about at a time: of many, the longest makes all of them long."""


def cosine_error(answers: Tensor, targets: Tensor, highest: float) -> Tensor:
    """The mean squared error of cosines (N,) with what people say (N, 1) of the pairs, from 0 to ``highest``."""
    return mse_loss(answers, targets.flatten().to(answers) / highest)


def order_and_line(answers: Tensor, data: Labelled) -> dict[str, Score]:
    """Spearman's correlation of the cosines with what people say, with its 95 % interval, and Pearson's; in %.

    >>> import torch
    >>> from tutelage.data.labelled import labelled
    >>> data = labelled("two", torch.zeros(3, 1), torch.tensor([[0.0], [0.5], [1.0]]), second=torch.zeros(3, 1))
    >>> order_and_line(torch.tensor([0.1, 0.9, 0.8]), data)["Spearman"].value
    50.0
    """
    targets = data.targets.flatten()
    value = spearman(answers, targets)
    low, high = interval_of_spearman(value, len(data))
    return {
        SPEARMAN.name: Score(round(100 * value, 10), (100 * low, 100 * high)),
        PEARSON.name: Score(100 * pearson(answers, targets)),
    }


def cosines_of_pairs(model: nn.Module, data: Labelled, *, transform: Show = plain) -> Tensor:
    """The cosine of the two vectors of each pair, (N,). Raises ``ValueError`` for samples that are no pairs."""
    alone = Labelled(data.name, data.inputs, data.targets, data.index, data.classes)
    first, second = (
        predict(model, part, transform=transform, batch_size=TOGETHER) for part in (alone, data.seen_as(SECOND))
    )
    return cosine_similarity(first, second)


def of_nobody(_data: Labelled) -> float:
    """Who gives every pair the same cosine puts none in order."""
    return 0.0


def vectors_alike(_temperature: float) -> Loss:
    """The mean squared difference from the teacher's vectors, which no temperature softens."""
    return mean_squares


def similarity(highest: float = 5.0) -> Task:
    """The task of pairs of which people say how alike they are, from 0 to ``highest``.

    It is of no use to own data by its name: pairs are read by who knows where their two sentences stand.
    """
    return Task(
        loss=partial(cosine_error, highest=highest),
        metrics=(SPEARMAN, PEARSON),
        score=order_and_line,
        constant=of_nobody,
        predict=cosines_of_pairs,
        soft=vectors_alike,
        name="similarity",
    )
