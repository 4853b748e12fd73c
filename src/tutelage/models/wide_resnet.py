"""Wide residual networks: pre-activation blocks, 16, 32 and 64 channels times a factor.

Zagoruyko & Komodakis, "Wide residual networks", 2016, arXiv:1605.07146. A shortcut is a 1 × 1 convolution, without
normalisation and of the rectified input, where the number of channels changes, and the identity elsewhere. A stage's
output (``layer2``) is the bare sum of its last block; the rectified one is met first in the next stage.
"""

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn

from tutelage.models.counts import MOST_TIMES, refuse_counts, refuse_depth, refuse_dropout
from tutelage.models.dropout import FastDropout
from tutelage.models.resnet import he_fan_out_


class PreActivated(nn.Module):
    """``x' + conv2(relu(norm(conv1(a))))`` with ``a = relu(norm(x))``; ``x'`` is ``x``, or ``a`` projected."""

    def __init__(self, inputs: int, channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.dropout = FastDropout(dropout)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.projects = inputs != channels
        self.shortcut = nn.Conv2d(inputs, channels, 1, stride, bias=False) if self.projects else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        a = self.relu1(self.norm1(x))
        y = self.dropout(self.relu2(self.norm2(self.conv1(a))))
        total: Tensor = self.conv2(y) + self.shortcut(a if self.projects else x)
        return total


def wide_resnet(
    depth: int = 16, width: int = 1, num_classes: int = 100, *, dropout: float = 0.0, num_channels: int = 3
) -> nn.Sequential:
    """WRN-depth-width: ``depth = 6n + 4`` layers in three stages of n blocks, 16, 32 and 64 times ``width`` wide.

    ``dropout`` is of the activations between the two convolutions of a block. Layers: ``stem, layer1, layer2, layer3,
    norm, relu, pool, flatten, head``; convolutions start from N(0, 2/fan_out), the head's bias at 0.
    Raises ``ValueError`` for another depth, a width or number of classes or channels below 1, or a dropout not
    in [0, 1).

    >>> sum(p.numel() for p in wide_resnet(16, 2).parameters())
    703284
    """
    refuse_depth("wide_resnet", depth, least=10, step=6)
    refuse_counts("wide_resnet", num_classes=num_classes, num_channels=num_channels)
    refuse_counts("wide_resnet", MOST_TIMES, width=width)
    refuse_dropout("wide_resnet", dropout=dropout)
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=nn.Conv2d(num_channels, 16, 3, 1, 1, bias=False))
    inputs = 16
    for stage, channels in enumerate((16 * width, 32 * width, 64 * width), start=1):
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for place in range(1, (depth - 4) // 6 + 1):
            blocks[f"block{place}"] = PreActivated(inputs, channels, 2 if place == 1 < stage else 1, dropout)
            inputs = channels
        layers[f"layer{stage}"] = nn.Sequential(blocks)
    head = nn.Linear(inputs, num_classes)
    nn.init.zeros_(head.bias)
    layers.update(norm=nn.BatchNorm2d(inputs), relu=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
    model = nn.Sequential(OrderedDict(layers, head=head))
    he_fan_out_(model)
    return model


wrn_16_1 = partial(wide_resnet, 16, 1)
wrn_16_2 = partial(wide_resnet, 16, 2)
wrn_40_1 = partial(wide_resnet, 40, 1)
wrn_40_2 = partial(wide_resnet, 40, 2)
wrn_28_10 = partial(wide_resnet, 28, 10)


def example_inputs(count: int) -> Tensor:
    """Inputs for the default network: ``count`` small images (count, 3, 16, 16) of noise in [0, 1)."""
    return torch.rand(count, 3, 16, 16)
