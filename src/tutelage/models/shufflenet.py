"""ShuffleNets for 32 × 32 images: cheap convolutions within groups of channels, which are then shuffled.

Zhang et al., "ShuffleNet", 2018, arXiv:1707.01083; Ma et al., "ShuffleNet V2", 2018, arXiv:1807.11164; in the form of
the CIFAR-100 tables of Tian, Krishnan & Isola, 2020, arXiv:1910.10699: the stem is a 1 × 1 convolution at full
resolution, and no pooling follows it. Weights start as PyTorch's layers do.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tutelage.models.counts import is_real, refuse_counts

WIDTHS = {0.5: (48, 96, 192, 1024), 1.0: (116, 232, 464, 1024), 1.5: (176, 352, 704, 1024), 2.0: (244, 488, 976, 2048)}
"""Width of a ShuffleNetV2 -> channels of its three stages and of its last convolution."""


class Grouped(nn.Module):
    """The unit of V1: 1 × 1 in groups, shuffle, 3 × 3 by channel, 1 × 1 in groups; added to its input, or beside it.

    With a stride of 2 the input, averaged down, becomes the last channels of the output. ``relu3:input`` is the output
    before rectification.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int, first_groups: int) -> None:
        super().__init__()
        self.stride = stride
        channels = outputs - inputs if stride == 2 else outputs
        inside = channels // 4
        self.conv1 = nn.Conv2d(inputs, inside, 1, groups=first_groups, bias=False)
        self.norm1 = nn.BatchNorm2d(inside)
        self.relu1 = nn.ReLU()
        self.shuffle = nn.ChannelShuffle(first_groups)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False)
        self.norm2 = nn.BatchNorm2d(inside)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(inside, channels, 1, groups=groups, bias=False)
        self.norm3 = nn.BatchNorm2d(channels)
        self.shortcut = nn.AvgPool2d(3, 2, 1) if stride == 2 else nn.Identity()
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.shuffle(self.relu1(self.norm1(self.conv1(x))))
        y = self.relu2(self.norm2(self.conv2(y)))
        y, beside = self.norm3(self.conv3(y)), self.shortcut(x)
        rectified: Tensor = self.relu3(torch.cat([y, beside], 1) if self.stride == 2 else y + beside)
        return rectified


class Split(nn.Module):
    """The unit of V2: half of the channels pass, half are convolved, then both halves are shuffled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.right = nn.Sequential(_right(half, half, 1))
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        shuffled: Tensor = self.shuffle(torch.cat([left, self.right(right)], 1))
        return shuffled


class Down(nn.Module):
    """The unit of V2 that halves the resolution: both branches see all channels, and their outputs are shuffled."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        left: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(inputs, inputs, 3, 2, 1, groups=inputs, bias=False),
            norm1=nn.BatchNorm2d(inputs),
            conv2=nn.Conv2d(inputs, half, 1, bias=False),
            norm2=nn.BatchNorm2d(half),
            relu=nn.ReLU(),
        )
        self.left = nn.Sequential(left)
        self.right = nn.Sequential(_right(inputs, half, 2))
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        shuffled: Tensor = self.shuffle(torch.cat([self.left(x), self.right(x)], 1))
        return shuffled


def shufflenet_v1(num_classes: int = 100, *, num_channels: int = 3) -> nn.Sequential:
    """ShuffleNetV1 with 3 groups: stages of 4, 8 and 4 units, 240, 480 and 960 channels wide, each at half the size.

    Layers: ``stem, layer1, layer2, layer3, pool, flatten, head``. Raises ``ValueError`` for no class or no channel.

    >>> sum(p.numel() for p in shufflenet_v1().parameters())
    949258
    """
    refuse_counts("shufflenet_v1", num_classes=num_classes, num_channels=num_channels)
    layers, inputs = OrderedDict(stem=_convolved(num_channels, 24)), 24
    for stage, (channels, count) in enumerate(((240, 4), (480, 8), (960, 4)), start=1):
        units: OrderedDict[str, nn.Module] = OrderedDict()
        for place in range(1, count + 1):
            units[f"block{place}"] = Grouped(inputs, channels, 2 if place == 1 else 1, 3, 1 if inputs == 24 else 3)
            inputs = channels
        layers[f"layer{stage}"] = nn.Sequential(units)
    return _headed(layers, inputs, num_classes)


def shufflenet_v2(num_classes: int = 100, *, width: float = 1.0, num_channels: int = 3) -> nn.Sequential:
    """ShuffleNetV2 ×0.5, ×1, ×1.5 or ×2: stages of 4, 8 and 4 units, each at half the size of the one before.

    Layers: ``stem, layer1, layer2, layer3, last, pool, flatten, head``. Raises ``ValueError`` for another width, no
    class or no channel.

    >>> sum(p.numel() for p in shufflenet_v2().parameters())
    1355528
    """
    refuse_counts("shufflenet_v2", num_classes=num_classes, num_channels=num_channels)
    if not is_real(width) or width not in WIDTHS:
        raise ValueError(f"shufflenet_v2 takes {', '.join(map(str, WIDTHS))} as its width; got {width!r}.")
    layers, inputs = OrderedDict(stem=_convolved(num_channels, 24)), 24
    *widths, last = WIDTHS[width]
    for stage, (channels, count) in enumerate(zip(widths, (4, 8, 4), strict=True), start=1):
        units: OrderedDict[str, nn.Module] = OrderedDict(block1=Down(inputs, channels))
        for place in range(2, count + 1):
            units[f"block{place}"] = Split(channels)
        layers[f"layer{stage}"] = nn.Sequential(units)
        inputs = channels
    layers["last"] = _convolved(inputs, last)
    return _headed(layers, last, num_classes)


def example_inputs(count: int) -> Tensor:
    """Inputs for the default networks: ``count`` small images (count, 3, 16, 16) of noise in [0, 1)."""
    return torch.rand(count, 3, 16, 16)


def _right(inputs: int, half: int, stride: int) -> "OrderedDict[str, nn.Module]":
    return OrderedDict(
        conv1=nn.Conv2d(inputs, half, 1, bias=False),
        norm1=nn.BatchNorm2d(half),
        relu1=nn.ReLU(),
        conv2=nn.Conv2d(half, half, 3, stride, 1, groups=half, bias=False),
        norm2=nn.BatchNorm2d(half),
        conv3=nn.Conv2d(half, half, 1, bias=False),
        norm3=nn.BatchNorm2d(half),
        relu2=nn.ReLU(),
    )


def _convolved(inputs: int, channels: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, channels, 1, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(channels), relu=nn.ReLU()))


def _headed(layers: "OrderedDict[str, nn.Sequential]", channels: int, num_classes: int) -> nn.Sequential:
    head = nn.Linear(channels, num_classes)
    return nn.Sequential(OrderedDict(layers, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), head=head))
