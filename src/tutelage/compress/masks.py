"""Which weights stay and which become 0: by magnitude, over all layers together or in each, or so many of so many."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tutelage.compress.computed_weight import refuse_uncertain_weight
from tutelage.compress.footprint import KINDS

Weights: TypeAlias = Mapping[str, Tensor]
Masks: TypeAlias = dict[str, Tensor]
"""By the name of a weight a truth value for each of its elements: true where it stays."""
Choice: TypeAlias = Callable[[Weights, float], Masks]
"""(weights by name, share of them that is to be 0) -> masks. What is no number stays."""
ALIKE: Mapping[str, float] = MappingProxyType({})


def weights_of(model: nn.Module) -> dict[str, nn.Parameter]:
    """The weights of linear layers and convolutions by their parameters' names, what several layers share once.

    Raises ``ValueError`` for a layer with a posterior, which says itself what is 0.

    >>> list(weights_of(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))))
    ['0.weight', '2.weight']
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, KINDS)}
    for name, layer in layers.items():
        refuse_uncertain_weight(name, layer)
    weights = {id(layer._parameters.get("weight")) for layer in layers.values()}
    return {name: p for name, p in model.named_parameters() if id(p) in weights}


def of_all(weights: Weights, share: float) -> Masks:
    """The smallest magnitudes of all weights together become 0; of equal ones those that come first.

    >>> of_all({"a": torch.tensor([1.0, -3.0]), "b": torch.tensor([-2.0, 4.0])}, 0.5)
    {'a': tensor([False,  True]), 'b': tensor([False,  True])}
    """
    return _ranked({name: w.abs() for name, w in weights.items()}, share)


def of_each(weights: Weights, share: float) -> Masks:
    """The same share of each weight, the smallest magnitudes first."""
    return {name: ~smallest(w.abs(), round(_share(share) * w.numel())) for name, w in weights.items()}


def in_shares(weights: Weights, share: float, *, shares: Mapping[str, float]) -> Masks:
    """Of each weight its own share of ``shares``, the smallest magnitudes first.

    Where ``share`` is not what these come to together, all of them are scaled by as much, up to 1: so that a course
    may lead there. Raises ``ValueError`` for a weight that has none.
    """
    if missing := sorted(weights.keys() - shares.keys()):
        raise ValueError(f"Each weight needs a share of its own that becomes 0; {missing[0]!r} has none.")
    whole = sum(shares[name] * w.numel() for name, w in weights.items())
    scale = _share(share) * sum(w.numel() for w in weights.values()) / whole if whole else 0.0
    return {name: of_each({name: w}, shares[name] * scale)[name] for name, w in weights.items()}


def by_score(weights: Weights, share: float, *, scores: Weights) -> Masks:
    """The elements of the smallest ``scores`` of all weights together become 0, those that are 0 already first of all.

    Raises ``ValueError`` for a weight of whose elements no score is known.

    >>> by_score({"a": torch.tensor([1.0, -3.0])}, 0.5, scores={"a": torch.tensor([2.0, 1.0])})
    {'a': tensor([ True, False])}
    """
    if missing := sorted(name for name, w in weights.items() if name not in scores or scores[name].shape != w.shape):
        raise ValueError(f"Each element of a weight needs a score; those of {missing[0]!r} have none.")
    return _ranked({name: scores[name].masked_fill(w == 0, -1) for name, w in weights.items()}, share)


def by_deviation(weights: Weights, share: float, *, sensitivity: Mapping[str, float] = ALIKE) -> Masks:
    """What is smaller than ``q · s · std`` of its weight becomes 0, with the one ``q`` at which ``share`` of all does.

    ``std`` is over all elements of a weight, zeros included; ``s`` is in ``sensitivity``, 1 where it says nothing:
    less for layers that suffer more.

    Han, Pool, Tran & Dally, "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015,
    arXiv:1506.02626, §3.3.
    """
    scales = {name: sensitivity.get(name, 1.0) * w.std(correction=0).clamp_min(1e-38) for name, w in weights.items()}
    return _ranked({name: w.abs() / scales[name] for name, w in weights.items()}, share)


