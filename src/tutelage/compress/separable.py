r"""Convolutions as a depthwise and a pointwise one: each channel is filtered by itself, and then channels are mixed.

A convolution of ``k × k`` from ``M`` to ``N`` channels takes ``M N k²`` multiplications at each place, the two take
``M k² + M N``, ``1/N + 1/k²`` of it. They are the nearest ones: of each input channel ``i`` the weights ``W_i`` (N, k²)
are replaced by their largest singular value, ``u_i s_i v_iᵀ``: ``√s_i v_i`` is the filter, ``√s_i u_i`` what mixes.
Nothing stands between the two; train what comes out, it is far from the network as a rule.

Where ``g`` channels are filtered together, by a convolution in ``M/g`` groups, the two take ``M g k² + M N`` and are
nearer: of the weights of a group (N, g k²) the ``g`` largest singular values stay, ``g`` filters of ``g`` channels.

Howard et al., "MobileNets", 2017, arXiv:1704.04861; Guo et al., "Network Decoupling", BMVC 2018, arXiv:1808.05517.
"""

from collections import OrderedDict
from collections.abc import Sequence
from math import prod

import torch
from torch import nn

from tutelage.compress.low_rank import Product, factorisable


def separated(network: nn.Module, *, layers: Sequence[str], together: int = 1) -> nn.Module:
    """``network`` with these convolutions as two: ``run.derive("small", separated, of=trained, layers=["conv1"])``.

    So many channels are filtered ``together``. Changed in place; the two stand where the layer stood, under its name.
    Raises ``ValueError`` for a layer that is no two-dimensional convolution of more than one place, has no weights of
    its own, or has channels that cannot be parted so.
    """
    there = separable(network)
    for name in filter(there.__contains__, layers):
        if together < 1 or there[name].in_channels % together:
            raise ValueError(f"{name!r} has {there[name].in_channels} input channels, which cannot be filtered "
                             f"{together} at a time; give a divisor.")  # fmt: skip
    for name in layers:
        if name not in there:
            raise ValueError(f"{type(network).__name__} has no convolution {name!r} that could be separated; it has "
                             f"{', '.join(there) or 'none'}.")  # fmt: skip
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, _pair(there[name], together))
    return network


def separable(network: nn.Module) -> dict[str, nn.Conv2d]:
    """The convolutions that can be, by name: those that mix channels and places at once."""
    return {
        name: layer
        for name, layer in factorisable(network).items()
        if isinstance(layer, nn.Conv2d) and prod(layer.kernel_size) > 1
    }


@torch.no_grad()
def _pair(layer: nn.Conv2d, together: int) -> nn.Module:
    into, out = layer.in_channels, layer.out_channels
    depthwise = nn.Conv2d(
        into,
        into,
        (layer.kernel_size[0], layer.kernel_size[1]),
        (layer.stride[0], layer.stride[1]),
        layer.padding,  # type: ignore[arg-type]  # a tuple of two
        (layer.dilation[0], layer.dilation[1]),
        into // together,
        False,
        layer.padding_mode,
    )
    pointwise = nn.Conv2d(into, out, 1, bias=layer.bias is not None)
    pair = Product(OrderedDict(depthwise=depthwise, pointwise=pointwise))
    pair.to(layer.weight.device, layer.weight.dtype).train(layer.training)
    groups = layer.weight.double().transpose(0, 1).unflatten(0, (-1, together))  # (M/g, g, N, k, k)
    u, s, v = torch.linalg.svd(groups.transpose(1, 2).flatten(2), full_matrices=False)
    count = min(together, s.shape[1])  # of as many as there are; the other filters are 0
    root = s[:, :count].sqrt()
    filters, mixing = u.new_zeros(len(groups), together, v.shape[2]), u.new_zeros(len(groups), together, out)
    filters[:, :count] = root[:, :, None] * v[:, :count]
    mixing[:, :count] = (u[:, :, :count] * root[:, None]).transpose(1, 2)
    depthwise.weight.copy_(filters.view_as(depthwise.weight))
    pointwise.weight.copy_(mixing.flatten(0, 1).T.reshape(pointwise.weight.shape))
    if layer.bias is not None:
        assert pointwise.bias is not None
        pointwise.bias.copy_(layer.bias)
    return pair
