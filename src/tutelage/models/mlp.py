"""Networks of fully connected layers, such as those of Hinton's MNIST experiment."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from tutelage.models.counts import MOST_LAYERS, refuse_counts, refuse_dropout
from tutelage.models.dropout import FastDropout


def mlp(
    widths: Sequence[int] = (784, 800, 800, 10),
    *,
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    bias: bool = True,
) -> nn.Sequential:
    """Rectified linear layers of the given widths, inputs and classes included: (N, 1, 28, 28) or (N, 784) -> (N, 10).

    The layers are called ``flatten, hidden1, relu1, hidden2, relu2, …, output``, and ``dropout0`` (of the inputs),
    ``dropout1, …`` where units are dropped. Inputs are floats, for images in [0, 1]. Weights and biases start as
    PyTorch's linear layers do, uniform in ``±1/√fan_in``; ``he_`` draws them again, larger.
    Raises ``ValueError`` for fewer than two widths, one below 1, or a dropout that is not in [0, 1).

    >>> list(dict(mlp((4, 3, 2)).named_children()))
    ['flatten', 'hidden1', 'relu1', 'output']
    """
    if not isinstance(widths, Sequence) or isinstance(widths, str) or not 2 <= len(widths) <= MOST_LAYERS:
        raise ValueError(f"mlp takes two widths or more: inputs, hidden layers, classes; got {widths!r}.")
    for width in widths:
        refuse_counts("mlp", width=width)
    refuse_dropout("mlp", dropout=dropout, input_dropout=input_dropout)
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    if input_dropout:
        layers["dropout0"] = FastDropout(input_dropout)
    for place, (below, width) in enumerate(pairwise(widths[:-1]), start=1):
        layers[f"hidden{place}"] = nn.Linear(below, width, bias=bias)
        layers[f"relu{place}"] = nn.ReLU()
        if dropout:
            layers[f"dropout{place}"] = FastDropout(dropout)
    layers["output"] = nn.Linear(widths[-2], widths[-1], bias=bias)
    return nn.Sequential(layers)


def he_mlp(widths: Sequence[int] = (784, 800, 800, 800, 800, 10)) -> nn.Sequential:
    """``mlp`` of these widths, its weights drawn by ``he_``: many layers hardly learn from where PyTorch's start."""
    model = mlp(widths)
    he_(model)
    return model


def he_(model: nn.Module) -> nn.Module:
    """``model``, its linear and convolutional weights drawn from N(0, 2/fan_in), their biases 0.

    Keeps the size of activations through rectified layers. He et al., 2015, arXiv:1502.01852, eq. 10.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def example_inputs(count: int) -> Tensor:
    """Inputs for the default network: ``count`` images (count, 1, 28, 28) of noise in [0, 1)."""
    return torch.rand(count, 1, 28, 28)
