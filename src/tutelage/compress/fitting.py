"""Which gates stay open within a budget: the most that fit, those first that lasted longest."""

from collections.abc import Mapping
from statistics import fmean, linear_regression, median

import torch
from torch import Tensor, nn

from tutelage.compress.gates import InputGates, closed, gates_of, layer_of
from tutelage.compress.spending import Measure
from tutelage.compress.structure.alive import alive
from tutelage.compress.structure.graph import Channels, Closed
from tutelage.compress.structure.smallest import is_fed

TRIES = 12
"""How often a network is measured whose cost no count tells."""
ENOUGH = 0.94
"""Of the limit: what costs so much, and no more than the limit, will do."""
NEAR = 1.05
"""Of the limit: what seems to cost no more may cost less than the limit."""
AGAIN = 4
"""Times that what is so near is measured again before it is taken, or not."""


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

    By the measure's estimate; where that is not the cost, by one that is corrected with what was measured, until that
    holds and is ``ENOUGH``, until nothing lies between what held and what did not, or ``TRIES`` times.
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
    measured: dict[float, float] = {}  # estimate -> cost
    for count in range(TRIES):
        found = widest(aim)
        estimate = measure.estimate(found)
        if estimate in measured or not is_fed(alive(channels, found)):
            break
        spent = measure.cost(found)
        if spent != estimate and ENOUGH * limit <= spent <= NEAR * limit:  # or a clock that was wrong by chance decides
            spent = median((spent, *(measure.cost(found) for _ in range(AGAIN))))
        if spent_by_best < spent <= limit:
            best, spent_by_best = found, spent
        if spent == estimate or ENOUGH * limit <= spent <= limit:
            break
        measured = measured or {measure.estimate(least): min(measure.cost(least), limit)}
        if estimate in measured:
            break
        measured[estimate] = spent
        aim = _aim(limit, measured, halves=count % 2 == 1)
    return best


def _aim(limit: float, measured: Mapping[float, float], *, halves: bool) -> float:
    """The estimate at which a cost in the middle of what will do is likely, after all so far: estimate -> cost.

    Between the largest that held and the next that did not, in proportion or in the middle, by turns: a clock has
    steps, for layers of 17 channels may take as long as those of 32. Where all held, by the line through them.

    >>> _aim(4.0, {10.0: 5.88, 4.0: 1.88}, halves=False), _aim(4.0, {10.0: 5.88, 4.0: 1.88}, halves=True)
    (7.0, 7.0)
    """
    wanted = (1 + ENOUGH) / 2 * limit
    held = max(x for x, cost in measured.items() if cost <= limit)
    more = min((x for x, cost in measured.items() if cost > limit and x > held), default=None)
    if more is not None:
        share = 0.5 if halves else (wanted - measured[held]) / (measured[more] - measured[held])
        return held + min(max(share, 0.2), 0.8) * (more - held)
    slope = linear_regression([*measured], [*measured.values()]).slope
    if slope <= 0:  # so the clock says: in proportion to the last
        return held * wanted / max(measured[held], 1e-12)
    return fmean(measured) + (wanted - fmean(measured.values())) / slope


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
