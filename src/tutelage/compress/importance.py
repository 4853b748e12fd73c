"""How much each channel of a network matters: by weights, by norms, by gradients, by what comes through.

An importance is a function of a network and its channels; larger matters more. Those that look at samples are shown
some: ``shown`` runs a network on a few batches and yields the loss of each.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tutelage.compress.masks import weights_of
from tutelage.compress.structure.graph import Channels, Reader
from tutelage.compress.structure.layers import axis_of, weight_axis
from tutelage.models.watch import tensors_in
from tutelage.modes import evaluating

Importance: TypeAlias = Callable[[nn.Module, Channels], Tensor]
"""-> (channels,) in float64, NaN for channels that nothing is known of."""
Shown: TypeAlias = Callable[[nn.Module], Iterable[Tensor]]
"""A network -> the loss of each of a few batches."""


@torch.no_grad()
def filters(model: nn.Module, channels: Channels, *, power: float = 1.0) -> Tensor:
    """``‖w_c‖_p`` of the weights that make channel ``c``, over the mean of their layer.

    Li, Kadav, Durdanovic, Samet & Graf, "Pruning Filters for Efficient ConvNets", ICLR 2017, arXiv:1608.08710.
    """
    sizes = {name: torch.linalg.vector_norm(w, power, dim=1) for name, w in _filters(model, channels).items()}
    return made(channels, {name: x / x.mean().clamp_min(1e-38) for name, x in sizes.items()})


@torch.no_grad()
def scales(model: nn.Module, channels: Channels) -> Tensor:
    """``|γ_c|`` of the batch norms, most telling after a training that draws them to 0 (``schemes.pruned``).

    Raises ``ValueError`` for a network without batch norms that scale.

    Liu, Li, Shen, Huang, Yan & Zhang, "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017,
    arXiv:1708.06519.
    """
    gammas = {}
    for name in channels.layers:
        norm = model.get_submodule(name)
        if isinstance(norm, _BatchNorm) and norm.weight is not None:
            gammas[name] = norm.weight.abs()
    if not gammas:
        raise ValueError(f"{type(model).__name__} has no batch norm to tell channels apart by; choose another measure.")
    return made(channels, gammas)


def taylor(model: nn.Module, channels: Channels, *, shown: Shown) -> Tensor:
    """``mean_b |Σ w ∂L_b/∂w|`` over the weights that make a channel: about how far the loss moves without it.

    Molchanov, Mallya, Tyree, Frosio & Kautz, "Importance Estimation for Neural Network Pruning", CVPR 2019,
    arXiv:1906.10771, whose square of the same is ranked alike for a single batch.
    """
    layers = {name: model.get_submodule(name) for name in _filters(model, channels)}

    def change(name: str, weight: Tensor, gradient: Tensor) -> Tensor:
        return first_order(*(_rows(layers[name], x) for x in (weight, gradient)))

    return made(
        channels, _summed(model, {name: x.get_parameter("weight") for name, x in layers.items()}, shown, change)
    )


def changes(model: nn.Module, *, shown: Shown) -> dict[str, Tensor]:
    """``Σ_b |w ∘ ∂L_b/∂w|`` of each weight, float64: about how far the loss moves without that one element.

    By parameters' names, for ``masks.by_score``, where ``masks.of_all`` has magnitudes. It is ``taylor``, element by
    element, and as that a first-order expansion: it says little of many elements that go at once. Molchanov et al.,
    arXiv:1906.10771, eq. 5, for groups of one.
    """
    return _summed(model, weights_of(model), shown, lambda _, weight, gradient: (weight * gradient).abs())


def _summed(
    model: nn.Module, weights: Mapping[str, nn.Parameter], shown: Shown, change: Callable[[str, Tensor, Tensor], Tensor]
) -> dict[str, Tensor]:
    """The sum over batches of what ``change`` says of a name, its weight and its gradient."""
    sums: dict[str, Tensor] = {}
    with evaluating(model), _learning(weights.values()), torch.enable_grad():
        for loss in shown(model):
            gradients = torch.autograd.grad(loss, [*weights.values()], allow_unused=True)
            for (name, w), g in zip(weights.items(), gradients, strict=True):
                found = change(name, w.detach(), torch.zeros_like(w) if g is None else g).double()
                sums[name] = sums[name] + found if name in sums else found
    return sums


@contextmanager
def _learning(weights: Iterable[Tensor]) -> Iterator[None]:
    """With gradients of all ``weights``: what is frozen matters as well."""
    frozen = [w for w in weights if not w.requires_grad]
    try:
        for w in frozen:
            w.requires_grad_(True)
        yield
    finally:
        for w in frozen:
            w.requires_grad_(False)


def first_order(weight: Tensor, gradient: Tensor) -> Tensor:
    """``|Σ_i w_oi g_oi|`` for each output ``o`` of (outputs, inputs).

    >>> first_order(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([[1.0, -1.0], [5.0, 2.0]]))
    tensor([1., 2.])
    """
    return (weight * gradient).sum(1).abs()


def activity(model: nn.Module, channels: Channels, *, shown: Shown) -> Tensor:
    """The share of values that are not 0 where a channel is read: 1 less the average percentage of zeros.

    Hu, Peng, Tai & Tang, "Network Trimming: A Data-Driven Neuron Pruning Approach towards Efficient Deep
    Architectures", 2016, arXiv:1607.03250.
    """
    return _observed(model, channels, shown, lambda x: (x != 0).double(), lambda share: share)[0]


def loudness(model: nn.Module, channels: Channels, *, shown: Shown) -> Tensor:
    """``sqrt(Σ_n (mean_p |a_np|)²)`` of what is read of a channel, over positions ``p`` and samples ``n``.

    Muralidharan et al., "Compact Language Models via Pruning and Knowledge Distillation", NeurIPS 2024,
    arXiv:2407.14679, §2.2, which needs no gradient.
    """
    found, samples = _observed(model, channels, shown, lambda x: x.abs().double(), torch.square)
    return (found * samples).sqrt()


def made(channels: Channels, scores: Mapping[str, Tensor]) -> Tensor:
    """The mean by channel of the scores that layers' outputs have: a channel may be made by several layers."""
    return _by_channel(channels, {name: (channels.layers[name].makes, x) for name, x in scores.items()})


