"""How long networks take to answer, measured side by side."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import quantiles
from time import perf_counter
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from tutelage.measures.predict import device_of
from tutelage.modes import evaluating
from tutelage.outputs import in_words


class Milliseconds(TypedDict):
    """Of one forward pass: the median, the quartiles, and the number of threads it could use."""

    median: float
    q1: float
    q3: float
    threads: int


def latency(
    models: Mapping[str, nn.Module],
    example: Tensor | Mapping[str, Tensor],
    *,
    batch_sizes: Sequence[int] = (1, 64),
    rounds: int = 50,
    warm_up: int = 5,
) -> dict[str, dict[str, Milliseconds]]:
    """For each model, batch size (as text) -> milliseconds of one forward pass in eval mode, without gradient.

    The models take turns, beginning with another one each round, so that whatever else the machine does hits all of
    them alike: compare the numbers of one call only. Batches repeat the samples of ``example``, by the models' names
    where they see different inputs. The number of threads is left as it is. On an accelerator the clock waits for the
    answer.
    Raises ``ValueError`` if there is no model or sample, an example is missing or no tensor, or a number is below 1
    (``rounds``: below 2).
    """
    by_name = isinstance(example, Mapping) and models.keys() <= example.keys()
    examples: Mapping[str, Any] = example if by_name else dict.fromkeys(models, example)  # type: ignore[assignment]
    if strange := next((x for x in examples.values() if not isinstance(x, Tensor)), None):
        raise ValueError(f"Latency is measured on an example that is a tensor of samples; got {in_words(strange)}.")
    samples = min((len(examples[name]) for name in models), default=0)
    if not models or not samples or min(batch_sizes, default=0) < 1 or rounds < 2 or warm_up < 0:
        raise ValueError(
            f"Latency takes one model or more, an example of one sample or more, batch sizes from 1 and 2 rounds or "
            f"more; got {len(models)} models, {samples} samples, batch sizes {list(batch_sizes)}, {rounds} rounds."
        )
    measured = {name: dict[str, Milliseconds]() for name in models}
    for size in batch_sizes:
        batches = {name: examples[name][torch.arange(size) % len(examples[name])] for name in models}
        for name, clock in _in_turn(models, batches, rounds, warm_up).items():
            q1, median, q3 = quantiles(clock, n=4, method="inclusive")
            measured[name][str(size)] = Milliseconds(median=median, q1=q1, q3=q3, threads=torch.get_num_threads())
    return measured


def _in_turn(
    models: Mapping[str, nn.Module], batches: Mapping[str, Tensor], rounds: int, warm_up: int
) -> dict[str, list[float]]:
    names = list(models)
    batches = {name: batches[name].to(device_of(model)) for name, model in models.items()}
    clocks: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as all_of_them:
        for model in models.values():
            all_of_them.enter_context(evaluating(model))
        for count in range(warm_up + rounds):
            first = count % len(names)
            for name in names[first:] + names[:first]:
                milliseconds = _clocked(models[name], batches[name])
                if count >= warm_up:
                    clocks[name].append(milliseconds)
    return clocks


def _clocked(model: nn.Module, batch: Tensor) -> float:
    wait(batch.device)
    start = perf_counter()
    model(batch)
    wait(batch.device)
    return (perf_counter() - start) * 1e3


def wait(device: torch.device) -> None:
    """Until an accelerator has done what it was asked; a CPU has."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
