"""Regression: numbers a sample. The mean squared error decides; R² is the share of the variance explained."""

from math import sqrt
from statistics import NormalDist

from torch import Tensor
from torch.nn.functional import mse_loss

from tutelage.data.labelled import Labelled
from tutelage.results import Metric, Score
from tutelage.tasks.task import Task

SQUARES = Metric("mean squared error")
EXPLAINED = Metric("R²", better="higher")
Z = NormalDist().inv_cdf(0.975)


def squares_and_explained(answers: Tensor, data: Labelled) -> dict[str, Score]:
    """The mean squared error, with the 95 % interval of a mean of so many, and ``1 − it / variance of targets``.

    Raises ``ValueError`` where answers and targets differ in shape: they would be compared all with all.

    >>> import torch
    >>> from tutelage.data.labelled import labelled
    >>> data = labelled("line", torch.zeros(2, 1), torch.tensor([[0.0], [2.0]]))
    >>> squares_and_explained(torch.tensor([[0.0], [1.0]]), data)["R²"].value
    0.5
    """
    targets = data.targets
    if answers.shape != targets.shape:
        raise ValueError(f"Regression compares answers {tuple(answers.shape)} with targets {tuple(targets.shape)}: "
                         "the shapes have to be the same.")  # fmt: skip
    squares = (answers - targets).double().square().flatten(1).mean(1)
    mean = squares.mean().item()
    reach = Z * squares.std().item() / sqrt(len(squares)) if len(squares) > 1 else 0.0
    variance = error_of_the_mean(data)
    explained = 1 - mean / variance if variance else float(mean == 0)
    return {SQUARES.name: Score(mean, (max(0.0, mean - reach), mean + reach)), EXPLAINED.name: Score(explained)}


def error_of_the_mean(data: Labelled) -> float:
    """The mean squared error of whoever answers with the mean of the targets: their variance."""
    targets = data.targets.double()
    return (targets - targets.mean(0)).square().mean().item()


REGRESSION = Task(loss=mse_loss, metrics=(SQUARES, EXPLAINED), score=squares_and_explained, constant=error_of_the_mean)
