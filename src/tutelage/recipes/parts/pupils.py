"""Students and how they are taught: any method, any two networks, one fit."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from inspect import isclass, isfunction
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.lesson import Lesson
from tutelage.keys import STAGE_KEY
from tutelage.learn import Epoch, train
from tutelage.learner import Learner
from tutelage.losses.simkd import Reused, bottleneck
from tutelage.methods.pair import Method, Pair
from tutelage.methods.sums import stronger
from tutelage.objective import Clock, Objective, labels
from tutelage.optimizers.factory import Factory, Named
from tutelage.optimizers.scheduled import scheduled
from tutelage.optimizers.schedules import Schedule
from tutelage.schemes.classify import learning
from tutelage.schemes.distill import distill
from tutelage.stages import Stage
from tutelage.teachers.cached import cached, only_unseen
from tutelage.teachers.forms import dense
from tutelage.teachers.frozen import Teacher, folded, frozen
from tutelage.teachers.stores import in_folder

SMALL = 8192
"""Numbers a sample: what is no larger is remembered, as logits, embeddings, middle and last maps are.

Three views of 45,000 middle maps take 2.2 GB on disk, and spare each student a third of its steps' time.
"""


@dataclass(frozen=True)
class Teaching:
    """Who teaches what: a method, all but its label weighed ``strength`` times as published, and two networks' layers.

    ``named`` is what the networks are called, the teacher first. With no more than ``remember`` views the teacher's
    small answers are kept, beside the stages and in half precision, for every run that needs them. ``combine`` makes
    one gradient of the losses.
    """

    method: Method
    teacher: nn.Module
    named: tuple[str, str]
    strength: float = 1.0
    teacher_maps: tuple[str, ...] = ()
    student_maps: tuple[str, ...] = ()
    remember: int = 16
    combine: Callable[[], Combine] = WeightedSum


def taught(
    stage: Stage,
    model: nn.Module,
    *,
    teaching: Teaching,
    lesson: Lesson,
    optimizer: Factory,
    epochs: int,
    schedule: Schedule,
) -> None:
    """Fit the objective of ``teaching``."""
    objective, answering = _prepared(model, teaching, lesson, epochs, stage.shared, stage.exact)
    distill(
        model,
        answering,
        batches=lesson.batches(),
        objective=lambda: objective,
        optimizer=scheduled(optimizer, schedule(epochs * lesson.steps)),
        epochs=epochs,
        combine=teaching.combine,
        learn=learning(stage, model, lesson),
    )


def remembers(model: nn.Module, teaching: Teaching, lesson: Lesson) -> bool:
    """Whether the teacher is asked but once about each view, for this method."""
    pair = _pair(model, teaching, lesson, 1)
    return _is_small(teaching.method(pair), pair) and lesson.num_views <= teaching.remember


@dataclass(frozen=True, eq=False)
class Stepping:
    """A training taken step by step."""

    objective: Objective
    training: Iterator[Epoch]

    def __call__(self) -> None:
        next(self.training)


def stepping(
    model: nn.Module, teaching: Teaching | None, lesson: Lesson, optimizer: Factory, shared: Path, exact: bool
) -> Stepping:
    """The training that ``taught`` does, or one on labels alone without a ``teaching``, a step at each call.

    At a learning rate of 0: it costs the same, and without the schedule of the real training none can diverge.
    """
    optimizer = partial(_at_rest, optimizer=optimizer)
    if teaching is None:
        learner = Learner(model, Objective(label=labels()), optimizer)
    else:
        objective, answering = _prepared(model, teaching, lesson, 1, shared, exact)
        learner = Learner(model, objective, optimizer, teaching.combine(), {"teacher": answering})
    return Stepping(learner.objective, iter(train({"student": learner}, lesson.batches(), 10**6, pause=_always)))


def _at_rest(named: Named, optimizer: Factory) -> Optimizer:
    made = optimizer(named)
    for group in made.param_groups:
        group["lr"] = 0.0
    return made


def losses_in(thing: Any, seen: set[int] | None = None) -> set[str]:
    """The dotted names of the losses of this package in an objective, however deep they are wrapped."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, Tensor):
        return set()
    seen.add(id(thing))
    made = thing if isfunction(thing) or isclass(thing) else type(thing)
    if made.__module__.startswith("tutelage.losses."):
        return {f"{made.__module__}:{made.__qualname__}"}
    inside: list[Any] = []
    if isinstance(thing, partial):
        inside = [thing.func]
    elif isinstance(thing, nn.Module):
        inside = [*thing.children(), *vars(thing).values()]
    elif isinstance(thing, list | tuple):
        inside = list(thing)
    return set().union(*(losses_in(part, seen) for part in inside))


def borrowing(student: Callable[[], nn.Module], teacher: Callable[[], nn.Module], size: int) -> nn.Module:
    """A student for SimKD: the body of one network, a projector, the head of the other; for images of ``size``.

    Both end in layers called ``pool, flatten, head``, as all networks of this package do.
    Raises ``ValueError`` for others.
    """
    body, whole = _body(student()), teacher()
    example = torch.zeros(1, 3, size, size)
    with torch.no_grad():
        shapes = body.eval()(example).shape, _body(whole).eval()(example).shape
    return Reused(body.train(), bottleneck(*shapes), whole.get_submodule("head"))


def _prepared(
    model: nn.Module, teaching: Teaching, lesson: Lesson, epochs: int, shared: Path, exact: bool
) -> tuple[Objective, Teacher]:
    if isinstance(model, Reused):
        model.head.load_state_dict(teaching.teacher.get_submodule("head").state_dict())
    pair = _pair(model, teaching, lesson, epochs)
    objective = stronger(teaching.method(pair), teaching.strength)
    answering = frozen(teaching.teacher) if exact else folded(teaching.teacher)
    if lesson.num_views <= teaching.remember and _is_small(objective, pair):
        answering = _remembered(answering, teaching.teacher, lesson, shared)
    return objective, answering


def _pair(model: nn.Module, teaching: Teaching, lesson: Lesson, epochs: int) -> Pair:
    t = teaching
    return Pair(t.teacher, model, lesson, epochs, t.named, t.teacher_maps, t.student_maps)


def _remembered(answering: Teacher, teacher: nn.Module, lesson: Lesson, shared: Path) -> Teacher:
    key = {"teacher": str(getattr(teacher, STAGE_KEY)), "data": lesson.train.checksum, "views": str(lesson.num_views)}
    name = "-".join([key["teacher"].replace("/", "-"), key["data"][:8], key["views"]])
    return cached(
        answering,
        samples=int(lesson.train.index.max()) + 1,
        views=lesson.num_views,
        form=dense(torch.float16),
        place=in_folder(shared / "answers" / name, key),
        choose=only_unseen,
    )


def _is_small(objective: Objective, pair: Pair) -> bool:
    wanted = {what for who, what in objective.reads(list(objective.terms)) if who == "teacher"}
    shown = frozen(pair.teacher)({"batch": {"input": pair.example}}, frozenset(wanted))
    return all(prod(x.shape[1:]) <= SMALL for x in shown.values())


def _body(model: nn.Module) -> nn.Sequential:
    names = [name for name, _ in model.named_children()]
    if not isinstance(model, nn.Sequential) or names[-3:] != ["pool", "flatten", "head"]:
        raise ValueError(
            f"SimKD cuts networks that end in pool, flatten, head; {type(model).__name__} ends in {names[-3:]}."
        )
    return nn.Sequential(OrderedDict(list(model.named_children())[:-3]))


def _always(_clock: Clock) -> bool:
    return True
