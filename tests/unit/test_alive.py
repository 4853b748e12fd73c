"""What closed gates take with them, and what that saves: laws, against counts done the long way."""

import pytest
import torch
from torch import nn

from channel_networks import found, network, some
from tutelage.compress.structure.alive import settled
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, macs, macs_and_elements, parameters, saved, sizes
from tutelage.compress.structure.graph import Closed

pytestmark = pytest.mark.slow

NAMES = ["mlp", "lenet", "resnet", "densenet-bc", "wide resnet", "bottlenecks", "shufflenet v2"]


@pytest.fixture(scope="module", params=NAMES)
def channels(request):
    return found(*network(request.param))


def shut(channels, name, *gates):
    closed = torch.zeros(channels.readers[name].gates, dtype=torch.bool)
    closed[list(gates)] = True
    return Closed({name: closed})


def everything(channels, name):
    return shut(channels, name, *range(channels.readers[name].gates))


class TestLaws:
    def test_nothing_closed_closes_nothing(self, channels):
        final = settled(channels, Closed())
        assert list(final.inputs) == list(channels.readers)
        assert not any(bool(x.any()) for x in final.inputs.values())
        assert not final.branches

    def test_what_is_closed_stays_closed_and_settled_again_is_the_same(self, channels):
        for seed in range(4):
            closed = some(channels, seed / 4, 0.3, seed)
            once = settled(channels, closed)
            twice = settled(channels, once)
            assert once.branches == twice.branches >= closed.branches
            for name, x in closed.inputs.items():
                assert bool((once.inputs[name] | ~x).all())
                assert torch.equal(once.inputs[name], twice.inputs[name])

    def test_more_closed_is_never_more_alive_nor_more_costly(self, channels):
        less, more = some(channels, 0.3, 0.2, 1), some(channels, 0.3, 0.2, 2)
        both = Closed({n: x | less.inputs[n] for n, x in more.inputs.items()}, less.branches | more.branches)
        smaller, larger = settled(channels, both), settled(channels, less)
        assert all(bool((smaller.inputs[name] | ~x).all()) for name, x in larger.inputs.items())
        for price in (macs, parameters, macs_and_elements):
            assert cost(channels, price, both) <= cost(channels, price, less) <= cost(channels, price)

    def test_the_order_in_which_gates_are_closed_does_not_matter(self, channels):
        closed = some(channels, 0.7, 0.4, 3)
        backwards = Closed(dict(reversed(closed.inputs.items())), closed.branches)
        one, other = settled(channels, closed), settled(channels, backwards)
        assert one.branches == other.branches
        assert all(torch.equal(x, other.inputs[name]) for name, x in one.inputs.items())

    @pytest.mark.parametrize("price", [macs, parameters, macs_and_elements])
    def test_what_a_gate_saves_is_the_difference_of_two_costs(self, channels, price):
        start = some(channels, 0.2, 0.1, 4)
        before = cost(channels, price, start)
        save = saved(channels, price, start)
        for name in list(channels.readers)[::3]:
            gate = channels.readers[name].gates // 2
            closed = shut(channels, name, gate).inputs[name] | start.inputs[name]
            with_it = Closed({**start.inputs, name: closed}, start.branches)
            assert save.inputs[name][gate] == before - cost(channels, price, with_it)
        for name in channels.branches:
            assert save.branches[name] == before - cost(channels, price, Closed(start.inputs, start.branches | {name}))

    def test_everything_closed_leaves_the_networks_answer(self, channels):
        closed = Closed({name: torch.ones(r.gates, dtype=torch.bool) for name, r in channels.readers.items()})
        assert cost(channels, macs, closed) == channels.elsewhere.macs
        name, last = list(channels.layers.items())[-1]
        assert sizes(channels, closed)[name] == (0, len(last.makes))


