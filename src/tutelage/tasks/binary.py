"""Two classes told apart by one logit: above 0 it is the second. Scored as a classification of two classes is."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tutelage.data.labelled import Labelled
from tutelage.losses.multi_label import multi_label_targets
from tutelage.objective import Loss
from tutelage.results import Example, Score
from tutelage.tasks.classification import CLASSIFICATION, against_teacher, errors_and_accuracy, pictures
from tutelage.tasks.task import Task, likeliest


def two_logits(answers: Tensor) -> Tensor:
    """The logits of both classes, (N, 2), of one logit a sample, (N, 1) or (N,): a sigmoid is a softmax of [0, logit].

    Raises ``ValueError`` for what has more of them.

    >>> two_logits(torch.tensor([[3.0], [-1.0]]))
    tensor([[ 0.,  3.],
            [ 0., -1.]])
    """
    if answers.shape not in ((len(answers),), (len(answers), 1)):
        raise ValueError(
            f"Two classes are told apart by one logit a sample, (N, 1) or (N,); got answers {tuple(answers.shape)}: a "
            f"network with a logit for each class is of the task classification."
        )
    logit = answers.flatten()
    return torch.stack([torch.zeros_like(logit), logit], -1)


def one_logit(_targets: Tensor, _num_classes: int, samples: int) -> tuple[int, ...]:
    return samples, 1


def sigmoid_cross_entropy(answers: Tensor, targets: Tensor) -> Tensor:
    """The cross entropy of one logit a sample with targets 0 and 1 (int64), in nats: that of ``two_logits``."""
    return cross_entropy(two_logits(answers), targets)


def errors_and_accuracy_of_one_logit(answers: Tensor, data: Labelled) -> dict[str, Score]:
    """As ``errors_and_accuracy`` of the two classes."""
    return errors_and_accuracy(two_logits(answers), data)


def against_teacher_by_one_logit(answers: Tensor, teacher: Tensor | None, data: Labelled) -> dict[str, Any]:
    """As ``against_teacher`` of the two classes."""
    other = None if teacher is None or teacher is answers else two_logits(teacher)
    return against_teacher(two_logits(answers), other, data)


def pictures_by_one_logit(teacher: Tensor, student: Tensor, data: Labelled) -> list[Example]:
    """As ``pictures`` of the two classes."""
    return pictures(two_logits(teacher), two_logits(student), data)


def likelier(answer: Tensor, classes: Sequence[str]) -> str:
    """As ``likeliest`` of the two classes."""
    return likeliest(two_logits(answer.reshape(1))[0], classes)


def label_targets(temperature: float) -> Loss:
    """The loss of a student's logits with a teacher's, each of a label of its own."""
    return partial(multi_label_targets, temperature=temperature)


BINARY = replace(
    CLASSIFICATION,
    loss=sigmoid_cross_entropy,
    score=errors_and_accuracy_of_one_logit,
    details=against_teacher_by_one_logit,
    examples=pictures_by_one_logit,
    soft=label_targets,
    words=likelier,
    answers=one_logit,
    name="binary classification",
)


def by_head(task: Task, width: int, num_classes: int) -> Task:
    """``BINARY`` where a classifier of two classes answers with a single number a sample; otherwise ``task`` itself.

    A classification of texts is asked about these in its own way, and so is what it becomes.

    >>> by_head(CLASSIFICATION, 1, 2) is BINARY, by_head(CLASSIFICATION, 2, 2) is CLASSIFICATION
    (True, True)
    """
    if task.name != CLASSIFICATION.name or width != 1 or num_classes != 2:
        return task
    return BINARY if task.predict is CLASSIFICATION.predict else replace(BINARY, predict=task.predict)
