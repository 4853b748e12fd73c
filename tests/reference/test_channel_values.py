"""Costs of gates and of what they take with them, and where the numbers come from.

*arithmetic*: worked by hand from arXiv:2001.11612 and arXiv:1608.06993, layer by layer in numpy, independently of this
package: examples A3 (DenseNet-BC-100-12), A5 (where a gate stands) and A6 (a dead producer) of the method's notes. The
paper counts 296 million operations, of which 90 million are to be left.
"""

from functools import cache

import pytest
import torch
from torch import nn

from tutelage.compress.structure.alive import settled
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, macs, macs_and_elements, parameters, saved, sizes
from tutelage.compress.structure.graph import Closed
from tutelage.compress.structure.removal import without
from tutelage.measures import cost as measured
from tutelage.models.densenet import densenet_bc_100_12

pytestmark = pytest.mark.slow


@cache
def densenet(classes=10):
    with torch.device("meta"):
        model = densenet_bc_100_12(classes)
    return channels_of(model, torch.zeros(1, 3, 32, 32))


def dense_layers(block):
    return [f"layer{block}.unit{unit}.conv1" for unit in range(1, 17)]


class TestDenseNet:
    @pytest.mark.parametrize(("classes", "expected"), [(10, (287_929_692, 296_482_908, 769_162)),
                                                       (100, (287_960_472, 296_513_688, 800_032))])  # fmt: skip
    def test_costs(self, classes, expected):
        channels = densenet(classes)
        assert tuple(cost(channels, price) for price in (macs, macs_and_elements, parameters)) == expected

    def test_gates_of_the_dense_layers(self):
        readers = densenet().readers
        assert [sum(readers[name].gates for name in dense_layers(block)) for block in (1, 2, 3)] == [1824, 3168, 3840]
        assert sum(readers[name].gates for block in (1, 2, 3) for name in dense_layers(block)) == 8832

    @pytest.mark.parametrize(
        ("price", "expected"), [(macs_and_elements, (51_200, 12_800, 3_200)), (macs, (49_152, 12_288, 3_072))]
    )
    def test_what_a_gate_of_each_block_saves(self, price, expected):
        save = saved(densenet(), price).inputs
        for block, each in zip((1, 2, 3), expected, strict=True):
            assert {x for name in dense_layers(block) for x in save[name].tolist()} == {each}
        alpha = [save[dense_layers(block)[0]][0].item() / expected[0] for block in (1, 2, 3)]
        assert alpha == [1, 0.25, 0.0625]

    def test_what_a_gate_of_each_transition_saves_while_others_read_the_channel(self):
        save = saved(densenet(), macs).inputs
        assert [save[f"transition{block}.conv"][0].item() for block in (1, 2)] == [110_592, 38_400]

    def test_without_dense_gates_half_of_it_is_left_while_producers_are_kept(self):
        channels = densenet()
        whole, gates = cost(channels, macs), saved(channels, macs).inputs
        dense = sum(gates[name].sum().item() for block in (1, 2, 3) for name in dense_layers(block))
        assert whole - dense == 147_551_580


class Block(nn.Module):
    """Two channels, then three 3 × 3 convolutions of one channel each, which read all before them, and a 1 × 1 one."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(2 + place, 1, 3, padding=1, bias=False) for place in range(3))
        self.transition = nn.Conv2d(5, 2, 1, bias=False)

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return self.transition(x)


class TestDeadProducer:
    """A6: a channel that is closed in all of its readers takes the layer that makes it with it."""

    CLOSED = Closed(
        {
            "layers.1": torch.tensor([False, False, True]),
            "layers.2": torch.tensor([False, True, True, False]),
            "transition": torch.tensor([False, False, True, True, False]),
        }
    )

    def test_multiplications(self):
        channels = channels_of(Block(), torch.zeros(1, 2, 4, 4))
        assert cost(channels, macs) == 1456
        assert sizes(channels, self.CLOSED)["layers.0"] == (0, 0)
        assert cost(channels, macs, self.CLOSED) == 672
        smaller = without(Block(), channels, self.CLOSED)
        assert measured.macs(smaller, torch.zeros(1, 2, 4, 4)) == 672

    def test_the_gates_alone_leave_960(self):
        channels = channels_of(Block(), torch.zeros(1, 2, 4, 4))
        kept = {name: (~shut).sum().item() for name, shut in self.CLOSED.inputs.items()}
        dead = sizes(channels)["layers.0"][0] * 9 * 16
        assert kept["layers.1"] * 144 + kept["layers.2"] * 144 + kept["transition"] * 32 + dead == 960

    def test_the_layer_reads_nothing_and_its_followers_do_not_read_it(self):
        final = settled(channels_of(Block(), torch.zeros(1, 2, 4, 4)), self.CLOSED)
        assert final.inputs["layers.0"].tolist() == [True, True]
        assert final.inputs["layers.1"].tolist() == [False, False, True]


def test_a_gate_behind_the_norm_and_the_rectification_is_removed_exactly():
    """A5, in train mode: γ = (1.5, 0.5), β = (0.2, 0.3), w = (0.7, −1.2), gates (0.4, 0)."""
    model = nn.Sequential(nn.BatchNorm1d(2), nn.ReLU(), nn.Linear(2, 1, bias=False)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.5, 0.5]))
        model[0].bias.copy_(torch.tensor([0.2, 0.3]))
        model[2].weight.copy_(torch.tensor([[0.7 * 0.4, -1.2]]))
    channels = channels_of(model, torch.zeros(1, 2, dtype=torch.float64))
    smaller = without(model, channels, Closed({"2": torch.tensor([False, True])})).train()
    x = torch.tensor([[1.0, 4.0], [2.0, 0.0], [3.0, 2.0], [6.0, -2.0]], dtype=torch.float64)
    expected = torch.tensor([[0.0], [0.0], [0.056], [0.729497]], dtype=torch.float64)
    torch.testing.assert_close(smaller(x), expected, rtol=0, atol=5e-7)
