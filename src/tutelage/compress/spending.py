"""What a network with closed gates costs, counted or by the clock, and what each gate would save."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tutelage.compress.costs import Price, channels_made, cost, macs, macs_and_elements, parameters
from tutelage.compress.graph import Channels, Closed, Part
from tutelage.compress.removal import without
from tutelage.measures.latency import latency, wait
from tutelage.measures.predict import device_of, evaluating

ROUNDS = 30
"""Passes of which the median is a latency."""


@dataclass(frozen=True)
class Measure:
    """``price`` of each part, by which gates are told apart, and ``cost`` of all with some of it closed, in units."""

    price: Price
    cost: Callable[[Closed], float]


MeasureOf: TypeAlias = Callable[[nn.Module, Channels], Measure]


def counted(_model: nn.Module, channels: Channels, *, price: Price) -> Measure:
    """By counts: exact, and the same everywhere."""
    return Measure(price, partial(cost, channels, price))


def timed(model: nn.Module, channels: Channels) -> Measure:
    """By the clock, on the device of ``model`` and for batches of one: the removed network's pass, each layer's part.

    A layer's share of the time is taken to shrink as its multiplications do.
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

    def measured(closed: Closed) -> float:
        clocks = latency({"found": without(model, channels, closed)}, example, batch_sizes=(1,), rounds=ROUNDS)
        return clocks["found"]["1"]["median"]

    return Measure(price, measured)


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
