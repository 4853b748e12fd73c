"""Short trainings of one student, by which a pilot finds a learning rate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from time import perf_counter

from tutelage.methods.by_name import method as method_named
from tutelage.models.trained import has_moved
from tutelage.optimizers.factory import Factory
from tutelage.optimizers.schedules import one_cycle
from tutelage.optimizers.usual import adamw, nesterov
from tutelage.run import Run
from tutelage.schemes.by_method import is_cached
from tutelage.schemes.plan import Plan
from tutelage.study.own.participants import DistillationSettings, Participants
from tutelage.study.planning.range_test import FEWEST, ranged
from tutelage.study.trials import Trial

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
SHARE_OF_RATES = 0.3
"""Of the time that is left to a pilot, what the range test of one network may take."""
MOST_STEPS = 100
"""Of a range test; more would make the curve no smoother."""


@dataclass(frozen=True)
class ShortTrials:
    """What stays the same in all short trainings of a pilot."""

    run: Run
    participants: Participants
    asked: DistillationSettings
    batch_size: int
    optimizer: str

    def factory(self, lr: float) -> Factory:
        """What makes the optimizer at that rate."""
        return OPTIMIZERS[self.optimizer](lr=lr)

    def trial(self, method: str | None) -> Trial:
        """The student taught by that method; alone without one. Its plan is of one epoch, at a rate of 1."""
        participants, factory = self.participants, self.factory(1.0)
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

    def is_cached(self, method: str) -> bool:
        """Whether the teacher is asked but once about each view."""
        trial = self.trial(method)
        assert trial.teaching is not None
        return is_cached(self.run.laid_out(trial.build()), trial.teaching, trial.plan)
