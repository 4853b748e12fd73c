"""What a step of each trial costs, measured side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from time import perf_counter

import torch
from torch.optim import Optimizer

from tutelage.data.batches import Batch, on_device
from tutelage.data.lesson import Lesson
from tutelage.learn import Epoch, train
from tutelage.learner import Learner
from tutelage.loop import Loop
from tutelage.measures.steps import Cost, step_costs
from tutelage.methods.cited import losses_in
from tutelage.objective import Clock, Objective
from tutelage.optimizers.factory import Factory, Named
from tutelage.profiling import clocked
from tutelage.run import Run
from tutelage.schemes.answers import Conditions
from tutelage.schemes.by_method import is_cached, prepared, read_of
from tutelage.study.trials import Trial
from tutelage.teachers.frozen import Teacher

SECONDS = 1.5
"""Of measuring one kind of step, if 5 rounds are enough for that; never more than 30 rounds."""
STEPS = 36
"""Batches that are stepped through in turn: as many as there are steps to measure."""


@dataclass(frozen=True, eq=False)
class Stepping:
    """A training taken step by step."""

    objective: Objective
    training: Iterator[Epoch]

    def __call__(self) -> None:
        next(self.training)


def stepping(run: Run, trial: Trial) -> Stepping:
    """The training of ``trial``, with a new student, a step at each call.

    At a learning rate of 0: it costs the same, and without the schedule of the real training none can diverge. A step
    is one with answers that are there already where the teacher's are kept; those that are not are kept in memory.
    """
    model, lesson = run.laid_out(trial.build()), trial.plan.lesson
    optimizer = partial(_at_rest, optimizer=trial.plan.optimizer)
    if trial.teaching is None:
        learner = Learner(model, Objective(label=trial.plan.task.labels()), optimizer, call=trial.plan.task.call)
    else:
        conditions = Conditions(run.root, run.precision, run.exact)
        objective, teachers = prepared(model, trial.teaching, trial.plan, conditions)
        learner = Learner(model, objective, optimizer, trial.teaching.combine(), teachers, call=trial.plan.task.call)
        if is_cached(model, trial.teaching, trial.plan):
            _ask(run, teachers, objective, lesson)
    training = train({"student": learner}, partial(_endless, lesson), 1, precision=run.precision, pause=_always)
    return Stepping(learner.objective, iter(training))


@clocked("measures")
def costs_of(run: Run, trials: Mapping[str, Trial]) -> tuple[dict[str, Cost], list[str]]:
    """For each trial what a step costs, beside one of the first trial; and the losses that all of them compute.

    Empty, with a note, where they cannot be measured: by then the students are trained.
    """
    steps: dict[str, Stepping] = {}
    try:
        with torch.random.fork_rng():
            for name, trial in trials.items():
                steps[name] = stepping(run, trial)
            costs = step_costs(steps, device=run.device, rounds=_rounds(next(iter(steps.values()))), warm_up=1)
    except Exception as error:
        run.progress.note(f"the cost of a step was not measured ({type(error).__name__}: {error})")
        costs = {}
    return costs, sorted(set().union(*(losses_in(step.objective) for step in steps.values())))


def _rounds(step: Stepping) -> int:
    step()
    begin = perf_counter()
    step()
    return min(30, max(5, int(SECONDS / max(perf_counter() - begin, 1e-6))))


def _endless(lesson: Lesson, _epoch: int, _first: int) -> Iterator[Batch]:
    """The first batches again and again, in one epoch: nothing comes of a training at rest, so none is to be judged."""
    while True:
        yield from islice(lesson.batches()(0, 0), STEPS)


def _ask(run: Run, teachers: Mapping[str, Teacher], objective: Objective, lesson: Lesson) -> None:
    """Whatever the steps will want to know."""
    with torch.no_grad(), Loop(precision=run.precision).autocast(run.device.type):
        for batch in islice(lesson.batches()(0, 0), STEPS):
            scene = {"batch": on_device(run.device, batch)}
            for name, teacher in teachers.items():
                teacher(scene, read_of(objective, name))


def _at_rest(named: Named, optimizer: Factory) -> Optimizer:
    resting = optimizer(named)
    for group in resting.param_groups:
        group["lr"] = 0.0
    return resting


def _always(_clock: Clock) -> bool:
    return True
