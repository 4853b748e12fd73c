"""Densely connected networks for 32 × 32 images, with and without bottlenecks and compression.

Huang, Liu, van der Maaten & Weinberger, "Densely connected convolutional networks", 2017, arXiv:1608.06993. Each layer
sees everything that was computed before it in its block; ``layer1`` is the output of a block before the transition.
"""

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn

from tutelage.models.counts import refuse_beyond, refuse_counts, refuse_depth, refuse_dropout
from tutelage.models.dropout import FastDropout
from tutelage.models.resnet import he_fan_out_


class Plain(nn.Module):
    """``x`` and ``growth`` channels more, a 3 × 3 convolution of the normalised, rectified ``x``."""

    def __init__(self, inputs: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(inputs, growth, 3, 1, 1, bias=False)
        self.dropout = FastDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.dropout(self.conv(self.relu(self.norm(x))))], 1)


class Bottlenecked(nn.Module):
    """``x`` and ``growth`` channels more, by a 1 × 1 convolution to ``4 · growth`` channels and a 3 × 3 one."""

    def __init__(self, inputs: int, growth: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.dropout1 = FastDropout(dropout)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, 1, 1, bias=False)
        self.dropout2 = FastDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dropout1(self.conv1(self.relu1(self.norm1(x))))
        return torch.cat([x, self.dropout2(self.conv2(self.relu2(self.norm2(y))))], 1)


def densenet(
    depth: int = 40, growth: int = 12, num_classes: int = 100, *, dropout: float = 0.0, num_channels: int = 3
) -> nn.Sequential:
    """DenseNet-depth-growth: ``depth = 3n + 4`` layers in three blocks of n, each layer with ``growth`` channels more.

    The stem has 16 channels, transitions keep theirs; ``dropout`` follows every convolution but the first (0.2 in the
    paper where images are not augmented). Layers: ``stem, layer1, transition1, layer2, transition2, layer3, norm,
    relu, pool, flatten, head``; convolutions start from N(0, 2/fan_out), the head's bias at 0.
    Raises ``ValueError`` for another depth, a growth or number of classes or channels below 1, or a dropout not in
    [0, 1).

    >>> sum(p.numel() for p in densenet(40, 12, num_classes=10).parameters())
    1019722
    """
    refuse_depth("densenet", depth, least=7, step=3)
    refuse_counts("densenet", growth=growth, num_classes=num_classes, num_channels=num_channels)
    refuse_dropout("densenet", dropout=dropout)
    stem = nn.Conv2d(num_channels, 16, 3, 1, 1, bias=False)
    return _dense(Plain, stem, (depth - 4) // 3, growth, 1.0, num_classes, dropout)


def densenet_bc(
    depth: int = 40,
    growth: int = 12,
    num_classes: int = 100,
    *,
    compression: float = 0.5,
    dropout: float = 0.0,
    num_channels: int = 3,
) -> nn.Sequential:
    """DenseNet-BC-depth-growth: ``depth = 6n + 4`` layers in three blocks of n bottlenecks.

    The stem has ``2 · growth`` channels, and a transition leaves the part ``compression`` of its channels, rounded
    down to one at least. Layers, start and dropout are those of ``densenet``. Raises ``ValueError`` for another depth,
    a growth or number of classes or channels below 1, a compression not in [0.01, 1], or a dropout not in [0, 1).

    >>> sum(p.numel() for p in densenet_bc(100, 12, num_classes=10).parameters())
    769162
    """
    refuse_depth("densenet_bc", depth, least=10, step=6)
    refuse_counts("densenet_bc", growth=growth, num_classes=num_classes, num_channels=num_channels)
    refuse_dropout("densenet_bc", dropout=dropout)
    refuse_beyond("densenet_bc", "compression", compression, 0.01, 1)
    stem = nn.Conv2d(num_channels, 2 * growth, 3, 1, 1, bias=False)
    return _dense(Bottlenecked, stem, (depth - 4) // 6, growth, compression, num_classes, dropout)


densenet_bc_100_12 = partial(densenet_bc, 100, 12)


def example_inputs(count: int) -> Tensor:
    """Inputs for the default networks: ``count`` small images (count, 3, 16, 16) of noise in [0, 1)."""
    return torch.rand(count, 3, 16, 16)


def _dense(
    unit: type[Plain] | type[Bottlenecked],
    stem: nn.Conv2d,
    count: int,
    growth: int,
    compression: float,
    num_classes: int,
    dropout: float,
) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
    channels = stem.out_channels
    for stage in (1, 2, 3):
        units: OrderedDict[str, nn.Module] = OrderedDict()
        for place in range(count):
            units[f"unit{place + 1}"] = unit(channels + place * growth, growth, dropout)
        layers[f"layer{stage}"] = nn.Sequential(units)
        channels += count * growth
        if stage < 3:
            kept = max(1, int(channels * compression))
            layers[f"transition{stage}"] = _transition(channels, kept, dropout)
            channels = kept
    head = nn.Linear(channels, num_classes)
    nn.init.zeros_(head.bias)
    layers.update(norm=nn.BatchNorm2d(channels), relu=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
    model = nn.Sequential(OrderedDict(layers, head=head))
    he_fan_out_(model)
    return model


def _transition(channels: int, kept: int, dropout: float) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        norm=nn.BatchNorm2d(channels),
        relu=nn.ReLU(),
        conv=nn.Conv2d(channels, kept, 1, bias=False),
        dropout=FastDropout(dropout),
        pool=nn.AvgPool2d(2),
    )
    return nn.Sequential(layers)
