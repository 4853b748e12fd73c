"""What a network with closed gates costs, counted or by the clock, and what each gate would save."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tutelage.compress.structure.costs import Price, channels_made, cost, macs, macs_and_elements, parameters
from tutelage.compress.structure.graph import Channels, Closed, Part
from tutelage.compress.structure.removal import narrowed
from tutelage.measures.latency import latency, wait
from tutelage.measures.predict import device_of
from tutelage.modes import evaluating

ROUNDS = 30
"""Passes in which the time of each layer is measured."""
FEWEST, MOST, LONG = 9, 1000, 300.0
"""Passes of which the median is a latency: as many as take ``LONG`` milliseconds, but for the fewest and the most."""


@dataclass(frozen=True)
class Measure:
    """``price`` of each part, by which gates are told apart, and ``cost`` of all with some of it closed, in units.

    ``estimate`` is the cost as parts alone tell, thousands a minute: of what is counted the same.
    """

    price: Price
    cost: Callable[[Closed], float]
    estimate: Callable[[Closed], float]


MeasureOf: TypeAlias = Callable[[nn.Module, Channels], Measure]


def counted(_model: nn.Module, channels: Channels, *, price: Price) -> Measure:
    """By counts: exact, and the same everywhere."""
    count = partial(cost, channels, price)
    return Measure(price, count, count)


def timed(model: nn.Module, channels: Channels) -> Measure:
    """By the clock, on the device of ``model`` and for batches of one: the removed network's pass, each layer's part.

    The median of the whole network is measured once. It takes turns with what is left of it, and the quotient of their
    medians is the cost, in its milliseconds: what else the machine does then hits both alike. A layer's share
    of the time is taken to shrink as its multiplications do, which is what ``estimate`` adds up.
    """
    example = channels.example(1)
    table = milliseconds_by_layer(model, channels, example)
    full = {name: (len(layer.slots), len(layer.makes)) for name, layer in channels.layers.items()}

    def price(part: Part, inputs: int, outputs: int) -> float:
        if part.kind not in ("mixing", "channelwise"):
            return 0.0
        read, made = full[part.name]
        share = inputs / read if part.kind == "mixing" else 1.0
        return table[part.name] * share * outputs / made

    rounds = max(FEWEST, min(MOST, int(LONG / max(sum(table.values()), 1e-6))))
    whole = latency({"whole": model}, example, batch_sizes=(1,), rounds=rounds)["whole"]["1"]["median"]

    def measured(closed: Closed) -> float:
        both = {"whole": model, "found": narrowed(model, channels, closed)}
        clocks = latency(both, example, batch_sizes=(1,), rounds=rounds)
        return whole * clocks["found"]["1"]["median"] / clocks["whole"]["1"]["median"]

    return Measure(price, measured, partial(cost, channels, price))


MEASURES: dict[str, MeasureOf] = {
    "MACs": partial(counted, price=macs),
    "operations": partial(counted, price=macs_and_elements),
    "parameters": partial(counted, price=parameters),
    "channels": partial(counted, price=channels_made),
    "ms": timed,
}


@torch.no_grad()
def milliseconds_by_layer(model: nn.Module, channels: Channels, example: Tensor) -> dict[str, float]:
    device, clocks = device_of(model), {name: list[float]() for name in channels.layers}
    begun: dict[str, float] = {}

    def enter(name: str) -> None:
        wait(device)
        begun[name] = perf_counter()

    def leave(name: str) -> None:
        wait(device)
        clocks[name].append((perf_counter() - begun[name]) * 1e3)

    handles = []
    for name in channels.layers:
        layer = model.get_submodule(name)
        handles.append(layer.register_forward_pre_hook(lambda *_, name=name: enter(name)))
        handles.append(layer.register_forward_hook(lambda *_, name=name: leave(name)))
    try:
        with evaluating(model):
            for _ in range(ROUNDS):
                model(example.to(device))
    finally:
        for handle in handles:
            handle.remove()
    return {name: median(times) for name, times in clocks.items()}
