"""What a network answers about a set, asked in parts that fit the memory, and how good each answer is."""

import torch
from torch import Tensor, nn

from tutelage.data.labelled import Labelled
from tutelage.data.transforms import Show
from tutelage.data.views import parts
from tutelage.tasks.judged import Judged
from tutelage.tasks.task import Task

MOST = 2**23
"""Numbers of inputs in a part: 2,730 pictures of 32 pixels a side, 55 of 224."""


def answers_of(task: Task, model: nn.Module, data: Labelled, transform: Show, size: int = 0) -> Tensor:
    """``task.predict`` for all of ``data``, of as many samples at a time as keep ``MOST`` numbers.

    ``size`` is that to which ``model`` resizes its pictures itself, 0 where it does not.
    """
    slices = parts(len(data), at_once(data, size))
    places = torch.arange(len(data), device=data.inputs.device)
    return torch.cat([task.predict(model, data[places[part]], transform=transform) for part in slices])


def judged(task: Task, model: nn.Module, data: Labelled, transform: Show, size: int = 0) -> Judged:
    """``task.judge`` for all of ``data``, of as many samples at a time."""
    return task.judge(model, data, transform, at_once(data, size))


def at_once(data: Labelled, size: int) -> int:
    """How many samples keep ``MOST`` numbers."""
    each = max(1, data.inputs[0].numel())
    if size and data.inputs.ndim == 4:
        each = max(each, data.inputs.shape[1] * size * size)
    return max(2, MOST // each)


def are_classes(answers: Tensor, data: Labelled) -> bool:
    """Whether each answer names one of several classes, as each target does."""
    return answers.ndim == 2 and answers.shape[1] > 1 and data.targets.dtype == torch.int64 and data.targets.ndim == 1


def are_masks(data: Labelled) -> bool:
    """Whether each target is a picture: of training samples it may be larger than an answer."""
    return data.targets.ndim > 2


def quality(task: Task, answers: Tensor, data: Labelled) -> Tensor:
    """How good each answer is (N,), more is better: 1 or 0 where it names a class, else the task's loss, negative."""
    if are_classes(answers, data):
        return (answers.argmax(1) == data.targets.to(answers.device)).double()
    rows = range(len(answers))
    return torch.stack([-task.loss(answers[n : n + 1], data.targets[n : n + 1]) for n in rows]).double()
