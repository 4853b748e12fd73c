"""Small networks of every supported kind, and closed gates, for tests of channels and their removal."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tutelage.compress.structure.alive import settled
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, macs, parameters
from tutelage.compress.structure.graph import Closed
from tutelage.compress.structure.removal import without
from tutelage.copies import copy_of
from tutelage.measures import cost as measured
from tutelage.models.densenet import densenet, densenet_bc
from tutelage.models.fitnet import thin_deep
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.models.mobilenet import mobilenet_v2
from tutelage.models.plain_cnn import narrow_cnn
from tutelage.models.resnet import Bottleneck, resnet
from tutelage.models.shufflenet import Down, Grouped, Split
from tutelage.models.vgg import vgg
from tutelage.models.wide_resnet import wide_resnet


def _on_a_stem(channels, outputs, *blocks):
    stem = OrderedDict(conv=nn.Conv2d(3, channels, 3, 1, 1, bias=False), norm=nn.BatchNorm2d(channels), relu=nn.ReLU())
    layers = OrderedDict(stem=nn.Sequential(stem), body=nn.Sequential(*blocks))
    layers.update(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=nn.Linear(outputs, 5))
    return nn.Sequential(layers)


def bottlenecks():
    return _on_a_stem(8, 32, Bottleneck(8, 4, 1), Bottleneck(16, 4, 1), Bottleneck(16, 8, 2), Bottleneck(32, 8, 1))


def shuffled_v1():
    return _on_a_stem(24, 48, Grouped(24, 48, 2, 3, 1), Grouped(48, 48, 1, 3, 3))


class Aggregated(nn.Module):
    """A bottleneck whose middle layer works in groups, as in ResNeXt, then one that makes two maps of each of its."""

    def __init__(self, channels, width, groups):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, 1, 1, groups=groups), nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 2 * width, 3, 1, 1, groups=width, bias=False)
        self.conv4, self.norm4 = nn.Conv2d(2 * width, channels, 1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x):
        y = torch.relu(self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x))))))
        return torch.relu(x + self.norm4(self.conv4(torch.relu(self.conv3(y)))))


def aggregated():
    return _on_a_stem(8, 8, Aggregated(8, 12, 3), Aggregated(8, 8, 2), nn.Conv2d(8, 8, 3, 2, groups=4))


def shuffled_v2():
    return _on_a_stem(8, 16, Down(8, 16), Split(16), Split(16))


IMAGE = (3, 16, 16)
NETWORKS = {
    "mlp": (lambda: mlp((12, 20, 16, 5)), (12,)),
    "mlp with dropout": (lambda: mlp((12, 20, 16, 5), dropout=0.5, input_dropout=0.2), (12,)),
    "lenet": (lenet5, (1, 28, 28)),
    "plain cnn": (lambda: narrow_cnn(2, 5), (3, 32, 32)),
    "plain cnn with a hidden layer": (lambda: narrow_cnn(8, 5), (3, 32, 32)),
    "vgg": (lambda: vgg(8, 5), (3, 8, 8)),
    "resnet": (lambda: resnet(14, 5), IMAGE),
    "bottlenecks": (bottlenecks, IMAGE),
    "mobilenet": (lambda: mobilenet_v2(5, width=0.125), IMAGE),
    "densenet": (lambda: densenet(10, 4, 5), IMAGE),
    "densenet-bc": (lambda: densenet_bc(16, 4, 5, dropout=0.1), IMAGE),
    "wide resnet": (lambda: wide_resnet(16, 1, 5), IMAGE),
    "maxout": (lambda: thin_deep(((8, 8), (8, 16)), 5, hidden=20), IMAGE),
    "in groups": (aggregated, IMAGE),
    "shufflenet v1": (shuffled_v1, IMAGE),
    "shufflenet v2": (shuffled_v2, IMAGE),
}


def network(name):
    """A network with norms as a training leaves them, in float64, and the shape of a sample of it."""
    build, sample = NETWORKS[name]
    torch.manual_seed(0)
    return trained(build()), sample


def trained(model):
    """``model`` in float64, its norms as a training leaves them.

    Their ε is large: what hardly varies in a batch would otherwise have its rounding multiplied by 300 in each norm.
    """
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eps = 0.1
            for values in (module.weight, module.bias, module.running_mean):
                nn.init.normal_(values)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.double()


def found(model, sample):
    return channels_of(model, torch.zeros((1, *sample), dtype=torch.float64))


def some(channels, share, branches=0.0, seed=0):
    """A random ``share`` of the gates closed, and of the branches."""
    g = torch.Generator().manual_seed(seed)
    inputs = {name: torch.rand(reader.gates, generator=g) < share for name, reader in channels.readers.items()}
    ends = [name for name in channels.branches if torch.rand((), generator=g) < branches]
    return Closed(inputs, frozenset(ends))


def gated(model, channels, closed):
    """``model`` with what is closed multiplied by zero where it is read, and where a branch ends: by hooks."""
    copy = copy_of(model)
    for name, shut in settled(channels, closed).inputs.items():
        reader, layer = channels.readers[name], copy.get_submodule(name)
        shape = (-1,) if isinstance(layer, nn.Linear) else (-1, *[1] * (layer.weight.ndim - 2))
        factor = (~shut[reader.slots]).double().repeat(getattr(layer, "groups", 1)).view(shape)
        layer.register_forward_pre_hook(
            lambda _layer, args, named, factor=factor: ((next(iter((*args, *named.values()))) * factor,), {}),
            with_kwargs=True,
        )
    for name in settled(channels, closed).branches:
        copy.get_submodule(name).register_forward_hook(lambda _layer, _args, out: out * 0.0)
    return copy


def answers(model, sample, training, samples=6):
    """What the network answers to noise; of what is random in training, only norms are in train mode."""
    copy = copy_of(model).eval()
    for module in copy.modules():
        module.training = training and isinstance(module, _BatchNorm)
    x = torch.randn((samples, *sample), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        return copy(x)


def assert_removed_exactly(model, sample, channels, closed):
    """The network without what is closed, which answers as the one with it at zero, and costs what was counted."""
    smaller = without(model, channels, closed)
    for training in (False, True):
        expected = answers(gated(model, channels, closed), sample, training)
        torch.testing.assert_close(answers(smaller, sample, training), expected, rtol=1e-9, atol=1e-9)
    example = torch.zeros((1, *sample), dtype=torch.float64)
    assert measured.macs(smaller, example) == cost(channels, macs, closed)
    assert measured.parameters(smaller) == cost(channels, parameters, closed)
    return smaller
