"""What a network answers, without training it."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.data.batches import Batch, input_of, moved, num_samples
from tutelage.data.labelled import Labelled
from tutelage.data.transforms import Show
from tutelage.data.views import in_order, plain
from tutelage.modes import evaluating
from tutelage.outputs import answer_of
from tutelage.shapes import Logits, at_least_float32


def predict(model: nn.Module, data: Labelled, *, transform: Show = plain, batch_size: int = 1000) -> Logits:
    """The logits for every sample of ``data`` in its order: (N, C), float32 or wider, where the data lies.

    In eval mode and without gradient; afterwards each part of the model is in the mode it was in before. The model may
    lie on another device than the data. Raises ``ValueError`` for an empty set, and for a model whose output is no
    tensor with a row for each sample, nor has a ``sole_tensor`` that is.

    >>> from tutelage.data.synthetic import digits
    >>> from tutelage.models.mlp import mlp
    >>> predict(mlp(), digits(20, seed=0)).shape
    torch.Size([20, 10])
    """
    return predict_batches(model, in_order(data, batch_size=batch_size, transform=transform)(0, 0)).to(
        data.inputs.device
    )


def predict_batches(model: nn.Module, batches: Iterable[Batch]) -> Logits:
    """As ``predict``, for the ``input`` of any batches; the logits are where the model is."""
    device = device_of(model)
    with evaluating(model):
        logits = [rows_of(model, model(moved(device, input_of(batch))), num_samples(batch)) for batch in batches]
    if not logits:
        raise ValueError("There is nothing to predict: the batches are empty.")
    return torch.cat(logits)


def device_of(model: nn.Module) -> torch.device:
    """Where the model is: the device of its first parameter or buffer, the CPU if it has none."""
    first: Tensor | None = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device


def rows_of(model: nn.Module, output: Any, samples: int) -> Tensor:
    """The answers in what ``model`` returned, float32 or wider; ``ValueError`` unless each sample has a row."""
    output = answer_of(model, output)
    if output.ndim < 1 or len(output) != samples:
        raise ValueError(
            f"{type(model).__name__} returned {tuple(output.shape)} for {samples} "
            f"sample{'s' * (samples != 1)}, where a row for each is wanted; a .squeeze() in its forward that names no "
            f"dimension drops the batch's own when it is 1: write .flatten(1) or .squeeze(-1)."
        )
    return at_least_float32(output)
