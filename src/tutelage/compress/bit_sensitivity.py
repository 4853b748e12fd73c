"""What rounding the weights of each layer alone does to a network, and how many bits each is given within a budget."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from torch import Tensor, nn

from tutelage.compress.chains import chains_of
from tutelage.compress.rounded_weight import FULL, rounding
from tutelage.losses.kd import soft_targets
from tutelage.modes import evaluating
from tutelage.outputs import tensor_in

Harm: TypeAlias = Callable[[Tensor, Tensor], float]
"""Answers with a layer rounded, and those without -> how much worse they are; 0 for the same."""
Harms: TypeAlias = Mapping[str, Mapping[int, float]]
"""Of each layer, by its name: bits -> harm."""
BITS = (8, 4, 2)
NUMBER = 4
"""Bytes of a float32: of a scale, of a bias."""


def divergence(rounded: Tensor, own: Tensor) -> float:
    """``mean_n KL(softmax(own_n) ‖ softmax(rounded_n))`` of logits, in nats.

    >>> import torch
    >>> divergence(torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 0.0]]))
    0.0
    """
    return soft_targets(rounded, own, temperature=1.0).item()


def sensitivities(
    network: nn.Module, samples: Tensor, *, bits: Sequence[int] = BITS, harm: Harm = divergence
) -> dict[str, dict[int, float]]:
    """How much worse ``network`` answers ``samples`` with the weights of one layer alone in so many bits, each in turn.

    ``harm`` compares the answers: by divergence, or, with the targets of validation samples in a closure, by errors
    more. Weights are rounded as ``fake_quantised`` does, and restored. Raises ``ValueError`` for a network without
    layers to be rounded, and for other than 1 to 8 bits.
    """
    for count in bits:
        rounding(count)  # refuses others
    names = chains_of(network, samples[:2]).names
    if not names:
        raise ValueError(f"{type(network).__name__} has no linear layer and no convolution to be rounded.")
    with evaluating(network):
        own = tensor_in(network(samples))
        return {name: {count: _harm_of(network, name, count, samples, own, harm) for count in bits} for name in names}


def bytes_of(network: nn.Module, bits: Mapping[str, int]) -> int:
    """What the weights take with these bits for each layer, packed, a scale for each output channel; others in float32.

    A layer that is not named has 32 bits. ONNX files keep 4 bits in a byte of its own, unless somebody packs them.
    """
    total = 0
    for name, parameter in network.named_parameters():
        layer, _, what = name.rpartition(".")
        count = bits.get(layer, FULL) if what == "weight" else FULL
        total += -(-parameter.numel() * count // 8) + (NUMBER * len(parameter) if count != FULL else 0)
    return total


def mixed_precision(network: nn.Module, harms: Harms, allowed: int) -> dict[str, int]:
    """Bits for each layer in ``harms`` with which ``bytes_of`` the network is ``allowed`` at most, and harm is small.

    It begins with the most bits that were tried and takes, again and again, the step of a layer to fewer bits that adds
    the least harm for each byte that it saves, as if harms added up. ``fake_quantised_(…, weights=…)`` takes the
    result. Raises ``ValueError`` where the fewest bits everywhere are too much; it says how many bytes these take.
    """
    bits = {name: max(tried) for name, tried in harms.items()}
    fewest = bytes_of(network, {name: min(tried) for name, tried in harms.items()})
    if fewest > allowed:
        raise ValueError(f"With the fewest bits everywhere the weights take {fewest:,} bytes, and {allowed:,} are "
                         "allowed.")  # fmt: skip
    while (size := bytes_of(network, bits)) > allowed:
        steps = {
            (name, fewer): (harms[name][fewer] - harms[name][bits[name]])
            / (size - bytes_of(network, {**bits, name: fewer}))
            for name in bits
            for fewer in harms[name]
            if fewer < bits[name]
        }
        name, fewer = min(steps, key=lambda step: (steps[step], step))
        bits[name] = fewer
    return bits


def _harm_of(network: nn.Module, name: str, bits: int, samples: Tensor, own: Tensor, harm: Harm) -> float:
    weight = network.get_submodule(name).weight
    assert isinstance(weight, Tensor)
    kept = weight.detach().clone()
    try:
        weight.copy_(rounding(bits)(kept))
        return harm(tensor_in(network(samples)), own)
    finally:
        weight.copy_(kept)
