"""Settings of a training as what they name: an optimizer and a schedule."""

from functools import partial

from tutelage.optimizers.factory import Factory
from tutelage.optimizers.schedules import Schedule, cosine, one_cycle, stepwise
from tutelage.optimizers.usual import adam, nesterov, sgd
from tutelage.study.settings import TrainingSettings

SCHEDULES: dict[str, Schedule] = {
    "steps": partial(stepwise, at=(150 / 240, 180 / 240, 210 / 240)),
    "one-cycle": one_cycle,
    "cosine": cosine,
}
OPTIMIZERS = {"sgd": sgd, "nesterov": nesterov, "adam": adam}


def optimizer_of(training: TrainingSettings) -> Factory:
    """The optimizer that ``training`` names, at its rate and decay."""
    return partial(OPTIMIZERS[training.optimizer], lr=training.lr, weight_decay=training.weight_decay)
