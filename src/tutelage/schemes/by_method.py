"""Any published method on any two networks, or on a student and several teachers: one fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import torch
from torch import nn

from tutelage.checkpoint import filled
from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.losses.simkd import Reused
from tutelage.methods.pair import Method, Pair
from tutelage.methods.several import TEACHER, Joint, called
from tutelage.methods.sums import stronger
from tutelage.methods.transfer import as_labels_allow
from tutelage.objective import Objective
from tutelage.schemes.answers import Conditions, Keep, kept_for, note_alone, remembered
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage
from tutelage.teachers.frozen import Teacher, folded, frozen, on
from tutelage.teachers.stores import over_folder

SMALL = 8192
"""Numbers a sample: what is no larger is remembered, as logits, embeddings, middle and last maps are.

Three views of 45,000 middle maps take 2.2 GB on disk, and spare each student a third of its steps' time. Of ``n``
teachers each has the ``n``-th part of that: the logits and embeddings of eight are remembered, and not their maps.
"""


@dataclass(frozen=True)
class Teaching:
    """Who teaches what: a method, all but its label weighed ``strength`` times as published, and two networks' layers.

    ``names`` is what the networks are called, the teacher first. With no more than ``cache_views`` views the teacher's
    small answers are kept, beside the stages and as numbers of the type ``kept``, for every run that needs them: half
    precision takes little room, float32 is what the teacher said. ``combine`` makes one gradient of the losses. The
    teacher sees that input of a batch which ``teacher_sees`` names.
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
    kept: torch.dtype = torch.float16

    def pairs(self, model: nn.Module, plan: Plan) -> dict[str, Pair]:
        """The one teacher and ``model``, by what the teacher is called in addresses."""
        return {TEACHER: pair_of(model, self, plan)}

    def objective(self, pairs: Mapping[str, Pair]) -> Objective:
        return stronger(self.method(pairs[TEACHER]), self.strength)


@dataclass(frozen=True)
class JointTeaching:
    """The same for several teachers at once, each of which is asked once a batch, or once a view.

    ``method`` gets a pair for each of them: ``arithmetic``, ``adaptive``, ``partial(from_each, method=crd)`` and others
    of ``methods.several``. ``names`` is what the networks are called, the teachers in order and the student last;
    ``teacher_layers`` are those of every teacher, and all of them see what ``teacher_sees`` names; what ``Teaching``
    has too is as it is there.
    Raises ``ValueError`` for no teacher, and unless there is one name for each network.
    """

    method: Joint
    teachers: tuple[nn.Module, ...]
    names: tuple[str, ...]
    strength: float = 1.0
    teacher_layers: tuple[str, ...] = ()
    student_layers: tuple[str, ...] = ()
    cache_views: int = 16
    combine: Callable[[], Combine] = WeightedSum
    teacher_sees: str = "input"
    kept: torch.dtype = torch.float16

    def __post_init__(self) -> None:
        called(len(self.teachers))  # refuses none
        if len(self.names) != len(self.teachers) + 1:
            raise ValueError(
                f"Names are one for each teacher, and the student's last: {len(self.teachers) + 1} of them; "
                f"got {list(self.names)}."
            )

    def pairs(self, model: nn.Module, plan: Plan) -> dict[str, Pair]:
        """Each teacher and ``model``, by what the teachers are called in addresses."""
        *names, student = self.names
        networks = zip(self.teachers, names, strict=True)
        layers = self.teacher_layers, self.student_layers
        pairs = [
            Pair(t, model, plan.lesson, plan.epochs, (name, student), *layers, plan.task, self.teacher_sees)
            for t, name in networks
        ]
        return dict(zip(called(len(pairs)), pairs, strict=True))

    def objective(self, pairs: Mapping[str, Pair]) -> Objective:
        return stronger(self.method(list(pairs.values())), self.strength)


AnyTeaching: TypeAlias = Teaching | JointTeaching


def by_method(stage: Stage, model: nn.Module, *, plan: Plan, teaching: AnyTeaching) -> None:
    """Fit the objective of ``teaching``; where the samples have no labels, all of it but the labels.

    So the student of another modality learns: its lesson shows it ``input``, and shows the teacher another input of the
    same sample. Raises ``ValueError`` for a method that compares with labels where there are none.
    """
    if isinstance(teaching, JointTeaching):
        note_alone(len(teaching.teachers), stage)
    conditions = Conditions(stage.shared, stage.precision, stage.exact)
    objective, teachers = prepared(model, teaching, plan, conditions, kept_for(stage))
    plan.train(stage, plan.learner(model, objective, teachers, teaching.combine()))


def prepared(
    model: nn.Module, teaching: AnyTeaching, plan: Plan, conditions: Conditions, keep: Keep = over_folder
) -> tuple[Objective, dict[str, Teacher]]:
    """What ``model`` has to get right, and its teachers, whose small answers are those in the folder that all share.

    Only a stage's own ``keep`` adds to that folder; whoever else asks, to measure, leaves it as it is.
    """
    pairs = teaching.pairs(model, plan)
    if isinstance(model, Reused):
        head = next(iter(pairs.values())).head()  # wherever the teacher has it
        filled(model.head, head.state_dict(), "The teacher's last layer", "build Reused with a head of its size")
    objective = as_labels_allow(teaching.objective(pairs), plan.lesson.train)
    teachers = {}
    for name, pair in pairs.items():
        sees = pair.teacher_sees
        call = on(sees)
        teacher = frozen(pair.teacher, call) if conditions.exact else folded(pair.teacher, call)
        if plan.lesson.num_views <= teaching.cache_views and _is_small(objective, name, pair, SMALL // len(pairs)):
            own = plan.lesson, conditions, keep
            teacher = remembered(teacher, pair.teacher, *own, sees=sees, kept=teaching.kept)
        teachers[name] = teacher
    return objective, teachers


def is_cached(model: nn.Module, teaching: AnyTeaching, plan: Plan) -> bool:
    """Whether the teachers are asked but once about each view, for this method."""
    if plan.lesson.num_views > teaching.cache_views:
        return False
    pairs = teaching.pairs(model, plan)
    with torch.random.fork_rng(devices=[]):  # a method may draw the weights of a projector
        objective = teaching.objective(pairs)
    return all(_is_small(objective, name, pair, SMALL // len(pairs)) for name, pair in pairs.items())


def pair_of(model: nn.Module, teaching: Teaching, plan: Plan) -> Pair:
    """The two networks as a method looks at them."""
    t = teaching
    layers = t.teacher_layers, t.student_layers
    return Pair(t.teacher, model, plan.lesson, plan.epochs, t.names, *layers, plan.task, t.teacher_sees)


def read_of(objective: Objective, who: str) -> frozenset[str]:
    """What the terms of ``objective`` look at of ``who``."""
    return frozenset(what for one, what in objective.reads(list(objective.terms)) if one == who)


def _is_small(objective: Objective, name: str, pair: Pair, most: int) -> bool:
    return all(prod(x.shape[1:]) <= most for x in pair.shows("teacher", read_of(objective, name)).values())
