"""Which gates stay open within a budget: the most that fit, those first that lasted longest."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tutelage.compress.gates import InputGates, gates_of, layer_of
from tutelage.compress.spending import Measure
from tutelage.compress.structure.alive import alive
from tutelage.compress.structure.graph import Channels, Closed
from tutelage.compress.structure.smallest import is_fed
from tutelage.compress.structure.widest import Gate, too_dear, works

ENOUGH = 0.94
"""Of the limit: what costs so much, and no more than the limit, will do."""
WRONG = 0.1
"""By what share a clock may be wrong for once: what would be enough with it, or too much, is measured again."""
AGAIN = 2
"""Times that it is."""
TRIES, FEWER = 12, 4
"""How often a network is measured whose cost no count tells: in the first order of its gates, and in another."""
ORDERS = 2
"""Layers whose gates are preferred to others then, in three other orders each."""


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

    Gates open one after the other: those of larger ``values`` first, those of 0 by how many steps they ``lasted``. So
    what closed last opens again where more closed than had to, and the smallest close where too few did. Who is too
    dear by then, such as a whole branch, is passed over, and the next is tried: of what is counted, nothing that is
    left closed can be opened by itself. A layer that has something open in ``least`` opens its first gate before all
    others. Both mappings are by the gates' names.

    Where that is less than ``ENOUGH``, the order changes. Of the first layer that was passed over, all gates open
    before those that let nothing through without them, so that a branch is there again with a part of its channels; or
    the first of them, or all, before everything else, so that the smallest close for them; then those of another layer.

    By the measure's estimate; where that is not the cost, as far as an estimate that is corrected with what was
    measured, until that is ``ENOUGH`` or it was tried often.
    """
    ranked = _ranked(model, values, lasted)
    kept, spent = _kept(ranked, least), measure.cost(least)
    counted = spent == measure.estimate(least)
    ends = {} if counted else {measure.estimate(Closed()): max(measure.cost(Closed()), (1 + WRONG) * limit)}
    begin = Fit(least, min(spent, limit))  # or the clock is wrong now
    fit = partial(_fit, channels, measure=measure, limit=limit, ends=ends)
    best = fit(_first(kept, ranked), start=begin, best=Fit(least, 0.0), tries=TRIES)
    asked = set[tuple[str, bool]]()
    while best.spent < ENOUGH * limit and (counted or len(asked) < ORDERS):
        gate = next((x for x in ranked if not _is_open(x, best.shut) and _kind(x) not in asked), None)
        if gate is None:
            break
        asked.add(_kind(gate))
        state = alive(channels, best.shut)
        live = [other for other in ranked if works(state, other)]
        own = [other for other in ranked if _kind(other) == _kind(gate)]
        best = fit(_first([*live, *own], ranked), start=best, best=best, tries=FEWER)
        for before in ([*kept, gate], [*kept, *own])[: len(own)]:
            best = fit(_first(before, ranked), start=begin, best=best, tries=FEWER)
    return best.shut


class Fit(NamedTuple):
    """What is closed, and what is spent then."""

    shut: Closed
    spent: float


def _fit(
    channels: Channels,
    order: Sequence[Gate],
    *,
    measure: Measure,
    limit: float,
    ends: Mapping[float, float],
    start: Fit,
    best: Fit,
    tries: int,
) -> Fit:
    """The dearest that ``limit`` holds of what opens in ``order`` as far as an estimate goes, or else ``best``.

    Estimates that hold begin with that of ``start``, and ``ends`` is one that does not, with its cost: nothing where
    estimates are costs.
    """
    costs = {measure.estimate(best.shut): best.spent} if best.spent else {}  # by estimates
    points = {measure.estimate(start.shut): start.spent, **ends}  # costs by what was aimed at
    for count in range(tries):
        aim = _aim(limit, points, halves=count % 2 == 1) if ends else limit
        shut = _closed(order, too_dear(channels, order, measure.price, aim))
        estimate = measure.estimate(shut)
        if not is_fed(alive(channels, shut)):
            costs[estimate] = 0.0
        elif estimate not in costs:
            costs[estimate] = _measured(measure, shut, best.spent, limit)
        spent = costs[estimate]
        if best.spent < spent <= limit:
            best = Fit(shut, spent)
        if not ends or ENOUGH * limit <= spent <= limit:
            break
        points[aim] = spent
    return best


