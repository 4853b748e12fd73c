"""Offline distillation: finished teachers, one student, soft targets beside the labels."""

from collections.abc import Sequence
from functools import partial

from torch import nn

from tutelage.losses.kd import Average, averaged_targets, soft_targets
from tutelage.objective import Loss, Objective, Term
from tutelage.schemes.answers import remembered_in_memory
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage
from tutelage.teachers.ensemble import ensemble
from tutelage.teachers.frozen import Teacher


def distilled(
    stage: Stage, model: nn.Module, *, plan: Plan, teacher: nn.Module, temperature: float, label: float, soft: float
) -> None:
    """Fit ``label · L(labels) + soft · soft_targets(teacher, temperature)``; the teacher is asked once a view."""
    loss = partial(soft_targets, temperature=temperature)
    _fit(stage, model, plan, remembered_in_memory(stage, teacher, plan.lesson), _objective(plan, loss, label, soft))


def distilled_from_many(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    teachers: Sequence[nn.Module],
    average: Average,
    temperature: float,
    label: float,
    soft: float,
) -> None:
    """Fit ``label · L(labels) + soft · averaged_targets(teachers, temperature, average)``.

    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.
    """
    loss = partial(averaged_targets, temperature=temperature, average=average)
    teacher = ensemble([remembered_in_memory(stage, one, plan.lesson) for one in teachers])
    _fit(stage, model, plan, teacher, _objective(plan, loss, label, soft))


def _objective(plan: Plan, loss: Loss, label: float, soft: float) -> Objective:
    return Objective(label=plan.task.labels(label), soft=Term(loss, "student.output", "teacher.output", weight=soft))


def _fit(stage: Stage, model: nn.Module, plan: Plan, teacher: Teacher, objective: Objective) -> None:
    plan.train(stage, plan.learner(model, objective, {"teacher": teacher}))
