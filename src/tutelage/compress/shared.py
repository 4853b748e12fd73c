"""Weights that share a few values: made so, trained, each value by all the weights that have it, and plain again."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList, register_parametrization

from tutelage.compress.clusters import clustered
from tutelage.compress.computed_weight import refuse_computed_weight
from tutelage.compress.footprint import KINDS
from tutelage.compress.gates import fits, unparametrised_
from tutelage.keys import Build

WORD = ".parametrizations.weight."


class Shared(nn.Module):
    """``codebook[code - 1]`` for each weight, 0 where its code is 0.

    A parametrisation of a layer's weight, whose parameter is the codebook (count,): the gradient of a value is the sum
    of those of all weights that have it.
    """

    codes: Tensor

    def __init__(self, codes: Tensor, count: int) -> None:
        super().__init__()
        self.count = count
        self.register_buffer("codes", codes.to(torch.int32))

    def forward(self, codebook: Tensor) -> Tensor:
        values = torch.cat([codebook.new_zeros(1), codebook])
        return values.index_select(0, self.codes.flatten()).view(self.codes.shape)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The codebook whose values are means of the weights that share them."""
        if weight.is_meta:
            return weight.new_zeros(self.count)
        sums = weight.new_zeros(self.count + 1).index_add_(0, self.codes.flatten(), weight.flatten())
        return (sums / torch.bincount(self.codes.flatten(), minlength=self.count + 1).clamp_min(1))[1:]


def share_(model: nn.Module, bits: Mapping[str, int]) -> nn.Module:
    """``model``, of whose layers each weight is one of ``2^b - 1`` values near it, or 0, whose code is one of ``2^b``.

    ``bits`` are those of the first pattern that a layer's name fits, such as ``{"conv*": 8, "*": 5}``; layers that fit
    none stay as they are. Raises ``ValueError`` where no layer is chosen, for bits that are not 1 to 8, and where a
    weight is computed from others already.
    """
    for layer, count in _chosen(model, bits):
        codes, values = clustered(layer.get_parameter("weight"), count)
        _share_(layer, codes, values)
    return model


def shared(build: Build, *, bits: Mapping[str, int]) -> nn.Module:
    """What ``build`` makes, with weights that can be shared as in ``share_``: how a stage builds what it trains so.

    They are 0 until ``cluster_`` fills them, or a file. Raises as ``share_`` does.
    """
    model = build()
    for layer, count in _chosen(model, bits):
        weight = layer.get_parameter("weight")
        _share_(layer, torch.zeros_like(weight, dtype=torch.int32), weight.new_zeros(count))
    return model


@torch.no_grad()
def cluster_(model: nn.Module, start: nn.Module) -> None:
    """Give ``model``, whose weights are shared, those of ``start``, a plain network, clustered; and all else of it.

    Raises ``ValueError`` unless the two are of one architecture.
    """
    given, sharing = start.state_dict(), {name: (own, book) for name, _, own, book in _sharing(model)}
    others = {name for name in model.state_dict() if WORD not in f".{name}"}
    own = others | {_weight(name) for name in sharing}
    if strange := sorted(own ^ given.keys()):
        raise ValueError(f"The weights are those of another architecture: {strange[0]!r} is in one of the two alone.")
    for name, (shared, codebook) in sharing.items():
        weight = given[_weight(name)]
        if weight.shape != shared.codes.shape:
            raise ValueError(f"The weights are those of another architecture: {name!r} is of another size there.")
        codes, values = clustered(weight, shared.count)
        shared.codes.copy_(codes)
        codebook.copy_(values)
    model.load_state_dict({name: given[name] for name in others}, strict=False)


def unshared(network: nn.Module) -> nn.Module:
    """``network`` with plain weights, of few different values: it answers what it answered, to the bit.

    For ``run.derive("plain", unshared, of=…)``; ``weights.packed_file.save_packed`` stores it in few bytes. Raises
    ``ValueError`` where nothing is shared.
    """
    layers = {id(layer): layer for _, layer, *_ in _sharing(network)}  # under whatever names
    if not layers:
        raise ValueError(f"{type(network).__name__} has no weights that share values.")
    for layer in layers.values():
        unparametrised_(layer)
    return network


def _chosen(model: nn.Module, bits: Mapping[str, int]) -> list[tuple[nn.Module, int]]:
    """Layers, and the values that each may have beside 0."""
    layers = {name: x for name, x in model.named_modules() if isinstance(x, KINDS)}
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no linear layer and no convolution whose weights could be shared."
        )
    chosen = {name: b for name in layers for b in [next((b for p, b in bits.items() if fits(name, [p])), 0)] if b}
    if not chosen or not all(1 <= b <= 8 for b in bits.values()):
        raise ValueError(
            f"Weights are shared with 1 to 8 bits in one layer or more of {', '.join(layers)}; got {dict(bits)}."
        )
    for name in chosen:
        refuse_computed_weight(name, layers[name])
    return [(layers[name], 2**b - 1) for name, b in chosen.items()]


@torch.no_grad()
def _share_(layer: nn.Module, codes: Tensor, values: Tensor) -> None:
    register_parametrization(layer, "weight", Shared(codes, len(values)))
    for _, _, _, codebook in _sharing(layer):
        codebook.copy_(values)


def _sharing(model: nn.Module) -> Iterator[tuple[str, nn.Module, Shared, nn.Parameter]]:
    """By name, all that a layer has, the layers whose weights are shared, how, and their codebooks."""
    for name, layer in model.named_modules(remove_duplicate=False):
        made = layer._modules.get("parametrizations")
        weight = made["weight"] if isinstance(made, nn.ModuleDict) and "weight" in made else None
        if isinstance(weight, ParametrizationList) and isinstance(weight[0], Shared):
            yield name, layer, weight[0], weight.get_parameter("original")


def _weight(name: str) -> str:
    return f"{name}.weight" if name else "weight"
