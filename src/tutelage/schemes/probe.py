"""What a network has learnt, measured by what comes of it on labels: of its frozen features, or of all of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tutelage.checkpoint import filled
from tutelage.combine.base import Combine
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.batches import num_samples, on_device
from tutelage.measures.predict import device_of
from tutelage.models.outline import outline
from tutelage.modes import evaluating
from tutelage.objective import Objective
from tutelage.schemes.plan import Plan
from tutelage.stages.stage import Stage

CURE = "start from a network of the kind that is fitted"


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
    and stays as it is, in eval mode. Statistics of batch norms, which nobody has measured in a network as it was built,
    are then measured once, as ``measure_statistics`` does: those of a ``start`` were measured as it was taught.
    Raises ``ValueError`` for a network that does not end in a linear layer, and for a ``start`` of another kind.

    Alain & Bengio, "Understanding intermediate layers using linear classifier probes", 2016, arXiv:1610.01644.
    """
    head = outline(model, next(iter(plan.lesson.batches()(0, 0)))["input"][:2]).head
    if start is not None:
        own = model.get_submodule(head).state_dict(prefix=f"{head}.")
        filled(model, {**start.state_dict(), **own}, "The network to start from", CURE)
    else:
        measure_statistics(model, plan)
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
    """Fit the labels by all of the network, from the weights of ``start``, its head included: full fine-tuning.

    Raises ``ValueError`` for a ``start`` of another architecture.
    """
    filled(model, start.state_dict(), "The network to start from", CURE)
    plan.train(stage, plan.learner(model, Objective(label=plan.task.labels()), combine=combine()))


def measure_statistics(model: nn.Module, plan: Plan) -> None:
    """Give batch norms the mean and variance of what they are fed, over the batches of the lesson's first epoch.

    Each batch counts the same; one of a single sample, which has no variance, does not count. While they are measured
    batch norms normalise by the batch, as in training; all else is in eval mode. No weight moves, no random number is
    drawn, and modes and momenta are afterwards what they were.
    """
    norms = [x for x in model.modules() if isinstance(x, _BatchNorm) and x.track_running_stats]
    before = [(norm.training, norm.momentum) for norm in norms]
    if not norms:
        return
    with evaluating(model):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean of all batches, not one that forgets
            norm.training = True
        for batch in plan.lesson.batches()(0, 0):
            if num_samples(batch) > 1:
                plan.task.call(model, {"batch": on_device(device_of(model), batch)})
    for norm, (mode, momentum) in zip(norms, before, strict=True):
        norm.training, norm.momentum = mode, momentum


def within(module: str, name: str) -> bool:
    """Whether the parameter ``name`` belongs to ``module``: what a learner ``trains`` of all that it has.

    >>> within("student.head", "student.head.weight"), within("student.head", "student.header.weight")
    (True, False)
    """
    return name.startswith(f"{module}.")
