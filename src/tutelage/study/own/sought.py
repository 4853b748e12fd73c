"""A student that is sought within its teacher: what a budget leaves of it, and the time that looking for it takes."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from tutelage.compress.architecture import fresh
from tutelage.compress.budget import Budget, in_words
from tutelage.compress.gates import closed, fill_, gated
from tutelage.compress.handmade import uniform
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.graph import Channels, Closed
from tutelage.compress.structure.removal import without
from tutelage.compress.structure.trace import ANSWERED
from tutelage.data.lesson import Lesson
from tutelage.delivery import ORIGIN
from tutelage.foreign.forms import only_answers, own_network
from tutelage.keys import Build, already_imported, described, restored
from tutelage.optimizers.clipped import clipped
from tutelage.optimizers.factory import Named
from tutelage.optimizers.schedules import constant
from tutelage.optimizers.usual import nesterov
from tutelage.plurals import counted
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.search import Ledger
from tutelage.stages.storage import Finished
from tutelage.study.budget import Pace, epochs_within
from tutelage.study.search import Found, find
from tutelage.study.settings import SearchSettings
from tutelage.tasks.task import Task

SHARE = 0.2
"""Of all the time, what a search may take."""
MOST_STEPS, MOST_ROUNDS = 2000, 50
"""Of a search, however much time there is; after each round it is counted what is left."""
FEWEST_ROUNDS = 10
"""Where an epoch is so long that fewer would fit, a round is a part of one."""
FEWEST_STEPS = 20
"""Of a search, however little time there is."""
RATE = 0.02
"""Of a search, for batches of 128: a tenth of the usual one by Nesterov's momentum, for the weights have learnt."""
LONGEST = 1.0
"""Gradient of a search: networks without norms leave what they have learnt on a single longer step."""
LOOKS = 20
"""Times that it is found out what is left until a budget of milliseconds is used up: dozens where a clock has steps."""
CLOSES_IN = 0.3
"""Of a search, after which a gate is closed that nobody needs: 1 is ten times the steps' threshold, by momentum."""


@dataclass(frozen=True, eq=False)
class Sought:
    """What is asked of a student within a teacher, which ``build`` makes: ``limit`` of the ``whole`` in a unit.

    ``looking`` are the seconds in which it is found out what is left of it.
    """

    budget: Budget
    build: Build
    whole: float
    limit: float
    looking: float

    @property
    def asked(self) -> list[Any]:
        """What a plan is made for, whatever stands in for the student."""
        return [self.budget, self.build]

    @property
    def in_words(self) -> str:
        return f"{in_words(self.limit, self.budget.unit)} of {in_words(self.whole, self.budget.unit)}"


def refuse_unsought(teacher: str, weights: Path | None) -> None:
    """Raise ``ValueError`` for a teacher by its name in which no student can be sought, whatever the samples are."""
    if only_answers(teacher):
        raise ValueError(
            f"{teacher} only answers, so that nothing can be taken out of it; name the student, such as resnet8, "
            "mobilenet_v2(width=0.25) or a dotted path of yours."
        )
    restored(described(own_network(teacher, weights, num_classes=2)), already_imported)


def build_again(teacher: Finished) -> Build:
    """How the network of a stage is built, from what is written down of it."""
    return restored(getattr(teacher.last, ORIGIN).build, already_imported)


def standing_in(
    run: Run, called: str, teacher: nn.Module, build: Build, lesson: Lesson, budget: Budget
) -> tuple[Build, Sought]:
    """What stands in for a student until it is found, of the budget and with its teacher's weights; and what is sought.

    It is as narrow everywhere as the budget says. Also says what of the teacher, ``called`` so, cannot be narrowed.
    Raises ``ValueError`` as ``schemes.search.Ledger`` and ``compress.gates.gate_`` do, such as for a budget that cannot
    be reached, and where channels cannot be taken out.
    """
    channels = channels_of(teacher, lesson.example)
    for sentence in _untouched(called, channels):
        run.progress.note(sentence)
    with torch.random.fork_rng():
        model = run.laid_out(gated(build, sample=tuple(lesson.example.shape[1:])))
    fill_(model, teacher)
    ledger = Ledger(model, budget, lesson)
    begun = perf_counter()
    ledger.measure.cost(Closed())
    looking = perf_counter() - begun
    try:
        shut = uniform(ledger.channels, closed(model).inputs, ledger.measure.estimate, ledger.limit)
    except ValueError:  # a channel each is too much, and less than that is possible
        shut = ledger.least
    smaller = without(teacher, channels, shut).requires_grad_()
    return partial(deepcopy, smaller), Sought(budget, build, ledger.whole, ledger.limit, looking)


