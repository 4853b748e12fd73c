"""Samples of which nobody knows the label beside those that have one: in one set, and a loss that knows the two."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from tutelage.data.labelled import Labelled
from tutelage.data.together import NO_TARGET
from tutelage.tasks.task import Task


def joined(train: Labelled, unlabelled: Labelled | None) -> Labelled:
    """Both in one set; the target of a sample without one is ``NO_TARGET``, or not a number where they are fractions.

    Indices of ``unlabelled`` that ``train`` has too are moved beyond them. Raises ``ValueError`` for inputs of two
    kinds.
    """
    if unlabelled is None or not len(unlabelled):
        return train
    kinds = [f"{x.inputs.dtype} {list(x.inputs.shape[1:])}" for x in (train, unlabelled)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"Samples without labels look like the others; these are {kinds[1]}, and those {kinds[0]}.")
    missing = float("nan") if train.targets.is_floating_point() else NO_TARGET
    targets = train.targets.new_full((len(unlabelled), *train.targets.shape[1:]), missing)
    beyond = int(train.index.max()) + 1 if set(train.index.tolist()) & set(unlabelled.index.tolist()) else 0
    return Labelled(
        f"{train.name} and {len(unlabelled)} without labels",
        torch.cat([train.inputs, unlabelled.inputs]),
        torch.cat([train.targets, targets]),
        torch.cat([train.index, unlabelled.index + beyond]),
        (),
    )


def where_labelled(task: Task) -> Task:
    """``task``, with a loss of those samples alone that have a target; 0 for a batch of which none has."""
    return replace(task, loss=partial(_of_labelled, loss=task.loss))


def _of_labelled(answers: Tensor, targets: Tensor, *, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    there = ~targets.isnan() if targets.is_floating_point() else targets != NO_TARGET
    known = there.reshape(len(targets), -1).any(1)
    if not bool(known.any()):
        return answers.sum() * 0
    return loss(answers[known], targets[known])
