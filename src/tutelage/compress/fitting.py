"""Which gates stay open within a budget: the most that fit, those first that lasted longest."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from tutelage.compress.alive import alive
from tutelage.compress.gates import InputGates, closed, gates_of, layer_of
from tutelage.compress.graph import Channels, Closed
from tutelage.compress.smallest import is_fed


def fitting(
    model: nn.Module,
    channels: Channels,
    values: Mapping[str, Tensor],
    lasted: Mapping[str, Tensor],
    cost: Callable[[Closed], float],
    limit: float,
    least: Closed,
) -> Closed:
    """What to close so that as much is open as ``limit`` holds; ``least`` where nothing that answers fits otherwise.

    Gates stay open in the order of their ``values``, those of 0 in that of how many steps they ``lasted``. So what
    closed last opens again where more closed than had to, and the smallest close where too few did. A layer that has
    something open in ``least`` keeps its first gate. Both mappings are by the gates' names.
    """
    places = _places(values, lasted, {name for name, shut in least.inputs.items() if not bool(shut.all())})
    total = sum(len(place) for place in places.values())

    def first(count: int) -> Closed:
        return closed(model, {name: (place < count).to(torch.float32) for name, place in places.items()})

    def holds(shut: Closed) -> bool:
        return not is_fed(alive(channels, shut)) or cost(shut) <= limit

    low, high = 0, total + 1  # so many fit, so many do not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(first(middle)) else (low, middle)
    found = first(low)
    return found if is_fed(alive(channels, found)) else least


@torch.no_grad()
def settle_(model: nn.Module, values: Mapping[str, Tensor], shut: Closed) -> None:
    """Give the gates of ``model`` these ``values``, and exactly 0 to those that are ``shut``.

    One that is open again, though its value is 0, gets the least of its layer's that are above, or 1 where none is.
    """
    for name, gates in gates_of(model).items():
        layer, value = layer_of(name), values.get(name, gates.gate)
        if isinstance(gates, InputGates):
            closes = shut.inputs[layer].to(value.device)
        else:
            closes = torch.tensor([layer in shut.branches], device=value.device)
        above = value[value > 0]
        smallest = above.min() if len(above) else value.new_ones(())
        gates.gate.copy_(torch.where(value > 0, value, smallest).masked_fill(closes, 0.0))


def _places(values: Mapping[str, Tensor], lasted: Mapping[str, Tensor], kept: set[str]) -> dict[str, Tensor]:
    """The place of each gate in the order of all, by the gates' names; of ``kept`` layers the first one comes first."""
    value, steps = (torch.cat([x[name].flatten().double().cpu() for name in values]) for x in (values, lasted))
    by_steps = steps.argsort(descending=True, stable=True)
    order = by_steps[value[by_steps].argsort(descending=True, stable=True)]
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    split = dict(zip(values, place.split([len(x) for x in values.values()]), strict=True))
    for name, own in split.items():
        if layer_of(name) in kept:
            own[own.argmin()] -= len(order)
    ranks = torch.cat([*split.values()]).argsort().argsort()
    return dict(zip(values, ranks.split([len(x) for x in values.values()]), strict=True))
