"""Thin networks that are deeper than their teacher: FitNets, of maxout units.

Romero et al., "FitNets: Hints for Thin Deep Nets", 2015, arXiv:1412.6550, and their code: 3 × 3 convolutions in three
stages, the best of two maps in each place (maxout), pooling by 2, and in the end the largest value of each map. Here
each convolution is followed by batch normalisation, which was not known then: without it the deeper ones hardly learn
from labels alone.
"""

from collections import OrderedDict
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tutelage.models.counts import MOST_LAYERS, MOST_UNITS, is_whole, refuse_counts
from tutelage.models.resnet import he_fan_out_

Stages: TypeAlias = tuple[tuple[int, ...], ...]
"""The widths of the convolutions in each stage, shallow to deep."""
PIECES = 2
FITNETS: dict[int, Stages] = {
    1: ((16, 16, 16), (32, 32, 32), (48, 48, 64)),
    2: ((16, 32, 32), (48, 64, 80), (96, 96, 128)),
    4: ((32, 32, 32, 48, 48), (80,) * 6, (128,) * 6),
}
"""Published networks by their numbers: of 11, 11 and 19 layers, the hidden one and the last one included.

Without biases and norms and for ten classes they have 249,576, 861,928 and 2,544,712 weights: "~250K", "~862K" and
"~2.5M" in the paper's table 1.
"""


class Maxout(nn.Module):
    """The larger of two pieces of each channel, or unit: ``max(x_k, x_(k + n))`` of ``2n``.

    Goodfellow et al., "Maxout Networks", ICML 2013, arXiv:1302.4389.

    >>> Maxout()(torch.tensor([[1.0, 3.0, -2.0, -1.0]]))
    tensor([[1., 3.]])
    """

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(*x.chunk(PIECES, 1))  # keeps the layout, and is twice as fast as a largest of a dimension


def thin_deep(
    stages: Stages = FITNETS[1], num_classes: int = 100, *, hidden: int = 500, num_channels: int = 3
) -> nn.Sequential:
    """A maxout network of any depth and width: one convolution for each number of ``stages``.

    Images (N, ``num_channels``, H, W); each stage but the last is pooled by 2. Layers: ``layer1, pool1, layer2, …,
    pool, flatten, hidden, maxout, head``; weights of convolutions start from N(0, 2/fan_out). Raises ``ValueError`` for
    stages that are no numbers of channels, none at all, and more than 2000 of them.

    >>> model = thin_deep(((8, 8), (16, 16)), 10)
    >>> sum(isinstance(layer, torch.nn.Conv2d) for layer in model.modules()), model(torch.rand(2, 3, 16, 16)).shape
    (4, torch.Size([2, 10]))
    """
    _refuse_no_stages(stages)
    refuse_counts("thin_deep", num_classes=num_classes, hidden=hidden, num_channels=num_channels)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = num_channels
    for place, widths in enumerate(stages, start=1):
        layers[f"layer{place}"] = _stage(inputs, widths)
        if place < len(stages):
            layers[f"pool{place}"] = nn.MaxPool2d(2)
        inputs = widths[-1]
    layers.update(pool=nn.AdaptiveMaxPool2d(1), flatten=nn.Flatten())
    layers.update(hidden=nn.Linear(inputs, PIECES * hidden), maxout=Maxout(), head=nn.Linear(hidden, num_classes))
    model = nn.Sequential(layers)
    he_fan_out_(model)
    return model


fitnet1 = partial(thin_deep, FITNETS[1])
fitnet2 = partial(thin_deep, FITNETS[2])
fitnet4 = partial(thin_deep, FITNETS[4])


def example_inputs(count: int) -> Tensor:
    """Inputs for the default network: ``count`` small images (count, 3, 16, 16) of noise in [0, 1)."""
    return torch.rand(count, 3, 16, 16)


def _stage(inputs: int, widths: tuple[int, ...]) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for place, width in enumerate(widths, start=1):
        layers[f"conv{place}"] = nn.Conv2d(inputs, PIECES * width, 3, 1, 1)
        layers[f"norm{place}"] = nn.BatchNorm2d(PIECES * width)
        layers[f"maxout{place}"] = Maxout()
        inputs = width
    return nn.Sequential(layers)


def _refuse_no_stages(stages: Stages) -> None:
    lists = isinstance(stages, tuple | list) and all(isinstance(widths, tuple | list) and widths for widths in stages)
    numbers = [width for widths in stages for width in widths] if lists else []
    if not 1 <= len(numbers) <= MOST_LAYERS or not all(is_whole(x) and 1 <= x <= MOST_UNITS for x in numbers):
        raise ValueError(
            f"thin_deep takes the widths of its convolutions, stage by stage, such as ((16, 16), (32, 32)), up to "
            f"{MOST_LAYERS} of them; got {stages!r}."
        )