def pace_of(sought: Sought, lesson: Lesson, step: float, minutes: float) -> tuple[Pace, int]:
    """The pace of a search whose steps take so long, and its rounds, within ``SHARE`` of the minutes if it can be.

    >>> from tutelage.data.synthetic import digits
    >>> sought = Sought(Budget(0.5, "MACs", True), nn.Identity, 2.0, 1.0, looking=0.0)
    >>> pace_of(sought, Lesson(digits(640, seed=0), batch_size=32), 0.1, 10.0)
    (Pace(steps=20, step=0.1, validation=0.0, ask=0.0, views=0, last=0.0), 50)
    """
    seconds = SHARE * 60 * minutes
    steps = min(MOST_STEPS, max(FEWEST_STEPS, int(seconds / max(step, 1e-6))))
    each = max(1, min(lesson.steps, steps // FEWEST_ROUNDS))
    pace = Pace(each, step, sought.looking, last=LOOKS * sought.looking)
    rounds = epochs_within(seconds, [pace])
    return pace, max(-(-FEWEST_STEPS // each), min(rounds, MOST_ROUNDS, MOST_STEPS // each))


def plan_of(lesson: Lesson, task: Task, pace: Pace, rounds: int) -> Plan:
    """How a search learns: what ``lesson`` says of so many samples that a round has its steps."""
    count = min(len(lesson.train), pace.steps * lesson.batch_size)
    chosen = torch.randperm(len(lesson.train), generator=torch.Generator().manual_seed(lesson.seed))[:count]
    train = lesson.train if count == len(lesson.train) else lesson.train[chosen.to(lesson.train.index.device)]
    optimizer = partial(cautious, lr=rate_of(lesson.batch_size))
    return Plan(replace(lesson, train=train, validation=None), optimizer, rounds, constant, task)


def cautious(named: Named, *, lr: float) -> Optimizer:
    """Nesterov's momentum, of gradients that are no longer than ``LONGEST``."""
    return clipped(partial(nesterov, lr=lr, weight_decay=1e-4), LONGEST)(named)


def rate_of(batch_size: int) -> float:
    return RATE * batch_size / 128


def sought_out(run: Run, sought: Sought, teacher: Finished, plan: Plan, names: tuple[str, str]) -> Found:
    """The search itself, as a stage of ``run``, and what it found, as one derived from it."""
    steps = plan.epochs * plan.lesson.steps
    rate = rate_of(plan.lesson.batch_size)
    settings = SearchSettings(budget=sought.budget.in_full, strength=0.1 / (rate * CLOSES_IN * steps))
    return find(run, "search", teacher.last, sought.build, plan, settings, names)


def build_found(sought: Sought, found: Found) -> Build:
    """How the student is built anew, from its teacher's code and a few lines of JSON."""
    return partial(fresh, build=sought.build, architecture=found.architecture)


def _untouched(called: str, channels: Channels) -> Sequence[str]:
    """What of a network stays as wide as it is, in a sentence, with the reasons of the first few."""
    whole = {**channels.refused, **{name: why for name, why in channels.fixed.items() if why != ANSWERED}}
    if not whole:
        return ()
    few = "; ".join(f"{name}, for {why}" for name, why in list(whole.items())[:3]) + " …" * (len(whole) > 3)
    return (f"search: {counted(len(whole), 'layer')} of {called} cannot be narrowed, or not as far as others: {few}",)
