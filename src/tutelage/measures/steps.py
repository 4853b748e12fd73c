"""What a step of training costs, measured side by side."""

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter
from typing import TypedDict

import torch

from tutelage.measures.latency import wait
from tutelage.measures.memory import peak_bytes


class Cost(TypedDict):
    """Of one step: its milliseconds, their ratio to those of the first kind of step, and bytes at the worst moment."""

    milliseconds: float
    ratio: float
    peak_bytes: int


def step_costs(
    steps: Mapping[str, Callable[[], object]], *, device: torch.device | str = "cpu", rounds: int = 7, warm_up: int = 2
) -> dict[str, Cost]:
    """For each kind of step what it costs; each call of one takes a step.

    They take turns, beginning with another one each round. Milliseconds are medians over ``rounds``; a ratio is the
    median of each round's own ratio, so that it hardly feels what else the machine does. Peaks are of the tensors a
    step makes, as ``peak_bytes`` counts them, in one more step.
    Raises ``ValueError`` if there is no step, or a number is below 1 (``warm_up``: below 0).

    >>> costs = step_costs({"plain": lambda: torch.ones(8), "same": lambda: torch.ones(8)}, rounds=1)
    >>> costs["plain"]["ratio"], costs["same"]["peak_bytes"]
    (1.0, 32)
    """
    if not steps or rounds < 1 or warm_up < 0:
        raise ValueError(f"Costs are of one kind of step or more, in 1 round or more; got {len(steps)} and {rounds}.")
    device, names = torch.device(device), list(steps)
    clocks: dict[str, list[float]] = {name: [] for name in names}
    for count in range(warm_up + rounds):
        first = count % len(names)
        for name in names[first:] + names[:first]:
            seconds = _clocked(steps[name], device)
            if count >= warm_up:
                clocks[name].append(seconds)
    base = clocks[names[0]]
    return {
        name: Cost(
            milliseconds=1e3 * median(clock),
            ratio=median(mine / other for mine, other in zip(clock, base, strict=True)),
            peak_bytes=peak_bytes(steps[name], device),
        )
        for name, clock in clocks.items()
    }


def _clocked(step: Callable[[], object], device: torch.device) -> float:
    wait(device)
    start = perf_counter()
    step()
    wait(device)
    return perf_counter() - start
