"""Which gates a budget holds: exact what is counted; a clock is not what parts add up to, and never the same twice."""

from functools import partial
from itertools import islice, product
from math import ceil

import pytest
import torch
from torch import nn

from channel_networks import NETWORKS
from tutelage.compress.fitting import ENOUGH, fitting, settle_
from tutelage.compress.gates import InputGates, closed, gate_, gates_of, layer_of
from tutelage.compress.spending import Measure
from tutelage.compress.structure.alive import Alive
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, macs, parameters, price_of, sizes
from tutelage.compress.structure.graph import Closed
from tutelage.compress.structure.smallest import smallest
from tutelage.compress.structure.widest import Gate, close, too_dear


def net():
    return nn.Sequential(nn.Linear(20, 60), nn.ReLU(), nn.Linear(60, 40), nn.ReLU(), nn.Linear(40, 5))


CHANNELS = channels_of(net(), torch.zeros(1, 20))
WHOLE = cost(CHANNELS, macs)


def a_share(part, inputs, outputs):
    return macs(part, inputs, outputs) / WHOLE


share = partial(cost, CHANNELS, a_share)


def of_share(clock):
    """A clock that goes by the share of the multiplications."""
    return lambda shut: clock(share(shut))


def in_steps(shut):
    """A clock to which a layer of 9 channels is as slow as one of 16, as the registers of a processor are wide."""
    each = sizes(CHANNELS, shut).values()
    return 0.1 + sum(ceil(inputs / 8) * ceil(outputs / 8) for inputs, outputs in each) / 70


def found(limit, clock, seed=0):
    """What is left under a clock that is wrong by 2 %, and how often it ran."""
    g = torch.Generator().manual_seed(seed)
    model = net()
    gate_(model, CHANNELS)
    values = {name: torch.rand(len(gates.gate), generator=g) for name, gates in gates_of(model).items()}
    asked = []

    def measured(shut):
        asked.append(clock(shut))
        return asked[-1] * (1 + 0.02 * float(torch.randn((), generator=g)))

    measure = Measure(a_share, measured, share)
    shut = fitting(model, CHANNELS, values, values, measure, limit, smallest(CHANNELS, ["2", "4"], []))
    return clock(shut), len(asked)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("limit", [0.4, 0.9])
@pytest.mark.parametrize(
    "clock",
    [lambda x: x, lambda x: 0.3 + 0.7 * x, lambda x: 0.1 + 0.9 * x**0.5, lambda x: 0.2 + 3 * x, lambda x: 5 * x],
)
def test_a_budget_in_milliseconds_is_met_from_below_within_a_tenth(clock, limit, seed):
    """Though parts add up to another number: a pass has costs of its own, and small layers are slow for their size."""
    spent, asked = found(limit, of_share(clock), seed)
    assert ENOUGH - 0.05 < spent / limit < 1.03  # what the clock may be wrong by, for once
    assert asked < 30


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [0.35, 0.5, 0.8])
def test_a_clock_with_steps_does_not_hold_the_search_up(limit, seed):
    """Where closing a few gates saves nothing, a line through the last tries would end far above the budget."""
    spent, asked = found(limit, in_steps, seed)
    assert 0.85 < spent / limit < 1.03 and asked < 40


def test_a_clock_that_no_gate_moves_leaves_the_least():
    spent, asked = found(0.5, lambda _shut: 1.0)
    assert spent == 1.0 and asked < 45


def drawn(name, seed, closed_branches):
    """A network with gates whose values are drawn, half of them 0, whole layers among them, and its channels."""
    build, sample = NETWORKS[name]
    g = torch.Generator().manual_seed(seed)
    model, channels = build(), channels_of(build(), torch.zeros(1, *sample))
    gate_(model, channels)
    values, lasted = {}, {}
    for key, gates in gates_of(model).items():
        count, layer_stays = len(gates.gate), float(torch.rand((), generator=g) > 0.3)
        opens = layer_stays if isinstance(gates, InputGates) else 1.0 - closed_branches
        values[key] = opens * torch.rand(count, generator=g) * (torch.rand(count, generator=g) > 0.5)
        lasted[key] = torch.randint(9, (count,), generator=g)
    return model, channels, values, lasted


def counted(name, seed, price, share, closed_branches=True):
    """What is found for a share of what lies between the least and the whole: channels, what is closed, the limit."""
    model, channels, values, lasted = drawn(name, seed, closed_branches)
    least, count = least_of(model, channels), partial(cost, channels, price)
    limit = count(least) + share * (count(Closed()) - count(least))
    shut = fitting(model, channels, values, lasted, Measure(price, count, count), limit, least)
    return channels, shut, limit


def least_of(model, channels):
    inputs, branches = (
        [layer_of(name) for name, x in gates_of(model).items() if isinstance(x, InputGates) is on_inputs]
        for on_inputs in (True, False)
    )
    return smallest(channels, inputs, branches)