def _measured(measure: Measure, shut: Closed, best: float, limit: float) -> float:
    """The cost: the median of several where a clock that was wrong by chance would decide."""
    spent = measure.cost(shut)
    lowest = max(best, ENOUGH * limit)
    if spent == measure.estimate(shut) or not (1 - WRONG) * lowest <= spent <= (1 + WRONG) * limit:
        return spent
    return median((spent, *(measure.cost(shut) for _ in range(AGAIN))))


def _aim(limit: float, points: Mapping[float, float], *, halves: bool) -> float:
    """The estimate at which a cost in the middle of what will do is likely, after all so far: aim -> cost.

    Between the largest that held and the next that did not, in proportion or in the middle, by turns: a clock has
    steps, for layers of 17 channels may take as long as those of 32.

    >>> _aim(4.0, {10.0: 5.88, 4.0: 1.88}, halves=False), _aim(4.0, {10.0: 5.88, 4.0: 1.88}, halves=True)
    (7.0, 7.0)
    """
    held = max((aim for aim, cost in points.items() if cost <= limit), default=0.0)
    more = min(aim for aim, cost in points.items() if cost > limit and aim > held)
    spent = points.get(held, 0.0)
    share = 0.5 if halves else ((1 + ENOUGH) / 2 * limit - spent) / (points[more] - spent)
    return held + min(max(share, 0.1), 0.9) * (more - held)


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


def _ranked(model: nn.Module, values: Mapping[str, Tensor], lasted: Mapping[str, Tensor]) -> list[Gate]:
    """The gates, those of the largest value first, and of those alike the ones that lasted longest.

    Those without a value come last: no answer depends on them, so that they never had a gradient.
    """
    found = gates_of(model)
    gates = [
        Gate(layer_of(name), place if isinstance(own, InputGates) else None)
        for name, own in found.items()
        for place in range(len(own.gate))
    ]
    value, steps = (
        torch.cat([x.get(name, torch.zeros_like(own.gate)).flatten().double().cpu() for name, own in found.items()])
        for x in (values, lasted)
    )
    by_steps = steps.argsort(descending=True, stable=True)
    return [gates[place] for place in by_steps[value[by_steps].argsort(descending=True, stable=True)].tolist()]


def _kept(ranked: Iterable[Gate], least: Closed) -> list[Gate]:
    """The first gate of each layer, and branch, of which something is open in ``least``."""
    kinds = {_kind(gate) for gate in ranked if _is_open(gate, least)}
    firsts = {_kind(gate): gate for gate in reversed([*ranked])}
    return [gate for gate in ranked if _kind(gate) in kinds and firsts[_kind(gate)] == gate]


def _kind(gate: Gate) -> tuple[str, bool]:
    return gate.layer, gate.place is None


def _is_open(gate: Gate, shut: Closed) -> bool:
    if gate.place is None:
        return gate.layer not in shut.branches
    return not bool(shut.inputs[gate.layer][gate.place])


def _first(before: Sequence[Gate], ranked: Iterable[Gate]) -> list[Gate]:
    """``before``, then the others."""
    return list(dict.fromkeys((*before, *ranked)))


def _closed(gates: Iterable[Gate], shut: set[Gate]) -> Closed:
    """As what is closed of all these gates."""
    inputs: dict[str, list[tuple[int, bool]]] = {}
    for gate in gates:
        if gate.place is not None:
            inputs.setdefault(gate.layer, []).append((gate.place, gate in shut))
    return Closed(
        {layer: torch.tensor([is_shut for _, is_shut in sorted(each)]) for layer, each in inputs.items()},
        frozenset(gate.layer for gate in shut if gate.place is None),
    )
