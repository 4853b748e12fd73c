"""Short trainings of one student, by which a pilot finds a rate, the time of a step, and a method."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice, pairwise
from math import inf
from statistics import fmean, median
from time import perf_counter

import torch
from torch import nn

from tutelage.compress.gates import gated
from tutelage.data.batches import on_device
from tutelage.data.labelled import Labelled
from tutelage.loop import Loop
from tutelage.measures.chance import noise_of
from tutelage.measures.latency import wait
from tutelage.methods.by_name import method as method_named
from tutelage.methods.check import check_methods
from tutelage.methods.search import divergence
from tutelage.models.trained import has_moved
from tutelage.optimizers.factory import Factory
from tutelage.optimizers.scheduled import scheduled
from tutelage.optimizers.schedules import one_cycle
from tutelage.optimizers.usual import adamw, nesterov
from tutelage.results import Score
from tutelage.run import Run
from tutelage.schemes.answers import Conditions
from tutelage.schemes.by_method import Teaching, is_cached, pair_of, prepared, read_of
from tutelage.schemes.plan import Plan
from tutelage.study.budget import Pace
from tutelage.study.own.participants import DistillationSettings, Participants
from tutelage.study.own.sought import pace_of, plan_of
from tutelage.study.planning.range_test import FEWEST, LOWEST, ranged
from tutelage.study.planning.short_training import FEWEST_STEPS, WARM_UP, train_again, train_briefly
from tutelage.study.trials import Trial

LAYERS = ("srrl", "sp", "at")
"""Losses of layers that did well in ``results/``; each is tried beside soft targets."""
OPTIMIZERS: Mapping[str, Callable[..., Factory]] = {
    "nesterov": partial(partial, nesterov, weight_decay=5e-4),
    "adamw": partial(partial, adamw, weight_decay=0.01),
}
"""What makes each of them at a rate ``lr``, with its usual decay."""
USUAL_RATES = {"nesterov": 0.2, "adamw": 2e-3}
"""For batches of ``USUAL_BATCH`` under one cycle; in proportion to the batch for others (to its root by adamw).

Goyal et al., 2017, arXiv:1706.02677, §2.1; Malladi et al., 2022, arXiv:2205.10287, §5.
"""
USUAL_BATCH = 128
TUNED = 0.1
"""The usual rate of a student that has learnt something before, of that of a fresh one.

