"""Classification: one class a sample. Errors decide, with Wilson's interval; accuracy says the same in per cent."""

from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy

from tutelage.data.labelled import Labelled
from tutelage.measures.agreement import agreement
from tutelage.measures.calibration import calibration
from tutelage.measures.confusion import worst_pairs
from tutelage.measures.disagreements import are_images, disagreements
from tutelage.measures.errors import errors
from tutelage.measures.wilson import wilson
from tutelage.results import Example, Metric, Score
from tutelage.tasks.task import Task

ERRORS = Metric("errors")
ACCURACY = Metric("accuracy", "%", "higher")


def errors_and_accuracy(logits: Tensor, data: Labelled) -> dict[str, Score]:
    """The samples whose largest logit is not their target's, and the others as a share (%), with 95 % intervals.

    >>> import torch
    >>> from tutelage.data.labelled import labelled
    >>> data = labelled("two", torch.zeros(2, 1), torch.tensor([0, 1]), ("a", "b"))
    >>> errors_and_accuracy(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), data)["accuracy"].value
    50.0
    """
    count, wrong = len(data), errors(logits, data.targets)
    low, high = wilson(wrong, count)
    best, worst = (_percent(count - bound, count) for bound in (low, high))
    return {
        ERRORS.name: Score(wrong, (low, high)),
        ACCURACY.name: Score(_percent(count - wrong, count), (worst, best)),
    }


def errors_of_one_class(data: Labelled) -> float:
    """The errors of the best network that gives every sample the same class."""
    return len(data) - int(data.targets.bincount().max())


def against_teacher(logits: Tensor, teacher: Tensor | None, data: Labelled) -> dict[str, Any]:
    """Agreement with the teacher, where there is another one; calibration; the classes most often confused."""
    return {
        "agreement": None if teacher is None or teacher is logits else agreement(logits, teacher),
        "calibration": calibration(logits, data.targets),
        "confusion": tuple(worst_pairs(logits, data.targets)),
    }


def pictures(teacher: Tensor, student: Tensor, data: Labelled) -> list[Example]:
    """The pictures on which the two differ most; none where the inputs are no pictures."""
    return disagreements(teacher, student, data) if are_images(data) else []


def _percent(part: float, count: int) -> float:
    return round(100 * part / count, 4)


CLASSIFICATION = Task(
    loss=cross_entropy,
    metrics=(ERRORS, ACCURACY),
    score=errors_and_accuracy,
    constant=errors_of_one_class,
    details=against_teacher,
    examples=pictures,
)
