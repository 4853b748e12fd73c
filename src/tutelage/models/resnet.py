"""Residual networks: the thin ones for 32 × 32 images, and those of four stages in both their forms.

All are what the CIFAR-100 tables of distillation were measured with: projection shortcuts (a 1 × 1 convolution with
batch normalisation) wherever the shape changes, where He et al. pad the shortcut of the thin ones with zeros. They
take images of any size, of ``num_channels`` channels. ``layer2`` is the address of a stage's output,
``layer2.block3.relu2:input`` that of the sum before its last rectification in a stage of three basic blocks,
``head:input`` that of the embedding.

He, Zhang, Ren & Sun, "Deep residual learning for image recognition", 2016, arXiv:1512.03385; the protocol is that of
Tian, Krishnan & Isola, "Contrastive representation distillation", 2020, arXiv:1910.10699.
"""

from collections import OrderedDict
from collections.abc import Iterable
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tutelage.models.counts import MOST_TIMES, refuse_counts, refuse_depth, refuse_other_depths

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Depth -> blocks in each of the four stages; they are bottlenecks from depth 50 on."""


class Basic(nn.Module):
    """Two 3 × 3 convolutions around a shortcut: ``relu(x' + F(x))``. The sum is ``relu2:input``."""

    growth = 1

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = _shortcut(inputs, channels, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y)) + self.shortcut(x)
        rectified: Tensor = self.relu2(y)
        return rectified


class Bottleneck(nn.Module):
    """A 3 × 3 convolution of a quarter of the channels, around a shortcut. The sum is ``relu3:input``."""

    growth = 4

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(channels, self.growth * channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(self.growth * channels)
        self.shortcut = _shortcut(inputs, self.growth * channels, stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.norm1(self.conv1(x)))
        y = self.relu2(self.norm2(self.conv2(y)))
        y = self.norm3(self.conv3(y)) + self.shortcut(x)
        rectified: Tensor = self.relu3(y)
        return rectified


Block: TypeAlias = type[Basic] | type[Bottleneck]


def resnet(depth: int = 8, num_classes: int = 100, *, width: int = 1, num_channels: int = 3) -> nn.Sequential:
    """The thin network of ``depth = 6n + 2`` layers: three stages of n basic blocks, 16, 32 and 64 channels wide.

    ``width`` multiplies them, and a network wider than 1 has a stem of 32 channels, as resnet8x4 and resnet32x4 do.
    Layers: ``stem, layer1, layer2, layer3, pool, flatten, head``; convolutions start from N(0, 2/fan_out).
    Raises ``ValueError`` for another depth, or a width or number of classes or channels below 1.

    >>> sum(p.numel() for p in resnet(20).parameters())
    278324
    """
    refuse_depth("resnet", depth, least=8, step=6)
    refuse_counts("resnet", num_classes=num_classes, num_channels=num_channels)
    refuse_counts("resnet", MOST_TIMES, width=width)
    first = 16 if width == 1 else 32
    stem = _convolved(num_channels, first, 3, 1)
    return _residual(stem, first, Basic, [16 * width, 32 * width, 64 * width], [(depth - 2) // 6] * 3, num_classes)


def four_stages(depth: int = 18, num_classes: int = 100, *, num_channels: int = 3) -> nn.Sequential:
    """ResNet-18, 34, 50, 101 or 152 for small images: a 3 × 3 stem that keeps their size, stages 64 to 512 wide.

    Layers: ``stem, layer1, …, layer4, pool, flatten, head``. Raises ``ValueError`` for another depth, no class or
    no channel.

    >>> sum(p.numel() for p in four_stages(18, num_classes=10).parameters())
    11173962
    """
    refuse_counts("four_stages", num_channels=num_channels)
    return _four_stages("four_stages", _convolved(num_channels, 64, 3, 1), depth, num_classes)


def imagenet_resnet(depth: int = 18, num_classes: int = 1000, *, num_channels: int = 3) -> nn.Sequential:
    """ResNet-18, 34, 50, 101 or 152 for ImageNet: a 7 × 7 stem and a pooling that leave a quarter of each side.

    The stride of a bottleneck is in its 3 × 3 convolution, as in common use ("v1.5"), not in the first one. Layers:
    ``stem, shrink, layer1, …, layer4, pool, flatten, head``. Raises ``ValueError`` for another depth or no class.

    >>> sum(p.numel() for p in imagenet_resnet(18).parameters())
    11689512
    """
    refuse_counts("imagenet_resnet", num_channels=num_channels)
    stem = OrderedDict(_convolved(num_channels, 64, 7, 2), shrink=nn.MaxPool2d(3, 2, 1))
    return _four_stages("imagenet_resnet", stem, depth, num_classes)


resnet8 = partial(resnet, 8)
resnet14 = partial(resnet, 14)
resnet20 = partial(resnet, 20)
resnet26 = partial(resnet, 26)
resnet32 = partial(resnet, 32)
resnet44 = partial(resnet, 44)
resnet56 = partial(resnet, 56)
resnet110 = partial(resnet, 110)
resnet8x4 = partial(resnet, 8, width=4)
resnet32x4 = partial(resnet, 32, width=4)
resnet18 = partial(four_stages, 18)
resnet34 = partial(four_stages, 34)
resnet50 = partial(four_stages, 50)


def he_fan_out_(model: nn.Module) -> nn.Module:
    """``model``, its convolutions drawn from N(0, 2/fan_out), fan_out = kernel · outputs; their biases 0.

    Keeps the size of gradients through rectified layers. He et al., 2015, arXiv:1502.01852, eq. 14.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def example_inputs(count: int) -> Tensor:
    """Inputs for the default networks: ``count`` small images (count, 3, 16, 16) of noise in [0, 1)."""
    return torch.rand(count, 3, 16, 16)


def _convolved(inputs: int, channels: int, size: int, stride: int) -> "OrderedDict[str, nn.Module]":
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(inputs, channels, size, stride, size // 2, bias=False),
        norm=nn.BatchNorm2d(channels),
        relu=nn.ReLU(),
    )
    return OrderedDict(stem=nn.Sequential(layers))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(outputs)))


def _four_stages(network: str, layers: "OrderedDict[str, nn.Module]", depth: int, num_classes: int) -> nn.Sequential:
    refuse_other_depths(network, depth, BLOCKS)
    refuse_counts(network, num_classes=num_classes)
    block: Block = Basic if depth < 50 else Bottleneck
    return _residual(layers, 64, block, [64, 128, 256, 512], BLOCKS[depth], num_classes)


def _residual(
    layers: "OrderedDict[str, nn.Module]",
    channels: int,
    block: Block,
    widths: Iterable[int],
    blocks: Iterable[int],
    num_classes: int,
) -> nn.Sequential:
    """``layers``, which leave ``channels``, then stages of ``block``, each but the first at half the resolution."""
    for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
        inside: OrderedDict[str, nn.Module] = OrderedDict()
        for place in range(1, count + 1):
            inside[f"block{place}"] = block(channels, width, 2 if place == 1 < stage else 1)
            channels = width * block.growth
        layers[f"layer{stage}"] = nn.Sequential(inside)
    layers.update(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=nn.Linear(channels, num_classes))
    model = nn.Sequential(layers)
    he_fan_out_(model)
    return model
