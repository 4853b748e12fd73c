"""How long parts of a training take, on the clock: a step, the teacher's answers, a look at the validation samples."""

from dataclasses import replace
from functools import partial
from itertools import islice, pairwise
from statistics import fmean, median
from time import perf_counter

import torch
from torch import nn

from tutelage.compress.gates import gated
from tutelage.data.batches import on_device
from tutelage.data.labelled import Labelled
from tutelage.loop import Loop
from tutelage.measures.latency import wait
from tutelage.methods.search import divergence
from tutelage.schemes.answers import Conditions
from tutelage.schemes.by_method import Teaching, prepared, read_of
from tutelage.schemes.plan import Plan
from tutelage.study.budget import Pace
from tutelage.study.own.sought import pace_of, plan_of
from tutelage.study.planning.range_test import LOWEST
from tutelage.study.planning.short_training import FEWEST_STEPS, WARM_UP, train_again, train_briefly
from tutelage.study.planning.short_trials import MOST_STEPS, SHARE, ShortTrials
from tutelage.study.trials import Trial

SHARE_OF_A_LOOK = 0.05
"""Of the time that is left to a pilot, what one look at how long something takes may take, beyond its first steps."""
LOOKED_AT = 512
"""Validation samples by which the time of a look at all of them is measured where that is long."""
LOOKS = 4
"""How often they are looked at: the first time finds memory and kernels, the median of the others counts."""


def step_time(trials: ShortTrials, method: str | None, end: float, lr: float = LOWEST) -> float:
    """Seconds of a step of a student taught by ``method``, the teacher's answers included; alone without one."""
    return train_briefly(trials.run, trials.trial(method), trials.factory(lr), MOST_STEPS, end=_soon(end)).step


def step_times(trials: ShortTrials, method: str, end: float) -> tuple[float, float]:
    """Seconds of a step with the teacher, and of one of the student alone; 0 where none is to be trained alone."""
    return step_time(trials, method, end), step_time(trials, None, end) if trials.asked.baseline else 0.0


def later_step_time(trials: ShortTrials, method: str | None, step: float, epochs: int, *, once: bool = False) -> float:
    """Seconds of a step when all is there that so many epochs keep: views, and answers if asked for but ``once``.

    No more than ``step``, which it is until then: what is seen of both differs by what else a machine does.
    """
    trial = trials.trial(method)
    lesson = trial.plan.lesson
    if not once and not lesson.kept_bytes(epochs):
        return step
    steps = min(max(int(_moment(trials) / 2 / max(step, 1e-6)), FEWEST_STEPS), MOST_STEPS, lesson.steps)
    return min(train_again(trials.run, trial, trials.factory(LOWEST), steps, epochs=epochs).step, step)


def search_pace(trials: ShortTrials, end: float) -> tuple[Pace, int] | None:
    """The pace of the search for the student, where it is sought, and the rounds of it."""
    people, sought = trials.participants, trials.participants.sought
    if sought is None:
        return None
    lesson = people.lesson(trials.batch_size, trials.asked)
    plan = plan_of(lesson, people.task, Pace(lesson.steps, 0.0, 0.0), 1)
    build = partial(gated, sought.build, sample=tuple(lesson.example.shape[1:]))
    trial = Trial(build, plan, Teaching(divergence, people.teacher.last, (people.names[0],) * 2))
    step = train_briefly(trials.run, trial, plan.optimizer, MOST_STEPS, end=_soon(end)).step
    return pace_of(sought, lesson, step, trials.asked.minutes)


def answer_time(trials: ShortTrials, method: str, end: float) -> float:
    """Seconds in which the teacher answers a batch, with all that ``method`` wants to know of it."""
    trial, until, run = trials.trial(method), _soon(end), trials.run
    assert trial.teaching is not None
    model = run.laid_out(trial.build())
    uncached = replace(trial.teaching, cache_views=0)
    objective, teachers = prepared(model, uncached, trial.plan, Conditions(run.root, run.precision, run.exact))
    seconds: list[float] = []
    with torch.no_grad(), Loop(precision=run.precision).autocast(run.device.type):
        for batch in islice(trial.plan.lesson.batches()(0, 0), MOST_STEPS):
            scene = {"batch": on_device(run.device, batch)}
            wait(run.device)
            begun = perf_counter()
            for name, teacher in teachers.items():
                teacher(scene, read_of(objective, name))
            wait(run.device)
            seconds.append(perf_counter() - begun)
            if len(seconds) >= FEWEST_STEPS and perf_counter() > until:
                break
    return fmean(seconds[WARM_UP:] or seconds[-1:])


def validation_time(trials: ShortTrials, model: nn.Module) -> float:
    """Seconds of a look at the validation samples, 0 where there are none: by one at some of them if all take long.

    What a look takes however few there are is then counted for each of the parts.
    """
    plan = trials.trial(None).plan
    whole = plan.lesson.validation
    if whole is None:
        return 0.0
    some = whole[torch.arange(min(len(whole), LOOKED_AT), device=whole.index.device)]
    seconds = _look(plan, some, model) * len(whole) / len(some)
    return seconds if LOOKS * seconds > _moment(trials) else _look(plan, whole, model)


def _moment(trials: ShortTrials) -> float:
    """Seconds that a look may take which comes whatever the others took."""
    return SHARE_OF_A_LOOK * SHARE * 60 * trials.asked.minutes


def _soon(end: float) -> float:
    """When a look at how long something takes ends that begins now."""
    now = perf_counter()
    return now + SHARE_OF_A_LOOK * (end - now)


def _look(plan: Plan, data: Labelled, model: nn.Module) -> float:
    """Seconds in which ``model`` is judged on ``data``, as after an epoch."""
    check = replace(plan, lesson=replace(plan.lesson, validation=data)).validation(model)
    assert check is not None
    marks = [perf_counter()]
    for _ in range(LOOKS):
        check()
        marks.append(perf_counter())
    return median(later - earlier for earlier, later in pairwise(marks[1:]))
