"""One student, one way: a trial. That it diverges is a result, and no reason to lose the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from tutelage.keys import Build
from tutelage.run import Run
from tutelage.schemes.by_method import AnyTeaching, by_method
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.stages.stage import Fit, Stage
from tutelage.stages.storage import Finished
from tutelage.study.evaluated import validated
from tutelage.study.sets import Sets


@dataclass(frozen=True)
class Trial:
    """How one student is taught, on labels alone where nobody teaches it, and the ``family`` a table counts it to.

    It begins with the weights of ``start``, a network of its architecture, or else with those that ``build`` draws.
    """

    build: Build
    plan: Plan
    teaching: AnyTeaching | None = None
    family: str = "labels"
    start: nn.Module | None = None


@dataclass(frozen=True)
class Trained:
    """A trial, and the student that came of it."""

    trial: Trial
    finished: Finished


@dataclass(frozen=True)
class Outcome:
    """The students by name, and what was said of the trials that diverged."""

    students: dict[str, Trained]
    diverged: dict[str, str]


def run_trial(run: Run, name: str, trial: Trial) -> Trained:
    """The student of one trial, as a stage called ``name``. Raises ``FloatingPointError`` where it diverges."""
    if trial.teaching is None:
        fit: Fit = partial(supervised, plan=trial.plan)
    else:
        fit = partial(by_method, plan=trial.plan, teaching=trial.teaching)
    if trial.start is not None:
        fit = partial(begun_from, start=trial.start, fit=fit)
    return Trained(trial, run.stage(name, trial.build, fit, seed=trial.plan.lesson.seed))


def begun_from(stage: Stage, model: nn.Module, *, start: nn.Module, fit: Fit) -> None:
    """``fit`` of a ``model`` that begins with the weights and buffers of ``start``."""
    model.load_state_dict(start.state_dict())
    fit(stage, model)


def run_trials(run: Run, data: Sets, trials: Mapping[str, Sequence[Trial]]) -> Outcome:
    """A student for each name: of several trials, that which does best on the validation samples."""
    students: dict[str, Trained] = {}
    diverged: dict[str, str] = {}
    for name, some in trials.items():
        trained = []
        for trial in some:
            strength = 1.0 if trial.teaching is None else trial.teaching.strength
            stage = name if len(some) == 1 else f"{name} × {strength:g}"
            try:
                trained.append(run_trial(run, stage, trial))
            except FloatingPointError as error:
                diverged[stage] = str(error)
                run.progress.note(f"{stage}: {error}")
        if trained:
            students[name] = min(trained, key=lambda one: validated(one.finished, data))
    return Outcome(students, diverged)
