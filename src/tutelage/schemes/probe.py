"""What a network has learnt, measured by what comes of it on labels: of its frozen features, or of all of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn

from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.models.outline import outline
from tutelage.objective import Objective
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage


def probed(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    start: nn.Module | None,
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    """Fit the labels by the last linear layer alone, a new one, on what the network of ``start`` feeds it.

    The linear probe: all below the head has the weights of ``start``, or those ``model`` was built with for ``None``,
    and stays as it is, in eval mode. Raises ``ValueError`` for a network that does not end in a linear layer.

    Alain & Bengio, "Understanding intermediate layers using linear classifier probes", 2016, arXiv:1610.01644.
    """
    head = outline(model, next(iter(plan.lesson.batches()(0, 0)))["input"][:2]).head
    if start is not None:
        own = model.get_submodule(head).state_dict(prefix=f"{head}.")
        model.load_state_dict({**start.state_dict(), **own})
    model.get_submodule(head).requires_grad_()  # a borrowed one, as SimKD's, does not train by itself
    learner = plan.learner(model, Objective(label=plan.task.labels()), combine=combine())
    plan.train(stage, replace(learner, trains=partial(within, f"student.{head}")))


def tuned(
    stage: Stage,
    model: nn.Module,
    *,
    plan: Plan,
    start: nn.Module,
    combine: Callable[[], Combine] = WeightedSum,
) -> None:
    """Fit the labels by all of the network, from the weights of ``start``, its head included: full fine-tuning."""
    model.load_state_dict(start.state_dict())
    plan.train(stage, plan.learner(model, Objective(label=plan.task.labels()), combine=combine()))


def within(module: str, name: str) -> bool:
    """Whether the parameter ``name`` belongs to ``module``: what a learner ``trains`` of all that it has.

    >>> within("student.head", "student.head.weight"), within("student.head", "student.header.weight")
    (True, False)
    """
    return name.startswith(f"{module}.")
