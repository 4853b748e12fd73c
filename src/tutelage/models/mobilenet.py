"""MobileNetV2 for 32 × 32 images: inverted residuals with linear bottlenecks.

Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018, arXiv:1801.04381, in the form of the
CIFAR-100 tables of Tian, Krishnan & Isola, 2020, arXiv:1910.10699: half as wide, plain rectification (the paper caps
it at 6), the second stage at full resolution, an expansion by 1 × 1 convolution even where it expands by 1, and no
dropout.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tutelage.models.counts import MOST_TIMES, refuse_beyond, refuse_counts
from tutelage.models.resnet import he_fan_out_

STAGES = ((1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and first stride of each of the seven stages."""


class InvertedResidual(nn.Module):
    """Expand, filter each channel alone, project linearly; added to the input where the shape allows it."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        inside = inputs * expansion
        self.expand = nn.Conv2d(inputs, inside, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(inside)
        self.relu1 = nn.ReLU()
        self.filter = nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False)
        self.norm2 = nn.BatchNorm2d(inside)
        self.relu2 = nn.ReLU()
        self.project = nn.Conv2d(inside, outputs, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(outputs)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.norm1(self.expand(x)))
        y = self.relu2(self.norm2(self.filter(y)))
        y = self.norm3(self.project(y))
        linear: Tensor = x + y if self.adds else y
        return linear


def mobilenet_v2(num_classes: int = 100, *, width: float = 0.5, num_channels: int = 3) -> nn.Sequential:
    """MobileNetV2 with its channels multiplied by ``width`` and rounded down; 1280 at the end, more only above 1.

    The stem and three stages halve the resolution. Layers: ``stem, layer1, …, layer7, last, pool, flatten, head``;
    the output of a stage is linear. Convolutions start from N(0, 2/fan_out), the head from N(0, 0.01²), biases at 0.
    Raises ``ValueError`` for a width that leaves no channel, no class, or no channel of the pictures.

    >>> sum(p.numel() for p in mobilenet_v2().parameters())
    812836
    """
    refuse_counts("mobilenet_v2", num_classes=num_classes, num_channels=num_channels)
    refuse_beyond("mobilenet_v2", "width", width, 1 / 16, MOST_TIMES)
    channels = int(32 * width)
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=_convolved(num_channels, channels, 3, 2))
    for stage, (expansion, wide, count, stride) in enumerate(STAGES, start=1):
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for place in range(1, count + 1):
            outputs = int(wide * width)
            blocks[f"block{place}"] = InvertedResidual(channels, outputs, stride if place == 1 else 1, expansion)
            channels = outputs
        layers[f"layer{stage}"] = nn.Sequential(blocks)
    last = int(1280 * max(width, 1.0))
    head = nn.Linear(last, num_classes)
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)
    layers["last"] = _convolved(channels, last, 1, 1)
    layers.update(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=head)
    model = nn.Sequential(layers)
    he_fan_out_(model)
    return model


def example_inputs(count: int) -> Tensor:
    """Inputs for the default network: ``count`` images (count, 3, 32, 32) of noise in [0, 1)."""
    return torch.rand(count, 3, 32, 32)


def _convolved(inputs: int, channels: int, size: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, channels, size, stride, size // 2, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(channels), relu=nn.ReLU()))
