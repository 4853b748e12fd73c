"""Settings of a training as what they name: a plan, with its optimizer and schedule."""

from functools import partial

from tutelage.data.lesson import Lesson
from tutelage.optimizers.factory import Factory
from tutelage.optimizers.schedules import Schedule, constant, cosine, one_cycle, stepwise
from tutelage.optimizers.usual import adam, nesterov, sgd
from tutelage.schemes.plan import Plan
from tutelage.study.settings import TrainingSettings
from tutelage.tasks.task import Task

SCHEDULES: dict[str, Schedule] = {
    "steps": partial(stepwise, at=(150 / 240, 180 / 240, 210 / 240)),
    "one-cycle": one_cycle,
    "cosine": cosine,
    "constant": constant,
    "two-steps": partial(stepwise, at=(1 / 2, 3 / 4)),
    "even-steps": partial(stepwise, at=(3 / 10, 6 / 10, 9 / 10)),
}
OPTIMIZERS = {"sgd": sgd, "nesterov": nesterov, "adam": adam}


def plan_of(lesson: Lesson, training: TrainingSettings, task: Task) -> Plan:
    """``lesson`` learnt for ``task`` as ``training`` says: by the optimizer it names, at its rate and decay."""
    optimizer: Factory = partial(OPTIMIZERS[training.optimizer], lr=training.lr, weight_decay=training.weight_decay)
    return Plan(lesson, optimizer, training.epochs, SCHEDULES[training.schedule], task)
