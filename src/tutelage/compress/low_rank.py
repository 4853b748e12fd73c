r"""Layers as a product of two smaller ones: ``W ≈ U V``, by the largest singular values of ``W``.

A linear layer ``W`` (m × n) becomes one to ``r`` units and one from them, both with ``√s`` of each singular value. Of
the matrices of that rank it is the nearest one, ``√(Σ_{i>r} s_i²)`` away. A convolution is such a matrix in two ways:

- by ``channels``, ``W`` (out, in·h·w): a convolution to ``r`` channels, then one of 1 × 1 (Zhang et al. 2015);
- by ``rows``, ``W`` (out·w, in·h): one of h × 1 to ``r`` channels, then one of 1 × w (Jaderberg et al. 2014).

It saves weights while ``r < mn / (m + n)``.

Zhang, Zou, He & Sun, "Accelerating Very Deep Convolutional Networks for Classification and Detection",
arXiv:1505.06798; Jaderberg, Vedaldi & Zisserman, BMVC 2014, arXiv:1405.3866.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping
from functools import reduce
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.compress.structure.layers import groups_of, mixes, obstacle
from tutelage.compress.structure.plain import is_run

Form: TypeAlias = Literal["channels", "rows"]
"""How a convolution is a matrix."""
HALVINGS = 50
"""Of the energies between which that is looked for which meets a budget: float64 knows no more."""


class Product(nn.Sequential):
    """Layers in the place of one, for code that reads ``weight`` or ``bias`` of that, as torch's attention does.

    >>> both = Product(OrderedDict(first=nn.Linear(4, 2, bias=False), second=nn.Linear(2, 3)))
    >>> torch.allclose(nn.functional.linear(torch.ones(1, 4), both.weight, both.bias), both(torch.ones(1, 4)))
    True
    """

    def __init__(self, layers: "OrderedDict[str, nn.Module]") -> None:
        super().__init__(layers)
        self.register_forward_pre_hook(is_run)

    @property
    def weight(self) -> Tensor:
        """What they come to: of convolutions a kernel of the size that there was, in one group."""
        return reduce(_after, map(_in_one_group, self))

    @property
    def bias(self) -> Tensor | None:
        return self[-1].bias  # type: ignore[return-value]


def _after(first: Tensor, second: Tensor) -> Tensor:
    """The kernel (o, i, …) of ``second`` (o, r, …) after ``first`` (r, i, …): along each side one of them is 1 wide."""
    return torch.einsum("ri...,or...->oi...", first, second)


def _in_one_group(layer: nn.Module) -> Tensor:
    """The weight of a layer, with the zeros between its groups."""
    weight, groups = layer.get_parameter("weight"), getattr(layer, "groups", 1)
    if groups == 1:
        return weight
    apart = weight.unflatten(0, (groups, -1))  # (g, o/g, i/g, …)
    own = torch.eye(groups, dtype=weight.dtype, device=weight.device)
    return torch.einsum("goi...,gh->gohi...", apart, own).flatten(2, 3).flatten(0, 1)


def factorised(network: nn.Module, *, ranks: Mapping[str, int], form: Form = "channels") -> nn.Module:
    """``network`` with the layers that ``ranks`` names as products of two: ``run.derive(…, factorised, ranks=…)``.

    Changed in place; a layer that is given its full rank stays as it is. A product stands where the layer stood, under
    the layer's name. Raises ``ValueError`` for a layer that is not there or cannot be factorised, and a rank below 1.
    """
    there = factorisable(network)
    for name, rank in ranks.items():
        if name not in there:
            raise ValueError(f"{type(network).__name__} has no layer {name!r} that can be factorised; it has "
                             f"{', '.join(there) or 'none'}.")  # fmt: skip
        if rank < 1:
            raise ValueError(f"A rank is 1 or more; that of {name!r} is {rank}.")
        if rank < min(matrix_of(there[name], form).shape):
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, _product(there[name], rank, form))
    return network


def factorisable(network: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    """The layers that can be: linear ones and two-dimensional convolutions whose weights are theirs alone, by name."""
    owners = Counter(id(p) for module in network.modules() for p in module.parameters(recurse=False))
    return {
        name: layer
        for name, layer in network.named_modules()
        if name
        and isinstance(layer, nn.Linear | nn.Conv2d)
        and mixes(layer)
        and groups_of(layer) == 1
        and not obstacle(layer, owners)
    }


def ranks_by_energy(network: nn.Module, energy: float, form: Form = "channels") -> dict[str, int]:
    """The smallest ranks that keep the share ``energy`` of each layer's ``Σ s_i²``, where these save weights.

    Raises ``ValueError`` for a share that is not in (0, 1].
    """
    if not 0 < energy <= 1:
        raise ValueError(f"The energy that is kept is a share, more than 0 and at most 1; got {energy}.")
    found = _spectra(network, form)
    return {name: rank for name, (rank, saves) in _ranks(found, energy).items() if saves}


def ranks_by_budget(
    network: nn.Module, parameters: int, form: Form = "channels", *, whole: Collection[str] = ()
) -> dict[str, int]:
    """The ranks that keep the most energy, the same share in each layer, with ``parameters`` of the network at most.

    Layers that are named in ``whole`` stay as they are: the first and the last suffer most, and save little. Raises
    ``ValueError`` where rank 1 everywhere is still too much; it says how many these are.
    """
    found = {name: x for name, x in _spectra(network, form).items() if name not in whole}
    count = sum(x.numel() for x in network.parameters())

    def left(energy: float) -> int:
        return count - sum(saved for _, saved in _ranks(found, energy).values())

    low, high = 0.0, 1.0
    if left(high) <= parameters:
        return {}
    if left(low) > parameters:
        raise ValueError(f"With rank 1 everywhere {left(low):,} parameters are left, and {parameters:,} are allowed.")
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) <= parameters else (low, middle)
    return {name: rank for name, (rank, saved) in _ranks(found, low).items() if saved}


def matrix_of(layer: nn.Linear | nn.Conv2d, form: Form = "channels") -> Tensor:
    """The weight as the matrix that is factorised, float64."""
    weight = layer.weight.detach().double()
    if weight.ndim == 4 and form == "rows":
        return weight.permute(0, 3, 1, 2).flatten(2).flatten(0, 1)
    return weight.flatten(1)


_Spectrum: TypeAlias = tuple[Tensor, int]
"""Singular values, largest first, and the weights that each of them costs."""


def _spectra(network: nn.Module, form: Form) -> dict[str, _Spectrum]:
    matrices = {name: matrix_of(layer, form) for name, layer in factorisable(network).items()}
    return {name: (torch.linalg.svdvals(x), sum(x.shape)) for name, x in matrices.items()}


def _ranks(spectra: Mapping[str, _Spectrum], energy: float) -> dict[str, tuple[int, int]]:
    """Of each layer the smallest rank that keeps so much, 1 at least, and the weights that are saved; 0 if none are."""
    found = {}
    for name, (values, cost) in spectra.items():
        kept = values.square().cumsum(0)
        rank = 1 + int((kept < energy * kept[-1]).sum())
        rank = min(rank, len(values))
        whole = len(values) * (cost - len(values))
        found[name] = (rank, max(0, whole - rank * cost))
    return found


@torch.no_grad()
def _product(layer: nn.Linear | nn.Conv2d, rank: int, form: Form) -> nn.Module:
    u, s, v = torch.linalg.svd(matrix_of(layer, form), full_matrices=False)
    roots = s[:rank].sqrt()
    left, right = u[:, :rank] * roots, roots[:, None] * v[:rank]
    first, second = (x.to(layer.weight.device, layer.weight.dtype) for x in _pair(layer, rank, form))
    if isinstance(layer, nn.Conv2d) and form == "rows":
        width = layer.kernel_size[1]
        left = left.view(layer.out_channels, width, rank).transpose(1, 2)  # (out, r, w)
    first.weight.copy_(right.view_as(first.weight))
    second.weight.copy_(left.reshape(second.weight.shape))
    if layer.bias is not None:
        assert second.bias is not None
        second.bias.copy_(layer.bias)
    return Product(OrderedDict(first=first, second=second)).train(layer.training)


def _pair(layer: nn.Linear | nn.Conv2d, rank: int, form: Form) -> tuple[nn.Linear | nn.Conv2d, nn.Linear | nn.Conv2d]:
    bias = layer.bias is not None
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.in_features, rank, bias=False), nn.Linear(rank, layer.out_features, bias)
    into, out, mode = layer.in_channels, layer.out_channels, layer.padding_mode
    (height, width), (down, across), (far, wide) = layer.kernel_size, layer.stride, layer.dilation
    pads: Any = layer.padding
    if form == "channels":
        first = nn.Conv2d(into, rank, (height, width), (down, across), pads, (far, wide), 1, False, mode)
        return first, nn.Conv2d(rank, out, 1, bias=bias)
    over, aside = (pads, pads) if isinstance(pads, str) else ((pads[0], 0), (0, pads[1]))
    first = nn.Conv2d(into, rank, (height, 1), (down, 1), over, (far, 1), 1, False, mode)
    return first, nn.Conv2d(rank, out, (1, width), (1, across), aside, (1, wide), 1, bias, mode)
