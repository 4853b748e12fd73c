"""Which gates stay open within a budget: the most that fit, those first that lasted longest."""

from collections.abc import Mapping, Sequence
from statistics import fmean, linear_regression, median

import torch
from torch import Tensor, nn

from tutelage.compress.alive import alive
from tutelage.compress.gates import InputGates, closed, gates_of, layer_of
from tutelage.compress.graph import Channels, Closed
from tutelage.compress.smallest import is_fed
from tutelage.compress.spending import Measure

TRIES = 8
"""How often a network is measured whose cost no count tells."""
ENOUGH = 0.92
"""Of the limit: what costs so much, and no more than the limit, will do."""
AGAIN = 4
"""Times that it is measured again before it is taken."""


def fitting(
    model: nn.Module,
    channels: Channels,
    values: Mapping[str, Tensor],
    lasted: Mapping[str, Tensor],
    measure: Measure,
    limit: float,
    least: Closed,
) -> Closed:
    """What to close so that as much is open as ``limit`` holds; ``least`` where nothing that answers fits otherwise.

    Gates stay open in the order of their ``values``, those of 0 in that of how many steps they ``lasted``. So what
    closed last opens again where more closed than had to, and the smallest close where too few did. A layer that has
    something open in ``least`` keeps its first gate. Both mappings are by the gates' names.

    By the measure's estimate; where that is not the cost, by one that is corrected with what was measured, until it
    holds and is ``ENOUGH``, or ``TRIES`` times.
    """
    places = _places(values, lasted, {name for name, shut in least.inputs.items() if not bool(shut.all())})

    def first(count: int) -> Closed:
        return closed(model, {name: (place < count).to(torch.float32) for name, place in places.items()})

    def widest(aim: float) -> Closed:
        low, high = 0, sum(len(place) for place in places.values()) + 1  # so many fit, so many do not
        while high - low > 1:
            middle = (low + high) // 2
            shut = first(middle)
            holds = not is_fed(alive(channels, shut)) or measure.estimate(shut) <= aim
            low, high = (middle, high) if holds else (low, middle)
        return first(low)

    best, spent_by_best, aim = least, 0.0, limit
    measured: list[tuple[float, float]] = []
    for _ in range(TRIES):
        found = widest(aim)
        if not is_fed(alive(channels, found)):
            break
        spent, estimate = measure.cost(found), measure.estimate(found)
        if spent != estimate and ENOUGH * limit <= spent <= limit:  # or a clock that was wrong by chance would decide
            spent = median((spent, *(measure.cost(found) for _ in range(AGAIN))))
        if spent_by_best < spent <= limit:
            best, spent_by_best = found, spent
        if spent == estimate or ENOUGH * limit <= spent <= limit:
            break
        measured.append((estimate, spent))
        aim = _aim((1 + ENOUGH) / 2 * limit, measured)
    return best


def _aim(wanted: float, measured: Sequence[tuple[float, float]]) -> float:
    """The estimate at which a cost that is ``wanted`` is likely, by the line through all (estimate, cost) so far.

    >>> round(_aim(3.0, [(10.0, 6.0), (4.0, 3.5), (1.0, 1.5)]), 2)
    3.63
    """
    estimates, costs = [x for x, _ in measured], [x for _, x in measured]
    slope = linear_regression(estimates, costs).slope if min(estimates) < max(estimates) else 0.0
    if slope <= 0:  # one alone, or the clock says so: in proportion to the last
        return estimates[-1] * wanted / max(costs[-1], 1e-12)
    return fmean(estimates) + (wanted - fmean(costs)) / slope


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
