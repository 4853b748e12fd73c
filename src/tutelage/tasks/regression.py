"""Regression: numbers a sample. The mean squared error decides; R² is the share of the variance explained."""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from statistics import NormalDist

from torch import Tensor
from torch.nn.functional import mse_loss

from tutelage.data.labelled import Labelled
from tutelage.losses.bounded import bounded_squares
from tutelage.losses.squared_gap import squared_gap
from tutelage.objective import Loss
from tutelage.results import Metric, Score
from tutelage.shapes import at_least_float32
from tutelage.tasks.task import Task, as_targets

SQUARES = Metric("mean squared error")
EXPLAINED = Metric("R²", better="higher")
Z = NormalDist().inv_cdf(0.975)


def squared_error(answers: Tensor, targets: Tensor) -> Tensor:
    """The mean squared error of answers with targets, (N, K) both; one number a sample may be (N,) or (N, 1) in either.

    Raises ``ValueError`` where the shapes differ otherwise: they would be compared all with all.
    """
    answers, targets = _alike(answers, targets)
    return mse_loss(at_least_float32(answers), at_least_float32(targets))


def squares_and_explained(answers: Tensor, data: Labelled) -> dict[str, Score]:
    """The mean squared error, with the 95 % interval of a mean of so many, and ``1 − it / variance of targets``.

    Raises ``ValueError`` as ``squared_error``.

    >>> import torch
    >>> from tutelage.data.labelled import labelled
    >>> data = labelled("line", torch.zeros(2, 1), torch.tensor([[0.0], [2.0]]))
    >>> squares_and_explained(torch.tensor([[0.0], [1.0]]), data)["R²"].value
    0.5
    """
    answers, targets = _alike(answers, data.targets)
    squares = (answers - targets).double().square().reshape(len(answers), -1).mean(1)
    mean = squares.mean().item()
    reach = Z * squares.std().item() / sqrt(len(squares)) if len(squares) > 1 else 0.0
    variance = error_of_the_mean(data)
    explained = 1 - mean / variance if variance else float(mean == 0)
    return {SQUARES.name: Score(mean, (max(0.0, mean - reach), mean + reach)), EXPLAINED.name: Score(explained)}


def error_of_the_mean(data: Labelled) -> float:
    """The mean squared error of whoever answers with the mean of the targets: their variance."""
    targets = data.targets.double()
    return (targets - targets.mean(0)).square().mean().item()


def matched_numbers(_temperature: float) -> Loss:
    """The mean squared difference from the teacher's numbers, which no temperature softens."""
    return squared_gap


def bounded_by_teacher(_temperature: float) -> Loss:
    """The student's own squared error, on the samples where it is not below the teacher's."""
    return bounded_squares


def in_numbers(answer: Tensor, classes: Sequence[str]) -> str:
    """The numbers to three digits, such as ``3.42`` or ``width 3.42, height 1``.

    >>> import torch
    >>> in_numbers(torch.tensor([3.4249]), ()), in_numbers(torch.tensor([3.0, 1.0]), ("width", "height"))
    ('3.42', 'width 3, height 1')
    """
    numbers = [f"{x:.3g}" for x in answer.flatten().tolist()]
    named = [f"{name} {x}" for name, x in zip(classes, numbers, strict=False)]
    return ", ".join(named if len(named) == len(numbers) > 1 else numbers)


def _alike(answers: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Both without a last dimension of 1 where only one of them has it."""
    flat = [x.squeeze(-1) if x.ndim == 2 and x.shape[1] == 1 and other.ndim == 1 else x
            for x, other in ((answers, targets), (targets, answers))]  # fmt: skip
    if flat[0].shape != flat[1].shape:
        raise ValueError(f"Regression compares answers {tuple(answers.shape)} with targets {tuple(targets.shape)}: "
                         "the shapes have to be the same.")  # fmt: skip
    return flat[0], flat[1]


REGRESSION = Task(
    loss=squared_error,
    metrics=(SQUARES, EXPLAINED),
    score=squares_and_explained,
    constant=error_of_the_mean,
    soft=matched_numbers,
    words=in_numbers,
    answers=as_targets,
    name="regression",
)
BOUNDED = replace(REGRESSION, soft=bounded_by_teacher, soft_reads=("batch.target",), name="bounded regression")
"""Regression where a teacher's answers bound the student's error, and are no targets: Chen et al., NIPS 2017."""
