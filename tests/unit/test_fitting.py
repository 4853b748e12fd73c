"""Which gates a budget in milliseconds holds, where a clock is not what parts add up to, and never the same twice."""

from math import ceil

import pytest
import torch
from torch import nn

from tutelage.compress.fitting import ENOUGH, fitting
from tutelage.compress.gates import gate_, gates_of
from tutelage.compress.spending import Measure
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, macs, sizes
from tutelage.compress.structure.smallest import smallest


def net():
    return nn.Sequential(nn.Linear(20, 60), nn.ReLU(), nn.Linear(60, 40), nn.ReLU(), nn.Linear(40, 5))


CHANNELS = channels_of(net(), torch.zeros(1, 20))
WHOLE = cost(CHANNELS, macs)


def share(shut):
    return cost(CHANNELS, macs, shut) / WHOLE


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

    measure = Measure(macs, measured, share)
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
    assert spent == 1.0 and asked < 30
