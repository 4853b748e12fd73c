"""Texts: networks are asked about those of nearly one length together, for the longest makes all of them long."""

from dataclasses import replace
from functools import partial

from torch import Tensor, nn

from tutelage.data.labelled import Labelled
from tutelage.data.transforms import Show
from tutelage.data.views import plain
from tutelage.measures.predict import predict
from tutelage.tasks.task import Task

TOGETHER = 64
"""Texts that are asked about at a time."""


def of_texts(task: Task, padding: int) -> Task:
    """``task`` for tokens (N, T) with ``padding`` behind them."""
    return replace(task, predict=partial(predict_by_length, padding=padding))


def predict_by_length(model: nn.Module, data: Labelled, *, padding: int, transform: Show = plain) -> Tensor:
    """As ``predict``, of texts of nearly one length at a time; of what is no tokens, (N,), in its order."""
    if data.inputs.ndim != 2:
        return predict(model, data, transform=transform)
    order = (data.inputs != padding).sum(1).argsort(stable=True)
    answers = predict(model, data[order], transform=transform, batch_size=TOGETHER)
    return answers[order.argsort()]
