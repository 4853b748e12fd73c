"""What a step of each trial costs, measured side by side."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from torch.optim import Optimizer

from tutelage.learn import Epoch, train
from tutelage.learner import Learner
from tutelage.measure.steps import Cost, step_costs
from tutelage.methods.cited import losses_in
from tutelage.objective import Clock, Objective
from tutelage.optimizers.factory import Factory, Named
from tutelage.run import Run
from tutelage.schemes.by_method import Conditions, prepared
from tutelage.study.trials import Trial

SECONDS = 1.5
"""Of measuring one kind of step, if 5 rounds are enough for that; never more than 30 rounds."""


@dataclass(frozen=True, eq=False)
class Stepping:
    """A training taken step by step."""

    objective: Objective
    training: Iterator[Epoch]

    def __call__(self) -> None:
        next(self.training)


def stepping(run: Run, trial: Trial) -> Stepping:
    """The training of ``trial``, with a new student, a step at each call.

    At a learning rate of 0: it costs the same, and without the schedule of the real training none can diverge.
    """
    model, lesson = run.laid_out(trial.build()), trial.plan.lesson
    optimizer = partial(_at_rest, optimizer=trial.plan.optimizer)
    if trial.teaching is None:
        learner = Learner(model, Objective(label=trial.plan.task.labels()), optimizer, call=trial.plan.task.call)
    else:
        conditions = Conditions(run.root, run.precision, run.exact)
        objective, teacher = prepared(model, trial.teaching, trial.plan, conditions)
        combine, teachers = trial.teaching.combine(), {"teacher": teacher}
        learner = Learner(model, objective, optimizer, combine, teachers, call=trial.plan.task.call)
    training = train({"student": learner}, lesson.batches(), 10**6, precision=run.precision, pause=_always)
    return Stepping(learner.objective, iter(training))


def costs_of(run: Run, trials: Mapping[str, Trial]) -> tuple[dict[str, Cost], list[str]]:
    """For each trial what a step costs, beside one of the first trial; and the losses that all of them compute.

    Empty, with a note, where they cannot be measured: by then the students are trained.
    """
    steps: dict[str, Stepping] = {}
    try:
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


def _at_rest(named: Named, optimizer: Factory) -> Optimizer:
    resting = optimizer(named)
    for group in resting.param_groups:
        group["lr"] = 0.0
    return resting


def _always(_clock: Clock) -> bool:
    return True