def _by_channel(channels: Channels, scores: Mapping[str, tuple[tuple[int, ...], Tensor]]) -> Tensor:
    sums, counts = (torch.zeros(len(channels.stays), dtype=torch.float64, device="cpu") for _ in range(2))
    for numbers, x in scores.values():
        places = torch.tensor(numbers, device="cpu")
        sums.index_add_(0, places, x.detach().cpu().double())
        counts.index_add_(0, places, torch.ones_like(x, dtype=torch.float64, device="cpu"))
    return sums / counts  # 0 / 0 where nothing is known


def _filters(model: nn.Module, channels: Channels) -> dict[str, Tensor]:
    """By the layer that mixes channels, its weights (outputs, the rest)."""
    layers = {name: model.get_submodule(name) for name, layer in channels.layers.items() if layer.mixing}
    return {name: _rows(layer, layer.get_parameter("weight")) for name, layer in layers.items()}


def _rows(layer: nn.Module, weight: Tensor) -> Tensor:
    return weight.movedim(1 - weight_axis(layer), 0).flatten(1)


@torch.no_grad()
def _observed(
    model: nn.Module,
    channels: Channels,
    shown: Shown,
    of_each: Callable[[Tensor], Tensor],
    of_mean: Callable[[Tensor], Tensor],
) -> tuple[Tensor, int]:
    """By channel what ``of_mean`` makes of a sample's mean of ``of_each``, a mean over samples; and how many they are.

    A sample's mean is over all positions and slots of the channel that a reader reads. A reader has samples of its own:
    more than the network where code before it puts time into the batch.
    """
    sums: dict[str, Tensor] = {}
    samples = dict.fromkeys(channels.readers, 0)

    def note(reader: Reader, layer: nn.Module, args: Any, kwargs: Any) -> None:
        x = of_each(next(tensors_in([*args, *kwargs.values()])).movedim(axis_of(layer), -1))  # (N, …, slots)
        x = x.reshape(len(x), -1, x.shape[-1]).mean(1)
        slots = reader.slots.repeat(x.shape[1] // len(reader.slots)).to(x.device)  # once for each group of a layer
        total = x.new_zeros(len(x), reader.gates).index_add_(1, slots, x)
        found = of_mean(total / torch.bincount(slots, minlength=reader.gates)).sum(0)
        sums[reader.name] = sums[reader.name] + found if reader.name in sums else found
        samples[reader.name] += len(x)

    handles = [
        model.get_submodule(name).register_forward_pre_hook(partial(note, reader), with_kwargs=True)
        for name, reader in channels.readers.items()
    ]
    try:
        with evaluating(model):
            for _ in shown(model):
                pass
    finally:
        for handle in handles:
            handle.remove()
    means = {name: (channels.layers[name].gates, x / samples[name]) for name, x in sums.items()}
    return _by_channel(channels, means), max(samples.values())