Girshick et al., 2014, arXiv:1311.2524, §2.3: a tenth of the rate of the first training makes progress "while not
clobbering the initialization".
"""
SHARE = 0.1
"""Of all the time, what a pilot may take at most."""
SHARE_OF_A_LOOK = 0.05
"""Of the time that is left to a pilot, what one look at how long something takes may take, beyond its first steps."""
SHARE_OF_RATES = 0.3
"""Of the time that is left to a pilot, what the range test of one network may take."""
MOST_STEPS = 100
"""Of a range test; more would make the curve no smoother."""
FEWEST_TRIED = 60
"""Steps from which on a short training says anything about a method."""
LOOKED_AT = 512
"""Validation samples by which the time of a look at all of them is measured where that is long."""
LOOKS = 4
"""How often they are looked at: the first time finds memory and kernels, the median of the others counts."""
NO_TIME = "there is no time to try losses of layers"


@dataclass(frozen=True)
class ShortTrials:
    """What stays the same in all short trainings of a pilot."""

    run: Run
    participants: Participants
    asked: DistillationSettings
    batch_size: int
    optimizer: str

    def trial(self, method: str | None) -> Trial:
        """The student taught by that method; alone without one. Its plan is of one epoch, at a rate of 1."""
        participants, factory = self.participants, OPTIMIZERS[self.optimizer](lr=1.0)
        if method is None:
            plan = Plan(participants.alone(self.batch_size, self.asked), factory, 1, one_cycle, participants.data.task)
            return Trial(participants.build_student, plan, start=participants.start)
        how = method_named(method)
        plan = Plan(participants.lesson(self.batch_size, self.asked), factory, 1, one_cycle, participants.task)
        build = participants.student_of(how)
        start = participants.start_of(build)
        return Trial(build, plan, participants.teaching(how, plan.lesson.num_views), start=start)

    @property
    def usual_rate(self) -> float:
        """The rate where there is no time to look for one."""
        batches = self.batch_size / USUAL_BATCH
        rate = USUAL_RATES[self.optimizer] * (batches if self.optimizer == "nesterov" else batches**0.5)
        return float(f"{rate * (TUNED if self.has_learnt else 1.0):.1e}")

    @cached_property
    def has_learnt(self) -> bool:
        """Whether the student has learnt something before, within its teacher or as its normalisations show."""
        people = self.participants
        return people.sought is not None or people.start is not None or has_moved(people.build_student())

    def step(self, method: str | None, end: float, lr: float = LOWEST) -> float:
        """Seconds of a step, the teacher's answers included."""
        factory = OPTIMIZERS[self.optimizer](lr=lr)
        return train_briefly(self.run, self.trial(method), factory, MOST_STEPS, end=self._soon(end)).step

    def steps(self, method: str, end: float) -> tuple[float, float]:
        """Seconds of a step with the teacher, and of one of the student alone; 0 where none is to be trained alone."""
        return self.step(method, end), self.step(None, end) if self.asked.baseline else 0.0

    def searching(self, end: float) -> tuple[Pace, int] | None:
        """The pace of the search for the student, where it is sought, and the rounds of it."""
        people, sought = self.participants, self.participants.sought
        if sought is None:
            return None
        lesson = people.lesson(self.batch_size, self.asked)
        plan = plan_of(lesson, people.task, Pace(lesson.steps, 0.0, 0.0), 1)
        build = partial(gated, sought.build, sample=tuple(lesson.example.shape[1:]))
        trial = Trial(build, plan, Teaching(divergence, people.teacher.last, (people.names[0],) * 2))
        step = train_briefly(self.run, trial, plan.optimizer, MOST_STEPS, end=self._soon(end)).step
        return pace_of(sought, lesson, step, self.asked.minutes)

    def rate(self, method: str | None, step: float, end: float) -> float:
        """The learning rate by a range test that ends well before ``end``; the usual one where there is no time.

        Where steps are in proportion to the weights, no rate below the usual one is taken that breaks nothing, unless
        the student has learnt something before, which such a rate would undo. What is left of a teacher has to learn
        again, at a tenth of the rate of a fresh student or more.
        """
        steps = int(min(MOST_STEPS, SHARE_OF_RATES * (end - perf_counter()) / max(step, 1e-6)))
        if steps < FEWEST:
            return self.usual_rate
        is_whole = self.has_learnt and self.participants.sought is None
        floor = self.usual_rate if self.optimizer == "nesterov" and not is_whole else 0.0
        return ranged(self.run, self.trial(method), OPTIMIZERS[self.optimizer], steps, floor)

    def asking(self, method: str, end: float) -> float:
        """Seconds in which the teacher answers a batch, with all that ``method`` wants to know of it."""
        trial, until = self.trial(method), self._soon(end)
        assert trial.teaching is not None
        model = self.run.laid_out(trial.build())
        uncached = replace(trial.teaching, cache_views=0)
        objective, teachers = prepared(model, uncached, trial.plan, self._conditions)
        seconds: list[float] = []
        with torch.no_grad(), Loop(precision=self.run.precision).autocast(self.run.device.type):
            for batch in islice(trial.plan.lesson.batches()(0, 0), MOST_STEPS):
                scene = {"batch": on_device(self.run.device, batch)}
                wait(self.run.device)
                begun = perf_counter()
                for name, teacher in teachers.items():
                    teacher(scene, read_of(objective, name))
                wait(self.run.device)
                seconds.append(perf_counter() - begun)
                if len(seconds) >= FEWEST_STEPS and perf_counter() > until:
                    break
        return fmean(seconds[WARM_UP:] or seconds[-1:])

    def validating(self, model: nn.Module) -> float:
        """Seconds of a look at the validation samples, 0 where there are none: by one at some of them if all take long.

        What a look takes however few there are is then counted for each of the parts.
        """
        plan = self.trial(None).plan
        whole = plan.lesson.validation
        if whole is None:
            return 0.0
        some = whole[torch.arange(min(len(whole), LOOKED_AT), device=whole.index.device)]
        seconds = _look(plan, some, model) * len(whole) / len(some)
        return seconds if LOOKS * seconds > self._moment else _look(plan, whole, model)

    def later_step(self, method: str | None, step: float, epochs: int, *, once: bool = False) -> float:
        """Seconds of a step when all is there that so many epochs keep: views, and answers if asked for but ``once``.

        No more than ``step``, which it is until then: what is seen of both differs by what else a machine does.
        """
        trial = self.trial(method)
        lesson = trial.plan.lesson
        if not once and not lesson.kept_bytes(epochs):
            return step
        steps = min(max(int(self._moment / 2 / max(step, 1e-6)), FEWEST_STEPS), MOST_STEPS, lesson.steps)
        factory = OPTIMIZERS[self.optimizer](lr=LOWEST)
        return min(train_again(self.run, trial, factory, steps, epochs=epochs).step, step)

    def is_cached(self, method: str) -> bool:
        """Whether the teacher is asked but once about each view."""
        trial = self.trial(method)
        assert trial.teaching is not None
        return is_cached(self.run.laid_out(trial.build()), trial.teaching, trial.plan)

    def preferred(self, soft: str, lr: float, step: float, end: float) -> tuple[str, str, float]:
        """``soft``, or the sum of it and a loss of layers whose short training is clearly better on validation.

        All are trained equally long on the clock, from the same weights at the same rate, until about ``end``. Clearly:
        by more than what the choice of the validation samples leaves of such a difference. Also says why, and the
        seconds of a step.
        """
        names = [name for name in (f"{soft}+{layers}" for layers in LAYERS) if self._fits(name)]
        data = self.participants.data
        if data.validation is None or not names:
            lacks = "no validation samples" if data.validation is None else "no layers of the two can be compared"
            return soft, lacks, step
        if end - perf_counter() < FEWEST_TRIED * step * (len(names) + 1):
            return soft, NO_TIME, step
        seconds = {soft: step} | {name: self.step(name, end, lr / 10) for name in names}
        share = (end - perf_counter()) / len(seconds)
        if share < FEWEST_TRIED * max(seconds.values()):
            return soft, NO_TIME, step
        planned = self.asked.epochs * self.participants.lesson(self.batch_size, self.asked).steps or inf
        scores = {name: self._score(name, lr, int(min(share / each, planned))) for name, each in seconds.items()}
        metric = data.task.deciding
        ahead = {name: metric.gain(scores[name].value, over=scores[soft].value) for name in names if name in scores}
        best = max(ahead, key=lambda name: ahead[name], default=soft)
        if best in ahead and ahead[best] > noise_of(scores[best], scores[soft], len(data.validation)):
            words = f"{scores[best].value:g} {metric.name} on validation after a short training, {soft} alone"
            return best, f"{words} {scores[soft].value:g}", seconds[best]
        return soft, f"no loss of layers ({', '.join(names)}) was clearly better in a short training", step

    @property
    def _conditions(self) -> Conditions:
        return Conditions(self.run.root, self.run.precision, self.run.exact)

    def _fits(self, method: str) -> bool:
        how = method_named(method)
        plan = Plan(self.participants.lesson(self.batch_size, self.asked), OPTIMIZERS[self.optimizer](lr=1.0), 1)
        student = self.run.laid_out(self.participants.student_of(how)())
        try:
            check_methods(pair_of(student, self.participants.teaching(how, 0), plan), {method: how})
        except ValueError:
            return False
        return True

    @property
    def _moment(self) -> float:
        """Seconds that a look may take which comes whatever the others took."""
        return SHARE_OF_A_LOOK * SHARE * 60 * self.asked.minutes

    def _soon(self, end: float) -> float:
        """When a look at how long something takes ends that begins now."""
        now = perf_counter()
        return now + SHARE_OF_A_LOOK * (end - now)

    def _score(self, method: str, lr: float, steps: int) -> Score:
        factory = scheduled(OPTIMIZERS[self.optimizer](lr=lr), one_cycle(steps))
        trial, data = self.trial(method), self.participants.data
        model = train_briefly(self.run, trial, factory, steps).model
        assert data.validation is not None
        return data.task.judge(model, data.validation, data.test_transform).scores[data.task.deciding.name]


def _look(plan: Plan, data: Labelled, model: nn.Module) -> float:
    """Seconds in which ``model`` is judged on ``data``, as after an epoch."""
    check = replace(plan, lesson=replace(plan.lesson, validation=data)).validation(model)
    assert check is not None
    marks = [perf_counter()]
    for _ in range(LOOKS):
        check()
        marks.append(perf_counter())
    return median(later - earlier for earlier, later in pairwise(marks[1:]))
