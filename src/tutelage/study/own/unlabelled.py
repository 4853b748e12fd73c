"""Samples of which nobody knows the label beside those that have one: in one set, and a loss that knows the two."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from tutelage.data.labelled import UNLABELLED, Labelled
from tutelage.data.together import NO_TARGET
from tutelage.objective import misfit
from tutelage.tasks.task import Task


def joined(train: Labelled, unlabelled: Labelled | None) -> Labelled:
    """Both in one set; the target of a sample without one is ``NO_TARGET``, or not a number where they are fractions,
    or a mask in which no pixel is labelled.

    Indices of ``unlabelled`` that ``train`` has too are moved beyond them. Raises ``ValueError`` for inputs of two
    kinds.
    """
    if unlabelled is None or not len(unlabelled):
        return train
    kinds = [f"{x.inputs.dtype} {list(x.inputs.shape[1:])}" for x in (train, unlabelled)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"Samples without labels look like the others; these are {kinds[1]}, and those {kinds[0]}.")
    targets = train.targets.new_full((len(unlabelled), *train.targets.shape[1:]), _missing(train.targets))
    beyond = int(train.index.max()) + 1 if set(train.index.tolist()) & set(unlabelled.index.tolist()) else 0
    return Labelled(
        f"{train.name} and {len(unlabelled)} without labels",
        torch.cat([train.inputs, unlabelled.inputs]),
        torch.cat([train.targets, targets]),
        torch.cat([train.index, unlabelled.index + beyond]),
        (),
    )


def where_labelled(task: Task) -> Task:
    """``task``, with a loss of those samples alone that have a target; 0 for a batch of which none has.

    Soft targets that can do without labels do: a teacher has an answer to each pixel of a picture that has no mask.
    """
    alone = misfit(task.soft(1.0), ("student.output", "teacher.output")) is None
    reads = () if alone else task.soft_reads
    return replace(task, loss=partial(_of_labelled, loss=task.loss), soft_reads=reads)


def _missing(targets: Tensor) -> float:
    if targets.is_floating_point():
        return float("nan")
    return UNLABELLED if targets.dtype == torch.uint8 else NO_TARGET


def _of_labelled(answers: Tensor, targets: Tensor, *, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    there = ~targets.isnan() if targets.is_floating_point() else targets != _missing(targets)
    known = there.reshape(len(targets), -1).any(1)
    if not bool(known.any()):
        return answers.sum() * 0
    return loss(answers[known], targets[known])
