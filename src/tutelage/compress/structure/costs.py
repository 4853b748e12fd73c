"""What a network costs with some of its channels closed, from counts alone: no pass, so that thousands can be tried."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from tutelage.compress.structure.alive import Alive, alive
from tutelage.compress.structure.graph import Channels, Closed, Part

Price: TypeAlias = Callable[[Part, int, int], float]
"""(part, slots that it reads, channels that it makes) -> its cost for a sample. A layer that reads nothing has 0 of the
former: it answers with its bias. A table of measured milliseconds is a price, too."""


def macs(part: Part, inputs: int, outputs: int) -> int:
    """Multiply-accumulates, as ``tutelage.measures.cost.macs`` counts them."""
    return part.macs * inputs * outputs


def parameters(part: Part, inputs: int, outputs: int) -> int:
    """Trained numbers."""
    return part.weights * inputs * outputs + part.offsets * outputs


def macs_and_elements(part: Part, inputs: int, outputs: int) -> int:
    """Multiply-accumulates, and one operation for each element that batch norm and ReLU go over.

    The convention in which DenseNet-BC(100, 12) has the 296 million operations of arXiv:2001.11612.
    """
    return macs(part, inputs, outputs) + part.elements * outputs


def channels_made(part: Part, _inputs: int, outputs: int) -> int:
    """Channels that layers make which mix others: what a ratio of pruned channels counts."""
    return outputs if part.kind == "mixing" else 0


@dataclass(frozen=True)
class Saved:
    """What each gate saves when it alone is closed: by reader (gates,) in float64, and by branch."""

    inputs: Mapping[str, Tensor]
    branches: Mapping[str, float]


NOTHING_CLOSED = Closed()


def cost(channels: Channels, price: Price, closed: Closed = NOTHING_CLOSED) -> float:
    """The price of a sample, after all that is closed in consequence of ``closed``. Raises as ``settled`` does.

    >>> from tutelage.compress.structure.channels import channels_of
    >>> channels = channels_of(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)), torch.zeros(1, 3))
    >>> cost(channels, macs), cost(channels, macs, Closed({"1": torch.tensor([True, False, False, False])}))
    (20, 15)
    """
    return price_of(alive(channels, closed), price)


def price_of(state: Alive, price: Price) -> float:
    """The price of a sample, of what is alive."""
    return sum(_price(state, key, price) for key in state.outputs) + price(state.channels.elsewhere, 1, 1)


def saved(channels: Channels, price: Price, closed: Closed = NOTHING_CLOSED) -> Saved:
    """``cost(closed) − cost(closed and that one gate)`` for each gate and branch: 0 for those that are closed.

    The whole difference: a channel that nobody else reads saves the filter that makes it, too. Ten thousand gates take
    seconds. Raises as ``settled`` does.
    """
    state = alive(channels, closed)
    costs = {key: _price(state, key, price) for key in state.outputs}

    def difference(close: Callable[[], None]) -> float:
        with state.tried():
            close()
            return sum(costs[key] - _price(state, key, price) for key in state.touched)

    inputs = {}
    for name, reader in channels.readers.items():
        each = [difference(partial(state.close, name, gate)) for gate in range(reader.gates)]
        inputs[name] = torch.tensor(each, dtype=torch.float64, device="cpu")
    return Saved(inputs, {name: difference(partial(state.close_branch, name)) for name in channels.branches})


def sizes(channels: Channels, closed: Closed = NOTHING_CLOSED) -> dict[str, tuple[int, int]]:
    """By layer, how many slots it still reads and how many channels it still makes."""
    state = alive(channels, closed)
    return {name: (state.inputs[name], state.outputs[name]) for name in channels.layers}


def _price(state: Alive, key: str | int, price: Price) -> float:
    outputs = state.outputs[key]
    if isinstance(key, int):
        return price(state.channels.between[key][0], 1, outputs)
    layer = state.channels.layers[key]
    return price(layer.part, state.inputs[key] if layer.mixing else 1, outputs)
