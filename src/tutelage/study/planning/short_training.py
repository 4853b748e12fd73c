"""A short training beside the real ones, of which no stage is made: what each step lost, or how long a step takes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from math import inf, isfinite
from time import perf_counter

import torch
from torch import nn

from tutelage.data.batches import Batch, Batches
from tutelage.data.lesson import Lesson
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.loop import Epoch, never
from tutelage.measures.latency import wait
from tutelage.objective import Clock, Objective
from tutelage.optimizers.factory import Factory
from tutelage.run import Run
from tutelage.schemes.answers import Conditions
from tutelage.schemes.by_method import prepared
from tutelage.study.trials import Trial

WARM_UP = 3
"""Steps whose time is not counted: the first ones find memory and kernels."""
FEWEST_STEPS = 2
"""Steps that are taken however long they take: one to warm up, and one that counts."""


@dataclass
class Stopwatch:
    """When each step of a short training began and the last one ended, as ``perf_counter`` counts.

    No step begins after ``end``, but for ``FEWEST_STEPS`` of them; the first ``uncounted`` ones are not timed.
    """

    device: torch.device
    end: float = inf
    uncounted: int = WARM_UP
    marks: list[float] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return len(self.marks) > FEWEST_STEPS and perf_counter() > self.end

    @property
    def step(self) -> float:
        """Seconds a step, without the first ones."""
        first = max(min(self.uncounted, len(self.marks) - 2), 0)
        return (self.marks[-1] - self.marks[first]) / max(len(self.marks) - 1 - first, 1)

    def mark(self) -> None:
        if self.device.type == "cpu" or len(self.marks) <= WARM_UP:  # later ones may queue up, as in a training
            wait(self.device)
        self.marks.append(perf_counter())


@dataclass(frozen=True)
class ShortTraining:
    """The ``model`` afterwards, the loss of each step if it was asked for, and the seconds of one."""

    model: nn.Module
    losses: tuple[float, ...]
    step: float


def train_briefly(
    run: Run, trial: Trial, optimizer: Factory, steps: int, *, end: float = inf, watched: bool = False
) -> ShortTraining:
    """``trial``'s student from its seed on for ``steps`` steps of its own lesson, of which none begins after ``end``.

    Fewer where a loss is not finite. Losses are those of all steps if ``watched``, which takes time beside the steps.
    The teacher's answers are asked for anew and kept nowhere: what a pilot computes is part of no training.
    """
    clock = Stopwatch(run.device, end)
    return _trained(run, trial, optimizer, partial(_first_batches, trial.plan.lesson, steps, clock), clock, watched)


def train_again(run: Run, trial: Trial, optimizer: Factory, steps: int, *, epochs: int) -> ShortTraining:
    """``trial``'s student for ``steps`` steps, and for the same ones again, which alone are timed.

    A training of so many ``epochs`` may keep the teacher's answers and the views, and is as fast once all are there.
    """
    clock = Stopwatch(run.device, uncounted=steps)
    return _trained(run, trial, optimizer, partial(_same_batches, trial.plan.lesson, steps, epochs, clock), clock)


def _trained(
    run: Run, trial: Trial, optimizer: Factory, batches: Batches, clock: Stopwatch, watched: bool = False
) -> ShortTraining:
    losses: list[float] = []
    with torch.random.fork_rng():
        torch.manual_seed(trial.plan.lesson.seed)
        model = run.laid_out(trial.build())
        if trial.start is not None:
            model.load_state_dict(trial.start.state_dict())
        learner = _learner(run, trial, model, optimizer)
        pause = _always if watched else never
        total = 0.0
        try:
            for epoch in train({"student": learner}, batches, 1, precision=run.precision, pause=pause):
                if not epoch.finished:
                    losses.append((len(losses) + 1) * _mean(epoch) - total)  # what is told is the mean of all so far
                    total += losses[-1]
        except FloatingPointError:
            pass
    finite = next((n for n, loss in enumerate(losses) if not isfinite(loss)), len(losses))
    return ShortTraining(model, tuple(losses[:finite]), clock.step)


def _mean(epoch: Epoch) -> float:
    weights = epoch.weights["student"]
    return sum(weights.get(name, 1.0) * value for name, value in epoch.losses["student"].items())


def _learner(run: Run, trial: Trial, model: nn.Module, optimizer: Factory) -> Learner:
    task = trial.plan.task
    if trial.teaching is None:
        return Learner(model, Objective(label=task.labels()), optimizer, call=task.call)
    conditions = Conditions(run.root, run.precision, run.exact)
    objective, teachers = prepared(model, trial.teaching, trial.plan, conditions)
    return Learner(model, objective, optimizer, trial.teaching.combine(), teachers, call=task.call)


def _first_batches(lesson: Lesson, steps: int, clock: Stopwatch, _epoch: int, _first: int) -> Iterator[Batch]:
    """Batches of as many epochs as it takes."""
    batches = lesson.batches()
    yield from _marked(clock, (batch for epoch in count() for batch in batches(epoch, 0)), steps)


def _same_batches(
    lesson: Lesson, steps: int, epochs: int, clock: Stopwatch, _epoch: int, _first: int
) -> Iterator[Batch]:
    """So many batches of an epoch, and the same ones again."""
    batches = lesson.batches(epochs)
    yield from _marked(clock, (batch for _ in count() for batch in islice(batches(0, 0), steps)), 2 * steps)


def _marked(clock: Stopwatch, batches: Iterator[Batch], steps: int) -> Iterator[Batch]:
    """So many of ``batches``, each marked when it is there, and when one more is.

    A rehearsal takes the first one, too: so the marks begin anew.
    """
    clock.marks.clear()
    for taken, batch in enumerate(batches):
        clock.mark()
        if taken == steps or clock.is_over:
            return
        yield batch


def _always(_clock: Clock) -> bool:
    return True
