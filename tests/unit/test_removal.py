"""A network without channels answers as the whole one does with those channels multiplied by zero."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from channel_networks import NETWORKS, answers, assert_removed_exactly, found, gated, network, some
from tutelage.compress.structure.alive import settled
from tutelage.compress.structure.graph import Closed
from tutelage.compress.structure.plain import Blank, Select, Zero
from tutelage.compress.structure.removal import without, zeroed
from tutelage.measures import cost as measured
from tutelage.models.mlp import mlp

pytestmark = pytest.mark.slow

SHARES = [(0.1, 0.2), (0.5, 0.5), (0.9, 0.3), (1.0, 0.0), (0.0, 1.0)]


LARGE = {"mobilenet", "vgg", "densenet", "wide resnet"}  # the others hold each kind of their layers


@pytest.fixture(
    scope="module", params=[pytest.param(x, marks=pytest.mark.long if x in LARGE else ()) for x in NETWORKS]
)
def case(request):
    model, sample = network(request.param)
    return model, sample, found(model, sample)


@pytest.mark.parametrize(("share", "branches"), SHARES)
def test_what_is_removed_counts_as_zero_in_eval_and_train_mode_and_costs_are_as_counted(case, share, branches):
    model, sample, channels = case
    before = deepcopy(model.state_dict())
    assert_removed_exactly(model, sample, channels, some(channels, share, branches, seed=int(100 * share)))
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())


def test_the_zeroed_network_is_what_a_removal_is_held_against(case):
    model, sample, channels = case
    closed = some(channels, 0.5, 0.5, seed=5)
    for training in (False, True):
        expected = answers(gated(model, channels, closed), sample, training)
        torch.testing.assert_close(answers(zeroed(model, channels, closed), sample, training), expected)


def test_nothing_closed_changes_nothing(case):
    model, sample, channels = case
    same = without(model, channels, Closed())
    assert [name for name, _ in same.named_modules()] == [name for name, _ in model.named_modules()]
    assert torch.equal(answers(same, sample, True), answers(model, sample, True))


def test_each_layer_of_which_nothing_is_read_leaves_an_exact_network(case):
    model, sample, channels = case
    names = list(channels.readers)
    for name in {names[0], names[len(names) // 2], names[-1]}:
        all_closed = torch.ones(channels.readers[name].gates, dtype=torch.bool)
        assert_removed_exactly(model, sample, channels, Closed({name: all_closed}))


class TestWhatIsLeft:
    def test_a_producer_that_nobody_reads_loses_its_filters_and_its_norm(self):
        model, sample = network("vgg")
        channels = found(model, sample)
        shut = torch.zeros(64, dtype=torch.bool)
        shut[:60] = True
        smaller = without(model, channels, Closed({"layer2.conv1": shut}))
        assert smaller.layer1.conv1.weight.shape == (4, 3, 3, 3)
        assert smaller.layer1.norm1.num_features == 4
        assert smaller.layer2.conv1.in_channels == 4
        assert not any(isinstance(module, Select | Blank | Zero) for module in smaller.modules())

    def test_a_layer_that_reads_a_part_of_what_others_read_selects_it_before_its_own_norm(self):
        model, sample = network("densenet-bc")
        channels = found(model, sample)
        shut = torch.zeros(8, dtype=torch.bool)
        shut[[1, 2]] = True
        smaller = without(model, channels, Closed({"layer1.unit1.conv1": shut}))
        unit = smaller.layer1.unit1
        assert unit.norm1.select.kept == (0, 3, 4, 5, 6, 7)
        assert unit.norm1.norm.num_features == unit.conv1.in_channels == 6
        assert smaller.stem.out_channels == 8

    def test_a_unit_that_adds_nothing_is_an_identity(self):
        model, sample = network("densenet-bc")
        channels = found(model, sample)
        nothing = torch.ones(channels.readers["layer2.unit1.conv1"].gates, dtype=torch.bool)
        smaller = without(model, channels, Closed({"layer2.unit1.conv1": nothing}))
        assert isinstance(smaller.layer2.unit1, nn.Identity)
        assert not isinstance(smaller.layer2.unit2, nn.Identity)

    def test_a_closed_branch_without_rectification_is_an_identity(self):
        model, sample = network("wide resnet")
        channels = found(model, sample)
        assert isinstance(
            without(model, channels, Closed({}, frozenset(["layer1.block2.conv2"]))).layer1.block2, nn.Identity
        )

    def test_a_closed_branch_before_a_rectification_costs_nothing(self):
        model, sample = network("resnet")
        channels = found(model, sample)
        smaller = without(model, channels, Closed({}, frozenset(["layer1.block2.norm2"])))
        assert measured.parameters(smaller.layer1.block2) == 0
        assert isinstance(smaller.layer1.block2.norm2, Zero)

    def test_modes_devices_and_what_trains_are_kept(self):
        model, sample = network("resnet")
        model.train()
        model.layer1.eval()
        model.layer2.requires_grad_(False)
        smaller = without(model, found(model, sample), some(found(model, sample), 0.4))
        modes = {name: module.training for name, module in model.named_modules()}
        assert all(modes[name] == module.training for name, module in smaller.named_modules() if name in modes)
        trains = {name: p.requires_grad for name, p in model.named_parameters()}
        assert all(trains[name] == p.requires_grad for name, p in smaller.named_parameters() if name in trains)

    def test_the_layout_in_memory_is_kept(self):
        model, sample = network("resnet")
        model.to(memory_format=torch.channels_last)
        smaller = without(model, found(model, sample), some(found(model, sample), 0.4))
        weights = [p for p in smaller.parameters() if p.ndim == 4]
        assert all(p.is_contiguous(memory_format=torch.channels_last) for p in weights)

    def test_it_is_not_the_network_that_a_stage_made(self):
        model, sample = network("mlp")
        model._tutelage_origin = "a stage"
        assert not hasattr(without(model, found(model, sample), Closed()), "_tutelage_origin")
        assert model._tutelage_origin == "a stage"

    def test_it_trains(self):
        model, sample = network("densenet-bc")
        smaller = without(model, found(model, sample), some(found(model, sample), 0.6)).train()
        smaller(torch.randn(4, *sample, dtype=torch.float64)).square().sum().backward()
        assert all(p.grad is not None for p in smaller.parameters())

    def test_global_random_numbers_do_not_move(self):
        model, sample = network("densenet-bc")
        channels = found(model, sample)
        before = torch.get_rng_state()
        without(found_again := model, found(found_again, sample), some(channels, 1.0))
        assert torch.equal(torch.get_rng_state(), before)


class TestRefused:
    def test_another_network_than_that_of_the_channels(self):
        model, sample = network("mlp")
        with pytest.raises(ValueError, match="another network's: 'hidden1' does not make 20 of 12"):
            without(mlp((12, 24, 16, 5)).double(), found(model, sample), Closed())
        with pytest.raises(ValueError, match="another network's: there is no layer 'hidden2'"):
            without(mlp((12, 20, 5)).double(), found(model, sample), Closed())

    def test_gates_that_are_not_folded(self):
        model, sample = network("mlp")
        channels = found(model, sample)
        parametrize.register_parametrization(model.hidden2, "weight", nn.Identity())
        with pytest.raises(ValueError, match="'hidden2' is computed from others; fold its gates"):
            without(model, channels, Closed())

    def test_a_network_that_answers_otherwise_names_the_layer(self):
        model, sample = network("mlp")
        channels = found(model, sample)
        model.relu1.register_forward_hook(lambda _module, _args, out: out / out.shape[1])
        shut = torch.zeros(20, dtype=torch.bool)
        shut[3] = True
        with pytest.raises(ValueError, match="without them 'hidden2' answers otherwise"):
            without(model, channels, Closed({"hidden2": shut}))

    def test_a_network_that_fails_without_channels_names_the_layer(self):
        model, sample = network("mlp")
        channels = found(model, sample)
        model.relu1.register_forward_hook(lambda _module, _args, out: out.view(-1, 20))
        shut = torch.zeros(20, dtype=torch.bool)
        shut[3] = True
        with pytest.raises(ValueError, match="'relu1' fails"):
            without(model, channels, Closed({"hidden2": shut}))


def test_settled_again_is_the_same(case):
    _, _, channels = case
    once = settled(channels, some(channels, 0.7, 0.3, seed=2))
    twice = settled(channels, once)
    assert once.branches == twice.branches
    assert all(torch.equal(once.inputs[name], twice.inputs[name]) for name in channels.readers)
