"""Labels alone: how a teacher is trained before it teaches, and the baseline that nobody teaches."""

from torch import nn

from tutelage.objective import Objective
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage


def supervised(stage: Stage, model: nn.Module, *, plan: Plan) -> None:
    """Fit the labels, as ``plan`` says."""
    plan.train(stage, plan.learner(model, Objective(label=plan.task.labels())))
