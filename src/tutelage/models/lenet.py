"""LeNet-5 as the compression papers use it: two convolutions, two linear layers, on MNIST.

LeCun et al., "Gradient-based learning applied to document recognition", 1998, gave the name; this is the network of
431,080 weights that came with Caffe and that Han et al., "Deep compression", 2016, arXiv:1510.00149, compress from
1,720 KB to 44 KB. Their LeNet-300-100 is ``mlp((784, 300, 100, 10))``.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tutelage.models.counts import refuse_counts


def lenet5(
    num_classes: int = 10, *, num_channels: int = 1, first: int = 20, second: int = 50, units: int = 500
) -> nn.Sequential:
    """5 × 5 convolutions to 20 and 50 channels, each pooled by 2, then 500 rectified units: (N, 1, 28, 28) images.

    The convolutions have no rectification of their own. Layers: ``conv1, pool1, conv2, pool2, flatten, hidden, relu,
    head``; weights start as PyTorch's layers do. Other channels (``first``, ``second``) and units are not published.
    Raises ``ValueError`` for no class, no channel, or no unit.

    >>> sum(p.numel() for p in lenet5().parameters())
    431080
    """
    refuse_counts("lenet5", num_classes=num_classes, num_channels=num_channels, first=first, second=second, units=units)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(num_channels, first, 5),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(first, second, 5),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        hidden=nn.Linear(16 * second, units),
        relu=nn.ReLU(),
        head=nn.Linear(units, num_classes),
    )
    return nn.Sequential(layers)


def example_inputs(count: int) -> Tensor:
    """Inputs for the default network: ``count`` images (count, 1, 28, 28) of noise in [0, 1)."""
    return torch.rand(count, 1, 28, 28)