def n_of_m(weights: Weights, share: float, *, m: int = 4) -> Masks:
    """Of each ``m`` inputs in a row that an output reads, in a convolution at one place, the ``n`` largest stay.

    ``n = m - round(m · share)``: 2 of 4 for a half, as kernels for sparse matrices want it. A weight whose inputs are
    no multiple of ``m`` stays as it is.

    >>> n_of_m({"a": torch.tensor([[1.0, -4.0, 3.0, 2.0]])}, 0.5)
    {'a': tensor([[False,  True,  True, False]])}
    """
    gone = round(m * _share(share))
    return {name: _of_groups(w, m, gone) for name, w in weights.items()}


@torch.no_grad()
def prune_(model: nn.Module, share: float, choose: Choice = of_all) -> nn.Module:
    """``model`` with ``share`` of the weights of its linear layers and convolutions 0, as ``choose`` says.

    Raises ``ValueError`` where it has none.
    """
    weights = _weights_there(model)
    for name, kept in choose(weights, share).items():
        weights[name].masked_fill_(~kept, 0)
    return model


def pruned(network: nn.Module, *, shares: Mapping[str, float]) -> nn.Module:
    """``network`` with its own share of each weight 0: for ``run.derive("pruned", pruned, of=…, shares=…)``.

    ``shares`` go by the weights' names. Raises ``ValueError`` as ``in_shares`` and ``prune_`` do.
    """
    weights = _weights_there(network)
    whole = sum(shares.get(name, 0.0) * w.numel() for name, w in weights.items())
    return prune_(network, whole / sum(w.numel() for w in weights.values()), partial(in_shares, shares=shares))


def zeros_of(model: nn.Module) -> float:
    """The share of zeros among the weights of linear layers and convolutions."""
    weights = weights_of(model).values()
    return 1 - sum(int(w.count_nonzero()) for w in weights) / max(sum(w.numel() for w in weights), 1)


def smallest(sizes: Tensor, count: int) -> Tensor:
    """Which ``count`` of ``sizes`` are the smallest: exactly so many, unless the rest is no number.

    >>> smallest(torch.tensor([2.0, 1.0, 1.0, 1.0]), 2)
    tensor([False,  True,  True, False])
    """
    flat = sizes.flatten()
    if not count:
        return torch.zeros_like(sizes, dtype=torch.bool)
    limit = flat.kthvalue(count).values
    found = flat < limit
    equal = (flat == limit).nonzero().flatten()
    found[equal[: count - int(found.sum())]] = True
    return found.view(sizes.shape)


def _weights_there(model: nn.Module) -> dict[str, nn.Parameter]:
    weights = weights_of(model)
    if not weights:
        raise ValueError(f"{type(model).__name__} has no linear layer and no convolution whose weights could be 0.")
    return weights


def _ranked(sizes: Weights, share: float) -> Masks:
    flat = torch.cat([x.flatten() for x in sizes.values()])
    gone = smallest(flat, round(_share(share) * len(flat)))
    parts = gone.split([x.numel() for x in sizes.values()])
    return {name: ~part.view(sizes[name].shape) for name, part in zip(sizes, parts, strict=True)}


def _of_groups(w: Tensor, m: int, gone: int) -> Tensor:
    if w.ndim < 2 or w.shape[1] % m:
        return torch.ones_like(w, dtype=torch.bool)
    inputs = w.abs().movedim(1, -1)  # (outputs, …, inputs)
    order = inputs.reshape(-1, m).argsort(dim=1, stable=True)
    kept = torch.ones(order.shape, dtype=torch.bool, device=w.device).scatter_(1, order[:, :gone], False)
    return kept.view(inputs.shape).movedim(-1, 1)


def _share(share: float) -> float:
    return min(max(share, 0.0), 1.0)
