"""Which gates a budget in milliseconds holds, where a clock is not what parts add up to, and never the same twice."""

import pytest
import torch
from torch import nn

from tutelage.compress.channels import channels_of
from tutelage.compress.costs import cost, macs
from tutelage.compress.fitting import ENOUGH, fitting
from tutelage.compress.gates import gate_, gates_of
from tutelage.compress.smallest import smallest
from tutelage.compress.spending import Measure

NET = nn.Sequential(nn.Linear(20, 60), nn.ReLU(), nn.Linear(60, 40), nn.ReLU(), nn.Linear(40, 5))
CHANNELS = channels_of(NET, torch.zeros(1, 20))
WHOLE = cost(CHANNELS, macs)


def found(limit, clock, seed=0):
    """What is left under a clock that makes milliseconds of a share of the multiplications, and how often it ran."""
    g = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(20, 60), nn.ReLU(), nn.Linear(60, 40), nn.ReLU(), nn.Linear(40, 5))
    gate_(model, CHANNELS)
    values = {name: torch.rand(len(gates.gate), generator=g) for name, gates in gates_of(model).items()}
    asked = []

    def share(shut):
        return cost(CHANNELS, macs, shut) / WHOLE

    def measured(shut):
        asked.append(clock(share(shut)))
        return asked[-1] * (1 + 0.02 * float(torch.randn((), generator=g)))

    measure = Measure(macs, measured, share)
    shut = fitting(model, CHANNELS, values, values, measure, limit, smallest(CHANNELS, ["2", "4"], []))
    return clock(share(shut)), len(asked)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("limit", [0.4, 0.9])
@pytest.mark.parametrize(
    "clock",
    [lambda x: x, lambda x: 0.3 + 0.7 * x, lambda x: 0.1 + 0.9 * x**0.5, lambda x: 0.2 + 3 * x, lambda x: 5 * x],
)
def test_a_budget_in_milliseconds_is_met_from_below_within_a_tenth(clock, limit, seed):
    """Though parts add up to another number: a pass has costs of its own, and small layers are slow for their size."""
    spent, asked = found(limit, clock, seed)
    assert ENOUGH - 0.05 < spent / limit < 1.03  # what the clock may be wrong by, for once
    assert asked < 30


def test_a_clock_that_no_gate_moves_leaves_the_least():
    spent, asked = found(0.5, lambda _share: 1.0)
    assert spent == 1.0 and asked < 30
