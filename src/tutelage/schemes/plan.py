"""What a network learns from, by which optimizer and how long, made once and handed on as one thing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import nn

from tutelage.checks import refuse_too_few
from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.batches import Batches
from tutelage.data.lesson import Lesson
from tutelage.learner import Learner
from tutelage.methods.suited import refuse_unsuited
from tutelage.methods.transfer import refuse_unlabelled
from tutelage.objective import Objective
from tutelage.optimizers.factory import Factory
from tutelage.optimizers.scheduled import scheduled
from tutelage.optimizers.schedules import Schedule, cosine
from tutelage.stages.stage import Stage, Validate
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.task import Task
from tutelage.teachers.frozen import Teacher

LOOKS = 400
"""Times that a network is looked at on validation in a training, however many epochs it has."""


def as_they_are(batches: Batches) -> Batches:
    return batches


@dataclass(frozen=True)
class Plan:
    """``lesson`` for ``epochs``, by ``optimizer`` at the rate that ``schedule`` gives over all their steps.

    Raises ``ValueError`` for epochs that are not counted in whole numbers, 1 or more.
    """

    lesson: Lesson
    optimizer: Factory
    epochs: int
    schedule: Schedule = cosine
    task: Task = CLASSIFICATION

    def __post_init__(self) -> None:
        refuse_too_few(epochs=self.epochs)

    @property
    def scheduled_optimizer(self) -> Factory:
        return scheduled(self.optimizer, self.schedule(self.epochs * self.lesson.steps))

    def learner(
        self,
        model: nn.Module,
        objective: Objective,
        teachers: Mapping[str, Teacher] | None = None,
        combine: Combine | None = None,
    ) -> Learner:
        """``model`` with what it must get right and who teaches it; by the weighted sum if no rule is given.

        Raises ``ValueError`` for an objective that compares with labels where the lesson's samples have none, and for
        one that takes answers for what those of the task are not.
        """
        refuse_unsuited(objective, self.task)
        refuse_unlabelled(objective, self.lesson.train)
        return Learner(
            model,
            objective,
            self.scheduled_optimizer,
            combine or WeightedSum(),
            teachers or {},
            call=self.task.call,
        )

    def validation(self, model: nn.Module) -> Validate | None:
        """What measures ``model`` on the lesson's validation samples, if it has any."""
        data, task = self.lesson.validation, self.task
        return None if data is None else partial(task.validation, model, data, self.lesson.test_transform)

    def train(self, stage: Stage, learner: Learner, shown: Callable[[Batches], Batches] = as_they_are) -> None:
        """``learner`` to the end in ``stage``, with the validation that the lesson provides for.

        ``shown`` makes of the lesson's batches what is trained on.
        """
        model = learner.student
        stage.train(
            {"student": learner},
            shown(self.lesson.batches(self.epochs)),
            self.epochs,
            model=model,
            validate=self.validation(model),
            better=self.task.deciding.better,
            looks=LOOKS,
        )