class TestWhatDies:
    def test_a_channel_that_one_of_two_readers_reads_stays(self):
        channels = found(*network("resnet"))
        closed = shut(channels, "layer1.block1.conv1", 3)
        assert not settled(channels, closed).inputs["layer1.block2.conv1"][3]
        assert sizes(channels, closed)["stem.conv"] == (3, 16)

    def test_an_inner_channel_goes_with_its_filter_and_its_norm(self):
        channels = found(*network("resnet"))
        counts = sizes(channels, shut(channels, "layer1.block1.conv2", 3, 5))
        assert counts["layer1.block1.conv1"] == (16, 14)
        assert counts["layer1.block1.norm1"] == (14, 14)
        assert counts["layer1.block1.conv2"] == (14, 16)

    def test_a_dense_layer_that_reads_nothing_is_read_by_nobody(self):
        channels = found(*network("densenet-bc"))
        final = settled(channels, everything(channels, "layer1.unit1.conv1"))
        assert bool(final.inputs["layer1.unit1.conv2"].all())
        assert final.inputs["layer1.unit2.conv1"].nonzero().flatten().tolist() == [8, 9, 10, 11]
        assert final.inputs["transition1.conv"].nonzero().flatten().tolist() == [8, 9, 10, 11]

    def test_a_branch_whose_last_layer_reads_nothing_is_closed(self):
        channels = found(*network("resnet"))
        assert settled(channels, everything(channels, "layer1.block2.conv2")).branches == {"layer1.block2.norm2"}
        assert settled(channels, everything(channels, "layer1.block2.conv1")).branches == {"layer1.block2.norm2"}

    def test_a_closed_branch_reads_nothing(self):
        channels = found(*network("resnet"))
        final = settled(channels, Closed({}, frozenset(["layer1.block2.norm2"])))
        assert bool(final.inputs["layer1.block2.conv1"].all())
        assert not bool(final.inputs["layer2.block1.conv1"].any())

    def test_a_stage_of_which_nothing_is_left_takes_all_behind_it(self):
        channels = found(*network("resnet"))
        inputs = everything(channels, "layer2.block1.shortcut.conv").inputs
        branches = frozenset(["layer2.block1.norm2", "layer2.block2.norm2", "layer3.block2.norm2"])
        final = settled(channels, Closed(inputs, branches))
        behind = [name for name in channels.readers if name.startswith(("layer2", "layer3", "head"))]
        assert all(bool(final.inputs[name].all()) for name in behind)
        assert final.branches == {*branches, "layer3.block1.norm2"}

    def test_a_layer_that_reads_nothing_keeps_the_bias_that_others_add_to(self):
        model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        channels = channels_of(model, torch.zeros(1, 4))
        assert cost(channels, parameters, everything(channels, "0")) == 2

    def test_what_no_layer_makes_costs_the_same_whatever_is_closed(self):
        class Mixed(nn.Module):
            def __init__(self):
                super().__init__()
                self.read, self.write = nn.Linear(6, 8), nn.Linear(8, 5)
                self.weights = nn.Parameter(torch.randn(7, 7))

            def forward(self, x):  # (N, 7, 6)
                return self.write(torch.relu(self.read(self.weights @ x)))

        channels = channels_of(Mixed(), torch.zeros(1, 7, 6))
        assert (channels.elsewhere.macs, channels.elsewhere.offsets) == (7 * 7 * 6, 49)
        assert cost(channels, macs) == 7 * 7 * 6 + 7 * 6 * 8 + 7 * 8 * 5

    def test_costs_are_those_of_a_sample_wherever_samples_lie(self):
        class Rows(nn.Module):
            def __init__(self):
                super().__init__()
                self.read, self.norm, self.write = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 5)

            def forward(self, x):  # (N, 7, 6)
                y = torch.relu(self.norm(self.read(x.reshape(-1, 6))))
                return self.write(y).view(len(x), 7, 5)

        channels = channels_of(Rows(), torch.zeros(1, 7, 6))
        assert cost(channels, macs) == 7 * 6 * 8 + 7 * 8 * 5
        assert cost(channels, macs_and_elements) == cost(channels, macs) + 2 * 7 * 8


class TestRefused:
    def test_unknown_layers_branches_and_numbers_of_gates_are_named(self):
        channels = found(*network("resnet"))
        for closed, sentence in (
            (
                Closed({"layer9": torch.ones(3, dtype=torch.bool)}),
                "'layer9' has no gates; those that have gates: stem.conv",
            ),
            (Closed({"head": torch.ones(3, dtype=torch.bool)}), r"'head' reads 64 channels.* got \(3,\) of bool"),
            (Closed({"head": torch.ones(64)}), r"got \(64,\) of float32"),
            (Closed({}, frozenset(["layer2.block1.shortcut.norm"])), "does not end a branch that can be closed"),
        ):
            with pytest.raises(ValueError, match=sentence):
                settled(channels, closed)

    def test_a_layer_that_cannot_be_gated_says_why(self):
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 4, 2, 2, groups=2))
        channels = channels_of(model, torch.zeros(1, 3, 4, 4))
        with pytest.raises(ValueError, match=r"'1' has no gates: a ConvTranspose2d in 2 groups of channels is not"):
            settled(channels, Closed({"1": torch.ones(2, dtype=torch.bool)}))
