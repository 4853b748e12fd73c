"""Any published method on any two networks: one fit."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import torch
from torch import nn

from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.losses.simkd import Reused
from tutelage.methods.pair import Method, Pair
from tutelage.methods.sums import stronger
from tutelage.methods.transfer import as_labels_allow
from tutelage.objective import Objective
from tutelage.schemes.answers import Conditions, Keep, kept_for, remembered
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage
from tutelage.teachers.frozen import Teacher, folded, frozen, on
from tutelage.teachers.stores import over_folder

SMALL = 8192
"""Numbers a sample: what is no larger is remembered, as logits, embeddings, middle and last maps are.

Three views of 45,000 middle maps take 2.2 GB on disk, and spare each student a third of its steps' time.
"""


@dataclass(frozen=True)
class Teaching:
    """Who teaches what: a method, all but its label weighed ``strength`` times as published, and two networks' layers.

    ``names`` is what the networks are called, the teacher first. With no more than ``cache_views`` views the teacher's
    small answers are kept, beside the stages and in half precision, for every run that needs them. ``combine`` makes
    one gradient of the losses. The teacher sees that input of a batch which ``teacher_sees`` names.
    """

    method: Method
    teacher: nn.Module
    names: tuple[str, str]
    strength: float = 1.0
    teacher_layers: tuple[str, ...] = ()
    student_layers: tuple[str, ...] = ()
    cache_views: int = 16
    combine: Callable[[], Combine] = WeightedSum
    teacher_sees: str = "input"


def by_method(stage: Stage, model: nn.Module, *, plan: Plan, teaching: Teaching) -> None:
    """Fit the objective of ``teaching``; where the samples have no labels, all of it but the labels.

    So the student of another modality learns: its lesson shows it ``input``, and shows the teacher another input of the
    same sample. Raises ``ValueError`` for a method that compares with labels where there are none.
    """
    conditions = Conditions(stage.shared, stage.precision, stage.exact)
    objective, teacher = prepared(model, teaching, plan, conditions, kept_for(stage))
    plan.train(stage, plan.learner(model, objective, {"teacher": teacher}, teaching.combine()))


def prepared(
    model: nn.Module, teaching: Teaching, plan: Plan, conditions: Conditions, keep: Keep = over_folder
) -> tuple[Objective, Teacher]:
    """What ``model`` has to get right, and its teacher, whose small answers are those in the folder that all share.

    Only a stage's own ``keep`` adds to that folder; whoever else asks, to measure, leaves it as it is.
    """
    if isinstance(model, Reused):
        model.head.load_state_dict(teaching.teacher.get_submodule("head").state_dict())
    pair = pair_of(model, teaching, plan)
    objective = as_labels_allow(stronger(teaching.method(pair), teaching.strength), plan.lesson.train)
    call = on(teaching.teacher_sees)
    teacher = frozen(teaching.teacher, call) if conditions.exact else folded(teaching.teacher, call)
    if plan.lesson.num_views <= teaching.cache_views and _is_small(objective, pair):
        teacher = remembered(teacher, teaching.teacher, plan.lesson, conditions, keep, teaching.teacher_sees)
    return objective, teacher


def is_cached(model: nn.Module, teaching: Teaching, plan: Plan) -> bool:
    """Whether the teacher is asked but once about each view, for this method."""
    pair = pair_of(model, teaching, plan)
    with torch.random.fork_rng(devices=[]):  # a method may draw the weights of a projector
        return plan.lesson.num_views <= teaching.cache_views and _is_small(teaching.method(pair), pair)


def pair_of(model: nn.Module, teaching: Teaching, plan: Plan) -> Pair:
    """The two networks as a method looks at them."""
    t = teaching
    layers = t.teacher_layers, t.student_layers
    return Pair(t.teacher, model, plan.lesson, plan.epochs, t.names, *layers, plan.task, t.teacher_sees)


def _is_small(objective: Objective, pair: Pair) -> bool:
    layers = {what for who, what in objective.reads(list(objective.terms)) if who == "teacher"}
    return all(prod(x.shape[1:]) <= SMALL for x in pair.shows("teacher", layers).values())