def with_one_more(shut):
    """All that is less closed by a single gate, or branch."""
    for name, gates in shut.inputs.items():
        for place in gates.nonzero().flatten().tolist():
            yield Closed({**shut.inputs, name: gates.index_fill(0, torch.tensor(place), False)}, shut.branches)
    for name in shut.branches:
        yield Closed(shut.inputs, shut.branches - {name})


class Unheard(nn.Module):
    """The last block of a stream adds what nobody reads, as WaveNet's does."""

    def __init__(self):
        super().__init__()
        self.stem, self.read, self.head = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.add = nn.Linear(8, 8)

    def forward(self, x):
        x = self.stem(x)
        y = torch.relu(self.read(x))
        self.last = x + self.add(y)
        return self.head(y)


def test_gates_that_no_answer_depends_on_close_first():
    model = Unheard()
    channels = channels_of(model, torch.zeros(1, 6))
    gate_(model, channels)
    model(torch.randn(5, 6)).sum().backward()
    values = {name: x.gate.detach() for name, x in gates_of(model).items() if x.gate.grad is not None}
    assert {layer_of(name) for name in gates_of(model)} - {layer_of(name) for name in values} == {"add"}
    count = partial(cost, channels, macs)
    limit = count(Closed(branches=frozenset({"add"})))
    shut = fitting(model, channels, values, values, Measure(macs, count, count), limit, least_of(model, channels))
    settle_(model, values, shut)
    assert closed(model).branches == {"add"} and not closed(model).inputs["head"].any() and count(shut) == limit


@pytest.mark.parametrize("price", [macs, parameters])
@pytest.mark.parametrize("share", [0.03, 0.5])
@pytest.mark.parametrize("name", ["bottlenecks", "densenet-bc"])
def test_a_budget_that_is_counted_is_used_up_whatever_closed(name, share, price):
    """Where branches closed that are much of the network, each comes back with as many channels as are paid for."""
    channels, shut, limit = counted(name, 0, price, share)
    assert ENOUGH * limit <= cost(channels, price, shut) <= limit
    few = islice(with_one_more(shut), 0, None, 7)
    assert all(cost(channels, price, other) > limit for other in few)


@pytest.mark.parametrize("price", [macs, parameters])
@pytest.mark.parametrize("seed", range(12))
def test_no_student_is_nearer_to_a_budget_that_is_less_than_used_up(seed, price):
    """Of a network so small that a channel is a step, all students of any widths are counted."""
    channels, shut, limit = counted("mlp", seed, price, share=0.001 * 1.6**seed)
    spent = cost(channels, price, shut)
    assert all(cost(channels, price, other) > limit for other in with_one_more(shut)) and spent <= limit
    first, second = (channels.readers[name].gates for name in shut.inputs)
    widths = product(range(1, first + 1), range(1, second + 1))
    students = (
        Closed(
            {name: torch.arange(len(x)) >= width for (name, x), width in zip(shut.inputs.items(), both, strict=True)}
        )
        for both in widths
    )
    nearest = max(c for c in (cost(channels, price, x) for x in students) if c <= limit)
    assert spent >= min(0.9 * limit, nearest)


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_branch_that_the_clock_finds_dearer_than_its_parts_comes_back_in_part(share):
    """As of a ResNet of which an epoch closed all branches, by a clock for which each pass has a cost of its own."""
    model, channels, values, lasted = drawn("bottlenecks", 0, True)
    values = {key: torch.ones_like(x) if len(x) > 1 else x for key, x in values.items()}
    count, least = partial(cost, channels, macs), least_of(model, channels)

    def clock(shut):
        each = sizes(channels, shut)
        blocks = {name: ceil(inputs / 4) * ceil(outputs / 4) for name, (inputs, outputs) in each.items()}
        return 0.05 * count(Closed()) + sum(16 * channels.layers[x].part.macs * n**0.9 for x, n in blocks.items())

    limit = clock(least) + share * (clock(Closed()) - clock(least))
    shut = fitting(model, channels, values, lasted, Measure(macs, clock, count), limit, least)
    assert ENOUGH * limit <= clock(shut) <= limit


@pytest.mark.parametrize("name", ["bottlenecks", "densenet-bc", "in groups"])
def test_passed_over_is_who_does_not_fit_when_one_after_the_other_opens(name):
    """The same as closing all and opening each, in a random order, if it fits."""
    channels = drawn(name, 1, True)[1]
    order = [Gate(x, place) for x, reader in channels.readers.items() for place in range(reader.gates)]
    order += [Gate(x, None) for x in channels.branches]
    g = torch.Generator().manual_seed(0)
    order = [order[place] for place in torch.randperm(len(order), generator=g)[:150].tolist()]
    limit = 0.6 * cost(channels, macs)

    def spent(left):
        state = Alive(channels)
        for gate in left:
            close(state, gate)
        return price_of(state, macs)

    left = set(order)
    for gate in order:
        left -= {gate} if spent(left - {gate}) <= limit else set()
    assert too_dear(channels, order, macs, limit) == left
