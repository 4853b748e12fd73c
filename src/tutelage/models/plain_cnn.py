"""The plain convolutional networks of 2 to 10 layers between which teacher assistants stand.

Mirzadeh et al., "Improved knowledge distillation via teacher assistant", 2020, arXiv:1902.03393, and their code: 3 × 3
convolutions with bias, batch normalisation and rectification; pooling by 2; linear layers on all that is left.
"""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tutelage.models.counts import refuse_counts, refuse_other_depths


@dataclass(frozen=True)
class Widths:
    """The widths of the convolutions of each stage, how many stages are pooled, and the width of the hidden layer."""

    stages: tuple[tuple[int, ...], ...]
    pools: int
    hidden: tuple[int, ...] = ()


FOR_10_CLASSES = {
    2: Widths(((16,), (16,)), 2),
    4: Widths(((16, 16), (32, 32)), 2),
    6: Widths(((16, 16), (32, 32), (64, 64)), 3),
    8: Widths(((16, 16), (32, 32), (64, 64), (128, 128)), 4, (64,)),
    10: Widths(((32, 32), (64, 64), (128, 128), (256, 256, 256, 256)), 4, (128,)),
}
"""The networks of the paper for CIFAR-10, by the number they are named for: all convolutions, but no linear layer."""
FOR_100_CLASSES = {
    2: Widths(((32,), (32,)), 2),
    4: Widths(((32, 32), (64, 64)), 2),
    6: Widths(((32, 32), (64, 64), (128, 128)), 2),  # the last stage is not pooled, in the paper as in its code
    8: Widths(((32, 32), (64, 64), (128, 128), (256, 256)), 4, (64,)),
    10: Widths(((32, 32), (64, 64), (128, 128), (256, 256, 256, 256)), 4, (512,)),
}
"""The networks of the paper for CIFAR-100."""


def narrow_cnn(depth: int = 2, num_classes: int = 10, *, num_channels: int = 3) -> nn.Sequential:
    """The plain network of 2, 4, 6, 8 or 10 convolutions that the paper uses on CIFAR-10: (N, 3, 32, 32) images.

    Layers: ``layer1, pool1, layer2, pool2, …, flatten, head``, from depth 8 on ``hidden, relu`` before the head;
    weights start as PyTorch's layers do. Raises ``ValueError`` for another depth, no class or no channel.

    >>> sum(p.numel() for p in narrow_cnn(2).parameters())
    13082
    """
    return _plain("narrow_cnn", FOR_10_CLASSES, depth, num_classes, num_channels)


def wide_cnn(depth: int = 2, num_classes: int = 100, *, num_channels: int = 3) -> nn.Sequential:
    """The plain network of 2, 4, 6, 8 or 10 convolutions that the paper uses on CIFAR-100: (N, 3, 32, 32) images.

    Layers as in ``narrow_cnn``, but for ``pool3`` at depth 6. Raises ``ValueError`` for another depth, no class or no
    channel.

    >>> sum(p.numel() for p in wide_cnn(2).parameters())
    215172
    """
    return _plain("wide_cnn", FOR_100_CLASSES, depth, num_classes, num_channels)


def example_inputs(count: int) -> Tensor:
    """Inputs for the default networks: ``count`` images (count, 3, 32, 32) of noise in [0, 1)."""
    return torch.rand(count, 3, 32, 32)


def _plain(network: str, plans: dict[int, Widths], depth: int, num_classes: int, num_channels: int) -> nn.Sequential:
    refuse_other_depths(network, depth, plans)
    refuse_counts(network, num_classes=num_classes, num_channels=num_channels)
    plan, inputs = plans[depth], num_channels
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for stage, widths in enumerate(plan.stages, start=1):
        layers[f"layer{stage}"] = _stage(inputs, widths)
        if stage <= plan.pools:
            layers[f"pool{stage}"] = nn.MaxPool2d(2)
        inputs = widths[-1]
    layers["flatten"] = nn.Flatten()
    inputs *= (32 >> plan.pools) ** 2
    for width in plan.hidden:
        layers.update(hidden=nn.Linear(inputs, width), relu=nn.ReLU())
        inputs = width
    layers["head"] = nn.Linear(inputs, num_classes)
    return nn.Sequential(layers)


def _stage(inputs: int, widths: tuple[int, ...]) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for place, width in enumerate(widths, start=1):
        layers[f"conv{place}"] = nn.Conv2d(inputs, width, 3, 1, 1)
        layers[f"norm{place}"] = nn.BatchNorm2d(width)
        layers[f"relu{place}"] = nn.ReLU()
        inputs = width
    return nn.Sequential(layers)
