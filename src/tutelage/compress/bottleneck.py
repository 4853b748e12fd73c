r"""Convolutions as three: 1 × 1 to ``r`` channels, ``k × k`` between these, and 1 × 1 from them.

A convolution of ``k × k`` from ``M`` to ``N`` channels takes ``M N k²`` multiplications at each place, the three take
``M r + r² k² + r N``. They are Tucker's: ``W ≈ G ×₁ U ×₂ V``, where ``U`` (N, r) and ``V`` (M, r) are the first left
singular vectors of ``W`` (N, M k²) and ``W`` (M, N k²), and ``G = W ×₁ Uᵀ ×₂ Vᵀ``. Full ranks are exact; of lower ones
it is nearly the nearest. Nothing stands between the three; train what comes out.

Kim, Park, Yoo, Choi, Yang & Shin, "Compression of Deep Convolutional Neural Networks for Fast and Low Power Mobile
Applications", ICLR 2016, arXiv:1511.06530.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.compress.low_rank import Product
from tutelage.compress.separable import separable


def bottlenecked(network: nn.Module, *, ranks: Mapping[str, int]) -> nn.Module:
    """``network`` with the convolutions that ``ranks`` names as three, of so many channels between them at most.

    For ``run.derive("small", bottlenecked, of=trained, ranks={"conv2": 8})``. Changed in place; the three stand where
    the layer stood, under its name. Raises ``ValueError`` for a layer that is no two-dimensional convolution of more
    than one place, or has no weights of its own, and for a rank below 1.
    """
    there = separable(network)
    for name, rank in ranks.items():
        if name not in there:
            raise ValueError(f"{type(network).__name__} has no convolution {name!r} that could be made a bottleneck; "
                             f"it has {', '.join(there) or 'none'}.")  # fmt: skip
        if rank < 1:
            raise ValueError(f"A rank is 1 or more; that of {name!r} is {rank}.")
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, _three(there[name], rank))
    return network


@torch.no_grad()
def _three(layer: nn.Conv2d, rank: int) -> nn.Module:
    weight = layer.weight.double()
    outer, inner = _basis(weight, rank), _basis(weight.transpose(0, 1), rank)  # (N, r), (M, r)
    core = torch.einsum("nmhw,na,mb->abhw", weight, outer, inner)
    bias, pads = layer.bias is not None, layer.padding
    steps: dict[str, Any] = {"stride": layer.stride, "padding": pads, "dilation": layer.dilation}
    first = nn.Conv2d(layer.in_channels, inner.shape[1], 1, bias=False)
    middle = nn.Conv2d(inner.shape[1], outer.shape[1], layer.kernel_size, **steps, bias=False,  # type: ignore[arg-type]
                       padding_mode=layer.padding_mode)  # fmt: skip
    last = nn.Conv2d(outer.shape[1], layer.out_channels, 1, bias=bias)
    three = Product(OrderedDict(reduce=first, conv=middle, expand=last))
    three.to(layer.weight.device, layer.weight.dtype).train(layer.training)
    first.weight.copy_(inner.T[:, :, None, None])
    middle.weight.copy_(core)
    last.weight.copy_(outer[:, :, None, None])
    if layer.bias is not None:
        assert last.bias is not None
        last.bias.copy_(layer.bias)
    return three


def _basis(weight: Tensor, rank: int) -> Tensor:
    """The first left singular vectors (C, r) of a weight (C, …)."""
    left: Tensor = torch.linalg.svd(weight.flatten(1), full_matrices=False)[0]
    return left[:, :rank]
