"""VGG networks for 32 × 32 images: 3 × 3 convolutions with batch normalisation, one linear layer on the mean.

Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015, arXiv:1409.1556, in
the form of the CIFAR-100 tables of Tian, Krishnan & Isola, 2020, arXiv:1910.10699: the last two stages work at the
same resolution, an eighth of the image, and two of the three linear layers are left out.
"""

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn

from tutelage.models.counts import refuse_counts, refuse_other_depths
from tutelage.models.resnet import he_fan_out_

CONVOLUTIONS = {8: (1, 1, 1, 1, 1), 11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Depth as it is named -> convolutions in each of the five stages."""


def vgg(depth: int = 8, num_classes: int = 100, *, num_channels: int = 3) -> nn.Sequential:
    """VGG-8, 11, 13, 16 or 19: five stages 64, 128, 256, 512 and 512 wide, pooled after the first three.

    The sides of an image are 8 or more. Layers: ``layer1, pool1, …, layer3, pool3, layer4, layer5, pool, flatten,
    head``; convolutions start from N(0, 2/fan_out), the head from N(0, 0.01²), all biases at 0.
    Raises ``ValueError`` for another depth, no class or no channel.

    >>> sum(p.numel() for p in vgg(8).parameters())
    3965028
    """
    refuse_other_depths("vgg", depth, CONVOLUTIONS)
    refuse_counts("vgg", num_classes=num_classes, num_channels=num_channels)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = num_channels
    for stage, (channels, count) in enumerate(zip((64, 128, 256, 512, 512), CONVOLUTIONS[depth], strict=True), start=1):
        layers[f"layer{stage}"] = _stage(inputs, channels, count)
        if stage < 4:
            layers[f"pool{stage}"] = nn.MaxPool2d(2)
        inputs = channels
    head = nn.Linear(inputs, num_classes)
    nn.init.normal_(head.weight, std=0.01)
    nn.init.zeros_(head.bias)
    layers.update(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=head)
    model = nn.Sequential(layers)
    he_fan_out_(model)
    return model


vgg8 = partial(vgg, 8)
vgg11 = partial(vgg, 11)
vgg13 = partial(vgg, 13)
vgg16 = partial(vgg, 16)
vgg19 = partial(vgg, 19)


def example_inputs(count: int) -> Tensor:
    """Inputs for the default network: ``count`` small images (count, 3, 16, 16) of noise in [0, 1)."""
    return torch.rand(count, 3, 16, 16)


def _stage(inputs: int, channels: int, count: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for place in range(1, count + 1):
        layers[f"conv{place}"] = nn.Conv2d(inputs if place == 1 else channels, channels, 3, 1, 1)
        layers[f"norm{place}"] = nn.BatchNorm2d(channels)
        layers[f"relu{place}"] = nn.ReLU()
    return nn.Sequential(layers)
