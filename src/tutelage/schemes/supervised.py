"""Labels alone: how a teacher is trained before it teaches, and the baseline that nobody teaches."""

from collections.abc import Callable

from torch import nn

from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.objective import Objective
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage


def supervised(stage: Stage, model: nn.Module, *, plan: Plan, combine: Callable[[], Combine] = WeightedSum) -> None:
    """Fit the labels, as ``plan`` says."""
    plan.train(stage, plan.learner(model, Objective(label=plan.task.labels()), combine=combine()))
