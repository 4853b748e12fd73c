"""Offline distillation: finished teachers, one student, soft targets beside the labels."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import nn

from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.losses.kd import Average, averaged_targets
from tutelage.objective import Objective, Term, Weight
from tutelage.schemes.answers import note_alone, remembered_in_memory
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage
from tutelage.teachers.ensemble import ensemble
from tutelage.teachers.frozen import Teacher


def distilled(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    teacher: nn.Module,
    temperature: float,
    label: Weight,
    soft: Weight,
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    """Fit ``label · L(labels) + soft · L_soft(teacher, temperature)``; the teacher is asked once a view.

    ``L_soft`` is the task's: ``soft_targets`` of classes.

    Weights may follow the clock: with ``methods.weights.until`` the soft targets end at an epoch, and the teacher is
    no longer asked.
    """
    answers = remembered_in_memory(stage, teacher, plan.lesson, plan.epochs)
    taught = plan.task.taught(plan.lesson.train, temperature, soft)
    _fit(stage, model, plan, answers, Objective(label=plan.task.labels(label), soft=taught), combine)


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
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    """Fit ``label · L(labels) + soft · averaged_targets(teachers, temperature, average)``.

    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.
    """
    note_alone(len(teachers), stage)
    loss = partial(averaged_targets, temperature=temperature, average=average)
    teacher = ensemble([remembered_in_memory(stage, one, plan.lesson, plan.epochs) for one in teachers])
    taught = Term(loss, "student.output", "teacher.output", weight=soft)
    _fit(stage, model, plan, teacher, Objective(label=plan.task.labels(label), soft=taught), combine)


def _fit(
    stage: Stage,
    model: nn.Module,
    plan: Plan,
    teacher: Teacher,
    objective: Objective,
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    plan.train(stage, plan.learner(model, objective, {"teacher": teacher}, combine()))
