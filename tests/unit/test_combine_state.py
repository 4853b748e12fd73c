"""What rules of another library remember, through a file: arrays, devices, and problems that are built once."""

import numpy as np
import pytest
import torch
from torch import nn
from torchjd.aggregation import ExcessMTL, GradVac

from tutelage.checkpoint import load_state, save_state
from tutelage.combine.state import kept, restore


class Bargain(nn.Module):
    """A rule with the memory of torchjd's NashMTL: an array, and a problem that its first step builds for all others.

    The real one wants a solver that is no dependency of ours.
    """

    def __init__(self):
        super().__init__()
        self.step, self.before = 0.0, np.ones(3, dtype=np.float32)
        self.weight = torch.ones(3)

    def _init_optim_problem(self):
        self.problem = lambda rows: np.linalg.norm(rows, axis=1) + 0.5 * self.before

    def forward(self, rows):
        if self.step == 0:
            self._init_optim_problem()
        self.step += 1
        self.before = self.problem(rows.double().numpy())
        return torch.from_numpy(self.before).to(rows) @ rows


RULES = [Bargain, ExcessMTL, lambda: ExcessMTL(n_warmup_steps=3), GradVac]


@pytest.mark.parametrize("steps", range(5))
@pytest.mark.parametrize("make", RULES)
def test_a_rule_that_is_saved_and_restored_goes_on_to_the_same_bits(make, steps, tmp_path):
    rows, rule, resumed = torch.randn(8, 3, 5), make(), make()
    for matrix in rows[:steps]:
        rule(matrix)
    save_state(tmp_path / "state.safetensors", kept(rule))
    restore(resumed, load_state(tmp_path / "state.safetensors"), torch.device("cpu"))
    for matrix in rows[steps:]:
        torch.manual_seed(0)
        expected = rule(matrix)
        torch.manual_seed(0)
        assert torch.equal(resumed(matrix), expected)


def test_what_is_restored_lies_where_the_rule_now_works():
    rule, resumed = ExcessMTL(), ExcessMTL()
    rule(torch.randn(3, 5))
    restore(resumed, kept(rule), torch.device("meta"))
    assert {x.device.type for x in resumed.buffers()} == {"meta"}
    assert resumed.weighting._state_key == (3, 5, torch.float32, torch.device("meta"))


def test_what_a_rule_keeps_on_the_cpu_stays_there_and_what_lay_elsewhere_comes_along():
    rule, resumed = torch.nn.Module(), torch.nn.Module()
    for module in (rule, resumed):
        module.register_buffer("here", torch.ones(2))
        module.register_buffer("there", torch.ones(2, device="meta" if module is rule else "cpu"))
    restore(resumed, kept(rule), torch.device("meta"))
    assert (resumed.here.device.type, resumed.there.device.type) == ("cpu", "meta")
