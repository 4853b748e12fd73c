"""Offline distillation: a finished teacher, one student."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from torch import nn

from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.batches import Batches
from tutelage.learn import train
from tutelage.learner import Learner, everything
from tutelage.objective import Objective
from tutelage.optimizers.factory import Factory
from tutelage.teachers.frozen import Teacher


class Learn(Protocol):
    """Trains the learners to the end: ``to_the_end``, or the ``train`` of a run's stage, which also logs and saves."""

    def __call__(self, learners: Mapping[str, Learner], batches: Batches | Iterable[Any], epochs: int, /) -> None: ...


def to_the_end(learners: Mapping[str, Learner], batches: Batches | Iterable[Any], epochs: int) -> None:
    for _ in train(learners, batches, epochs):
        pass


def distill(
    student: nn.Module,
    teacher: Teacher,
    *,
    batches: Batches | Iterable[Any],
    objective: Callable[[], Objective],
    optimizer: Factory,
    epochs: int,
    combine: Callable[[], Combine] = WeightedSum,
    trains: Callable[[str], bool] = everything,
    learn: Learn = to_the_end,
) -> nn.Module:
    """``student``, trained on ``objective()`` with ``teacher`` on stage under that name.

    ``objective`` and ``combine`` are made anew, because both may own weights that belong to one student.
    """
    learner = Learner(student, objective(), optimizer, combine(), {"teacher": teacher}, trains=trains)
    learn({"student": learner}, batches, epochs)
    return student
