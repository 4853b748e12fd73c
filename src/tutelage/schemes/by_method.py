"""Any published method on any two networks: one fit."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch
from torch import nn

from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.lesson import Lesson
from tutelage.keys import STAGE_KEY, described, key_of
from tutelage.losses.simkd import Reused
from tutelage.methods.pair import Method, Pair
from tutelage.methods.sums import stronger
from tutelage.objective import Objective
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage
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

    ``names`` is what the networks are called, the teacher first. With no more than ``cache_views`` views the teacher's
    small answers are kept, beside the stages and in half precision, for every run that needs them. ``combine`` makes
    one gradient of the losses.
    """

    method: Method
    teacher: nn.Module
    names: tuple[str, str]
    strength: float = 1.0
    teacher_layers: tuple[str, ...] = ()
    student_layers: tuple[str, ...] = ()
    cache_views: int = 16
    combine: Callable[[], Combine] = WeightedSum


@dataclass(frozen=True)
class Conditions:
    """What a run decides for all that is trained in it: the folder that stages share, precision, and exactness."""

    shared: Path
    precision: torch.dtype
    exact: bool


def by_method(stage: Stage, model: nn.Module, *, plan: Plan, teaching: Teaching) -> None:
    """Fit the objective of ``teaching``."""
    objective, teacher = prepared(model, teaching, plan, Conditions(stage.shared, stage.precision, stage.exact))
    plan.train(stage, plan.learner(model, objective, {"teacher": teacher}, teaching.combine()))


def prepared(model: nn.Module, teaching: Teaching, plan: Plan, conditions: Conditions) -> tuple[Objective, Teacher]:
    """What ``model`` has to get right, and its teacher, whose small answers are kept in the folder that all share."""
    if isinstance(model, Reused):
        model.head.load_state_dict(teaching.teacher.get_submodule("head").state_dict())
    pair = pair_of(model, teaching, plan)
    objective = stronger(teaching.method(pair), teaching.strength)
    teacher = frozen(teaching.teacher) if conditions.exact else folded(teaching.teacher)
    if plan.lesson.num_views <= teaching.cache_views and _is_small(objective, pair):
        teacher = _remembered(teacher, teaching.teacher, plan.lesson, conditions)
    return objective, teacher


def is_cached(model: nn.Module, teaching: Teaching, plan: Plan) -> bool:
    """Whether the teacher is asked but once about each view, for this method."""
    pair = pair_of(model, teaching, plan)
    return plan.lesson.num_views <= teaching.cache_views and _is_small(teaching.method(pair), pair)


def pair_of(model: nn.Module, teaching: Teaching, plan: Plan) -> Pair:
    """The two networks as a method looks at them."""
    t = teaching
    return Pair(t.teacher, model, plan.lesson, plan.epochs, t.names, t.teacher_layers, t.student_layers, plan.task)


def _remembered(teacher: Teacher, network: nn.Module, lesson: Lesson, conditions: Conditions) -> Teacher:
    key = {
        "teacher": str(getattr(network, STAGE_KEY)),
        "data": lesson.train.checksum,
        "views": f"{lesson.num_views} of {key_of(described(lesson.transform))}",
        "precision": f"{conditions.precision}{', exact' * conditions.exact}",
    }
    name = f"{key['teacher'].replace('/', '-')}-{key_of(key)}"
    return cached(
        teacher,
        samples=int(lesson.train.index.max()) + 1,
        views=lesson.num_views,
        form=dense(torch.float16),
        place=in_folder(conditions.shared / "answers" / name, key),
        choose=only_unseen,
    )


def _is_small(objective: Objective, pair: Pair) -> bool:
    layers = {what for who, what in objective.reads(list(objective.terms)) if who == "teacher"}
    activations = frozen(pair.teacher)({"batch": {"input": pair.example}}, frozenset(layers))
    return all(prod(x.shape[1:]) <= SMALL for x in activations.values())
