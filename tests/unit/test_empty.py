"""What carries nothing is taken out of a network with zeros, and nobody hears a difference."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from tutelage.compress.architecture import fresh
from tutelage.compress.compact import compacted
from tutelage.compress.empty import architecture_of_filled, filled, fold_constants_
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.variational import variational_, variational_layers
from tutelage.measures.cost import macs, parameters
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.models.resnet import resnet

pytestmark = pytest.mark.slow


def normalised():
    """A small VGG: its convolutions pad, and a batch norm stands behind each."""
    layers = [
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1),
    ]
    return nn.Sequential(
        *layers, nn.BatchNorm2d(12), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5)
    )


NETS = {
    "mlp": (partial(mlp, (20, 16, 12, 5)), (20,)),
    "lenet": (partial(lenet5, first=6, second=8, units=20), (1, 28, 28)),
    "resnet": (partial(resnet, 8, num_classes=5), (3, 16, 16)),
    "vgg": (normalised, (3, 8, 8)),
}


@torch.no_grad()
def sparse(network, share=0.9, seed=0):
    """``network`` in float64 with many zeros: single weights, all that some outputs read, all that read some inputs."""
    g = torch.Generator().manual_seed(seed)
    network = network.double().eval()
    layers = [x for x in network.modules() if isinstance(x, nn.Linear | nn.Conv2d)]
    for place, layer in enumerate(layers):
        w = layer.weight
        w *= torch.rand(w.shape, generator=g) > share
        if place < len(layers) - 1:
            w[torch.rand(len(w), generator=g) < 0.4] = 0
        if place:
            w[:, torch.rand(w.shape[1], generator=g) < 0.3] = 0
        if not w.any():
            w.view(-1)[0] = 1.0
        if layer.bias is not None:
            layer.bias.copy_(torch.randn(layer.bias.shape, generator=g))
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for x in (norm.weight, norm.bias, norm.running_mean):
                x.copy_(torch.randn(x.shape, generator=g))
    return network


def samples(shape, count=4):
    return torch.rand(count, *shape, dtype=torch.float64)


def close(a, b):
    return torch.allclose(a, b, rtol=1e-9, atol=1e-9 * a.abs().max().item())


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("seed", [0, 1])
class TestEveryNetwork:
    def test_it_answers_the_same_and_costs_less(self, name, seed):
        build, shape = NETS[name]
        network, x = sparse(build(), seed=seed), samples(shape)
        before, state = network(x), deepcopy(network.state_dict())
        architecture = architecture_of_filled(network, x)
        assert all(torch.equal(a, b) for a, b in zip(state.values(), network.state_dict().values(), strict=True))
        small = filled(deepcopy(network), architecture=architecture)
        assert close(before, small(x))
        assert parameters(small) < parameters(network) and macs(small, x[:1]) < macs(network, x[:1])

    def test_its_architecture_is_plain_data_that_a_fresh_network_takes(self, name, seed):
        build, shape = NETS[name]
        network, x = sparse(build(), seed=seed), samples(shape)
        architecture = architecture_of_filled(network, x)
        small = filled(network, architecture=architecture)
        again = fresh(build, architecture=architecture).double().eval()
        again.load_state_dict(small.state_dict())
        assert torch.equal(small(x), again(x))

    def test_folding_constants_alone_changes_nothing(self, name, seed):
        build, shape = NETS[name]
        network, x = sparse(build(), seed=seed), samples(shape)
        before = network(x)
        assert close(before, fold_constants_(network, channels_of(network, x))(x))


def test_a_unit_that_always_says_the_same_goes_into_the_bias_of_the_next_layer():
    network = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        network[0].weight[1] = 0
        network[0].bias[1], network[2].weight[0, 1], network[2].bias[0] = 2.0, 3.0, 0.5
    small = filled(network, architecture=architecture_of_filled(network, torch.zeros(1, 3)))
    assert small[0].out_features == small[2].in_features == 1 and small[2].bias.item() == 6.5


@pytest.mark.parametrize(("bias", "goes"), [(-1.0, True), (1.0, False)])
def test_behind_a_padded_convolution_only_what_is_0_goes(bias, goes):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1))
    with torch.no_grad():
        network[0].weight[1] = 0
        network[0].bias[1] = bias
    x = torch.rand(2, 1, 6, 6)
    before = network(x)
    small = filled(network, architecture=architecture_of_filled(network, x))
    assert torch.allclose(before, small(x), atol=1e-6)
    assert small[0].out_channels == (1 if goes else 2)


def test_what_hears_a_sample_is_never_taken_for_a_constant():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(x + self.inner(x))

    network = Residual()
    with torch.no_grad():
        network.inner.weight[1:3] = 0
    x = torch.rand(3, 4)
    before = network(x)
    assert torch.allclose(before, fold_constants_(network, channels_of(network, x))(x)) and network.head.weight.all()


def test_a_layer_that_reads_nothing_stays_where_it_is_read():
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 3, 3, padding=1), nn.Flatten())
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.fill_(1.0)
    x = torch.rand(2, 1, 5, 5)
    before = network(x)
    small = filled(network, architecture=architecture_of_filled(network, x))
    assert torch.equal(before, small(x))


@torch.no_grad()
def test_a_compact_student_becomes_smaller_by_what_is_noise():
    student = variational_(lenet5()).eval()
    for _, layer in variational_layers(student):
        q = layer.posterior.log_variance
        q[::2] = 9.0  # of every second output all weights are noise
        q[:, 1::3] = 9.0
    student.head.posterior.log_variance[:, ::2] = -10.0  # but of the last layer no output
    plain, x = compacted(student), torch.rand(3, 1, 28, 28)
    small = filled(deepcopy(plain), architecture=architecture_of_filled(plain, x))
    torch.testing.assert_close(small(x), plain(x), rtol=1e-4, atol=1e-5)
    assert macs(small, x[:1]) < 0.5 * macs(plain, x[:1]) and "tutelage" not in type(small[0]).__module__
