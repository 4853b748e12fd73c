"""Which channels a network has, who reads them, and which may go: found from passes alone."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from channel_networks import found, network
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.graph import Closed
from tutelage.compress.structure.removal import without
from tutelage.models.densenet import densenet_bc
from tutelage.models.mlp import mlp
from tutelage.models.mobilenet import InvertedResidual
from tutelage.models.resnet import resnet

pytestmark = pytest.mark.slow


def gates(channels):
    return {name: reader.gates for name, reader in channels.readers.items()}


class TestReaders:
    def test_every_layer_that_mixes_has_a_gate_for_each_channel_that_it_reads_in_the_order_in_which_it_runs(self):
        model, sample = network("vgg")
        expected = {
            "layer1.conv1": 3,
            "layer2.conv1": 64,
            "layer3.conv1": 128,
            "layer4.conv1": 256,
            "layer5.conv1": 512,
        }
        assert gates(found(model, sample)) == {**expected, "head": 512}
        assert list(found(model, sample).readers) == [*expected, "head"]

    def test_a_linear_layer_behind_a_flattened_map_has_a_gate_for_each_channel_of_the_map(self):
        model, sample = network("lenet")
        reader = found(model, sample).readers["hidden"]
        assert reader.gates == 50
        assert torch.equal(reader.slots, torch.arange(50).repeat_interleave(16))

    def test_a_dense_layer_has_gates_of_its_own_on_what_others_read_too(self):
        model, sample = network("densenet-bc")
        read = gates(found(model, sample))
        assert [read[f"layer1.unit{unit}.conv1"] for unit in (1, 2)] == [8, 12]
        assert read["transition1.conv"] == 16

    def test_of_a_layer_in_groups_a_gate_is_one_channel_of_each_group(self):
        model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 12, 3, groups=4), nn.Conv2d(12, 2, 1))
        layers = channels_of(model, torch.zeros(1, 3, 4, 4)).layers
        assert layers["1"].gates == layers["0"].makes[:2]
        assert layers["0"].makes == 4 * layers["1"].gates
        assert layers["1"].makes == 4 * layers["1"].makes[:3]
        assert len({*layers["1"].makes}) == 3

    def test_what_the_network_takes_has_a_gate_for_each_of_its_numbers(self):
        assert gates(channels_of(mlp((12, 4, 3)), torch.zeros(1, 3, 2, 2)))["hidden1"] == 12

    def test_the_axis_of_a_transposed_convolutions_weight_is_the_other_one(self):
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 6, 2, 2), nn.Conv2d(6, 2, 1))
        channels = channels_of(model, torch.zeros(1, 3, 4, 4))
        assert [(r.gates, r.axis) for r in channels.readers.values()] == [(3, 1), (4, 0), (6, 1)]

    def test_structure_follows_from_shapes_not_from_weights(self):
        first, second = (channels_of(resnet(8, 5), torch.zeros(3, 3, 8, 8)) for _ in range(2))
        assert first.layers == second.layers
        assert first.stays == second.stays

    def test_the_layout_in_memory_does_not_matter(self):
        model = resnet(8, 5)
        found_before = channels_of(model, torch.zeros(1, 3, 8, 8))
        found_after = channels_of(model.to(memory_format=torch.channels_last), torch.zeros(1, 3, 8, 8))
        assert found_after.layers == found_before.layers
        assert found_after.stays == found_before.stays

    def test_the_network_is_left_as_it_was(self):
        model, sample = network("densenet-bc")
        model.train()
        before = {name: x.clone() for name, x in model.state_dict().items()}
        found(model, sample)
        assert all(module.training and not module._forward_hooks for module in model.modules())
        assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())

    def test_no_memory_is_needed_where_the_network_has_none(self):
        with torch.device("meta"):
            empty = resnet(8, 5)
        channels = channels_of(empty, torch.zeros(1, 3, 8, 8))
        assert channels.layers == channels_of(resnet(8, 5), torch.zeros(1, 3, 8, 8)).layers


class TestBranches:
    def test_the_last_layer_of_each_residual_branch_may_be_closed_and_no_shortcut(self):
        model, sample = network("resnet")
        expected = [f"layer{stage}.block{block}.norm2" for stage in (1, 2, 3) for block in (1, 2)]
        assert list(found(model, sample).branches) == expected

    def test_of_bottlenecks_it_is_the_third_norm(self):
        model, sample = network("bottlenecks")
        assert list(found(model, sample).branches) == [f"body.{block}.norm3" for block in range(4)]

    def test_of_inverted_residuals_it_is_the_last_norm_of_those_that_add(self):
        blocks = [InvertedResidual(4, 4, 1, 2), InvertedResidual(4, 6, 1, 2), InvertedResidual(6, 6, 2, 2)]
        model = nn.Sequential(nn.Conv2d(3, 4, 1), *blocks, nn.Conv2d(6, 2, 1))
        assert channels_of(model, torch.zeros(1, 3, 8, 8)).branches == ("1.norm3",)

    def test_of_preactivated_blocks_it_is_the_last_convolution(self):
        model, sample = network("wide resnet")
        assert "layer1.block2.conv2" in found(model, sample).branches
        assert not any("shortcut" in name for name in found(model, sample).branches)

    def test_a_layer_that_others_read_too_ends_no_branch(self):
        class Read(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

            def forward(self, x):
                x = self.a(x)
                y = self.b(x)
                return self.c(torch.relu(x + y)) + y.mean(1, keepdim=True)

        assert channels_of(Read(), torch.zeros(1, 4)).branches == ()

    def test_networks_that_concatenate_have_none(self):
        assert channels_of(densenet_bc(10, 4, 5), torch.zeros(1, 3, 8, 8)).branches == ()


class TestRefused:
    def test_layers_that_cannot_be_gated_have_a_reason(self):
        model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ConvTranspose2d(4, 4, 2, 2, groups=2), nn.Conv2d(4, 2, 1))
        channels = channels_of(model, torch.zeros(1, 3, 4, 4))
        assert channels.refused == {"1": "a ConvTranspose2d in 2 groups of channels is not followed"}
        assert list(channels.readers) == ["0", "2"]

    def test_channels_that_stay_have_a_reason(self):
        model, sample = network("mlp")
        assert found(model, sample).fixed == {"output": "the network answers with it"}

    def test_a_hook_or_a_computed_weight_of_somebodys_refuses_the_layer(self):
        model = mlp((4, 5, 6, 7, 3))
        model.hidden1.register_forward_hook(lambda *_: None)
        nn.utils.parametrizations.weight_norm(model.hidden2)
        refused = channels_of(model, torch.zeros(1, 4)).refused
        assert refused == {"hidden1": "a hook is registered on it", "hidden2": "its weight is computed from others"}

    def test_a_forward_of_its_own_refuses_a_layer(self):
        class Scaled(nn.Linear):
            def forward(self, x):
                return 2 * super().forward(x)

        model = nn.Sequential(Scaled(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2))
        channels = channels_of(model, torch.zeros(1, 4))
        assert channels.refused == {"0": "a Scaled has a forward of its own"}
        assert gates(channels) == {"2": 5, "4": 3}

    def test_weights_of_two_layers_refuse_both(self):
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        model[1].weight = model[0].weight
        assert list(channels_of(model, torch.zeros(1, 4)).readers) == ["2"]

    def test_a_network_of_which_nothing_can_be_gated_says_why(self):
        model = nn.Sequential(nn.ConvTranspose2d(4, 4, 3, groups=2), nn.ReLU())
        with pytest.raises(ValueError, match=r"Nothing of Sequential can be gated \(0: a ConvTranspose2d in 2 groups"):
            channels_of(model, torch.zeros(1, 4, 8, 8))
        with pytest.raises(ValueError, match=r"A single Linear has no layers between which channels could go\.$"):
            channels_of(nn.Linear(4, 2), torch.zeros(1, 4))
        with pytest.raises(ValueError, match="it has no layers"):
            channels_of(nn.ReLU(), torch.zeros(1, 4))

    @pytest.mark.parametrize("name", ["mlp", "lenet", "resnet"])
    def test_a_network_of_which_all_was_taken_out_says_so(self, name):
        model, sample = network(name)
        channels = found(model, sample)
        shut = {name: torch.ones(reader.gates, dtype=torch.bool) for name, reader in channels.readers.items()}
        empty = without(model, channels, Closed(shut))
        with pytest.raises(ValueError, match=r"can be gated \(all that its layers read was taken out of it before\)"):
            channels_of(empty, torch.zeros((1, *sample), dtype=torch.float64))

    def test_a_network_that_cannot_run_on_the_example_says_so_in_one_sentence(self):
        with pytest.raises(ValueError, match=r"Sequential cannot run on an example \(2, 7\): RuntimeError.*\.$"):
            channels_of(mlp((4, 3, 2)), torch.zeros(1, 7))


class TestCodeThatDependsOnSizes:
    """Where a size stands in the code, channels stay; where the code follows what comes in, they may go."""

    class Reshaping(nn.Module):
        def __init__(self, flat):
            super().__init__()
            self.conv, self.head, self.flat = nn.Conv2d(3, 6, 3, padding=1), nn.Linear(6 * 16, 5), flat

        def forward(self, x):
            return self.head(self.flat(torch.relu(self.conv(x))))

    @pytest.mark.parametrize(
        "flat",
        [
            lambda x: x.flatten(1),
            lambda x: x.view(len(x), -1),
            lambda x: x.reshape(x.size(0), x.size(1) * x.size(2) * x.size(3)),
            lambda x: x.permute(0, 2, 3, 1).flatten(1),
        ],
    )
    def test_a_flattening_that_follows(self, flat):
        channels = channels_of(self.Reshaping(flat), torch.zeros(1, 3, 4, 4))
        assert set(channels.fixed) == {"head"}
        assert channels.readers["head"].gates == 6

    @pytest.mark.parametrize("flat", [lambda x: x.view(-1, 96), lambda x: x.view(x.size(0), 96)])
    def test_a_flattening_to_a_number(self, flat):
        channels = channels_of(self.Reshaping(flat), torch.zeros(1, 3, 4, 4))
        assert channels.fixed["conv"] == "view in Reshaping keeps its size"
        assert channels.readers["head"].gates == 6  # what it reads of them can be chosen all the same

    @pytest.mark.parametrize("part", [lambda x: x[:, :4], lambda x: x.narrow(1, 2, 4), lambda x: x.split(4, 1)[0]])
    def test_a_part_of_a_fixed_size(self, part):
        model = self.Reshaping(lambda x: part(x).flatten(1))
        model.head = nn.Linear(64, 5)
        channels = channels_of(model, torch.zeros(1, 3, 4, 4))
        assert "keeps its size" in channels.fixed["conv"]
        assert channels.readers["head"].gates == 4

    def test_halves_that_meet_go_in_pairs(self):
        model, sample = network("maxout")
        channels = found(model, sample)
        layer = channels.layers["layer1.conv1"]
        assert "layer1.conv1" not in channels.fixed
        norm = channels.layers["layer1.norm1"]
        assert norm.makes[:8] == norm.makes[8:]
        assert len({*layer.makes}) == 16

    def test_a_code_that_looks_at_the_number_of_channels(self):
        def flat(x):
            return F.relu(x).flatten(1) if x.shape[1] == 6 else x.flatten(1)

        channels = channels_of(self.Reshaping(flat), torch.zeros(1, 3, 4, 4))
        assert "conv" in channels.fixed
