"""A short training beside the real ones, of which no stage is made: what each step lost, and how long it took."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from math import isfinite
from time import perf_counter

import torch
from torch import nn

from tutelage.data.batches import Batch
from tutelage.data.lesson import Lesson
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.objective import Clock, Objective
from tutelage.optimizers.factory import Factory
from tutelage.run import Run
from tutelage.schemes.answers import Conditions
from tutelage.schemes.by_method import prepared
from tutelage.study.trials import Trial

WARM_UP = 3
"""Steps whose time is not counted: the first ones find memory and kernels."""


@dataclass(frozen=True)
class ShortTraining:
    """The ``model`` afterwards, the loss of each step, and the seconds of each."""

    model: nn.Module
    losses: tuple[float, ...]
    seconds: tuple[float, ...]

    @property
    def step(self) -> float:
        """Seconds a step, without the first ones."""
        counted = self.seconds[WARM_UP:] or self.seconds
        return sum(counted) / max(len(counted), 1)


def train_briefly(run: Run, trial: Trial, optimizer: Factory, steps: int) -> ShortTraining:
    """``trial``'s student from its seed on for ``steps`` steps of its own lesson; fewer where a loss is not finite.

    The teacher's answers are asked for anew and kept nowhere: what a pilot computes is part of no training.
    """
    with torch.random.fork_rng():
        torch.manual_seed(trial.plan.lesson.seed)
        model = run.laid_out(trial.build())
        learner = _learner(run, trial, model, optimizer)
        batches = partial(_first_batches, trial.plan.lesson, steps)
        training = train({"student": learner}, batches, 1, precision=run.precision, pause=_always)
        losses: list[float] = []
        seconds: list[float] = []
        total, begun = 0.0, perf_counter()
        try:
            for epoch in training:
                if epoch.finished:
                    break
                means = epoch.losses["student"]
                weights = epoch.weights["student"]
                mean = sum(weights.get(name, 1.0) * value for name, value in means.items())
                losses.append((len(losses) + 1) * mean - total)  # what is told is the mean of all steps so far
                total += losses[-1]
                seconds.append(perf_counter() - begun)
                begun = perf_counter()
        except FloatingPointError:
            pass
    finite = next((n for n, loss in enumerate(losses) if not isfinite(loss)), len(losses))
    return ShortTraining(model, tuple(losses[:finite]), tuple(seconds))


def _learner(run: Run, trial: Trial, model: nn.Module, optimizer: Factory) -> Learner:
    task = trial.plan.task
    if trial.teaching is None:
        return Learner(model, Objective(label=task.labels()), optimizer, call=task.call)
    conditions = Conditions(run.root, run.precision, run.exact)
    objective, teachers = prepared(model, trial.teaching, trial.plan, conditions)
    return Learner(model, objective, optimizer, trial.teaching.combine(), teachers, call=task.call)


def _first_batches(lesson: Lesson, steps: int, _epoch: int, _first: int) -> Iterator[Batch]:
    batches = lesson.batches()
    yield from islice((batch for epoch in count() for batch in batches(epoch, 0)), steps)


def _always(_clock: Clock) -> bool:
    return True
