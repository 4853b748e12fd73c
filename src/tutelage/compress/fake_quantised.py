r"""Quantisation-aware training: a network that rounds weights and activations as int8 will, and learns all the same.

In the forward pass a weight is ``s_c · round(w / s_c)`` with ``s_c = max|w_c| / (2^(b−1) − 1)`` for each output channel
``c``, or ``mean|w_c| · sign(w)`` in one bit (``rounded_weight.BinaryWeight``); an activation is
``s · (clamp(round(x / s) + z, 0, 2^b − 1) − z)`` with ``s`` and ``z`` from a range that a moving average follows. In
the backward pass the rounding is not there (straight-through), and what lies outside of the range has no gradient.
Halves are rounded to even. 0 is exact, but for binary weights.

Weights are parametrisations and activations hooks on modules, so that a network keeps its names: it learns by any
method in ``train``, and its layers can be read. A batch norm multiplies a channel, and so does the scale of that
channel: folded at the end, the whole numbers stay what they were.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018,
arXiv:1712.05877; Bengio, Léonard & Courville, 2013, arXiv:1308.3432 (straight-through).
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tutelage.compress.chains import INPUT, NORMS, OUTPUT, Chains, chains_of
from tutelage.compress.computed_weight import refuse_computed_weight
from tutelage.compress.rounded_weight import FULL, SMALLEST, BinaryWeight, RoundedWeight, rounding, rounds
from tutelage.keys import Build

Bits: TypeAlias = int | Mapping[str, int]
"""Of all weights, or of each layer's by its name; 32 leaves them as they are."""
PACE = 0.01
"""How much of a new batch's range goes into the moving average."""


class RoundedActivation(nn.Module):
    """Whole numbers from 0 to ``2^bits − 1`` in a range that training moves; nothing is rounded before it has seen any.

    The first batch in train mode sets ``low`` and ``high``; later ones move them by ``pace``, 0 once they are frozen.
    Of what is ``rectified`` next the range begins at 0: to round so, and then to rectify, is to rectify and then round.
    """

    low: Tensor
    high: Tensor
    pace: Tensor

    def __init__(self, bits: int, *, rectified: bool = False) -> None:
        super().__init__()
        self.bits, self.rectified = bits, rectified
        for name, value in (("low", torch.inf), ("high", -torch.inf), ("pace", PACE)):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.observe(x.detach())
        scale, zero = self.scale_and_zero()
        rounded = torch.fake_quantize_per_tensor_affine(x, scale, zero, 0, 2**self.bits - 1)
        return rounded if self.training else torch.where(self.low.isfinite(), rounded, x)

    @torch.no_grad()
    def observe(self, x: Tensor) -> None:
        """Let the range follow that of ``x``."""
        low, high = x.amin(), x.amax()
        for kept, seen in ((self.low, low.clamp_min(0) if self.rectified else low), (self.high, high)):
            seen = seen.to(kept.dtype)
            kept.copy_(torch.where(kept.isfinite(), torch.lerp(kept, seen, self.pace), seen))

    def scale_and_zero(self) -> tuple[Tensor, Tensor]:
        """The scale, float32, and the whole number that stands for 0, int32."""
        return affine(self.low, self.high, self.bits)


def affine(low: Tensor, high: Tensor, bits: int = 8) -> tuple[Tensor, Tensor]:
    """Scale and zero point, an int32, of unsigned whole numbers for a range, made to include 0.

    >>> scale, zero = affine(torch.tensor(-0.7), torch.tensor(2.6))
    >>> round(scale.item(), 6), zero.item()
    (0.012941, 54)
    """
    low, high = (torch.nan_to_num(x, posinf=0.0, neginf=0.0) for x in (low, high))
    low, high = low.clamp_max(0), high.clamp_min(0)
    scale = ((high - low) / (2**bits - 1)).clamp_min(SMALLEST)
    return scale, (-(low / scale).round()).clamp(0, 2**bits - 1).to(torch.int32)


def fake_quantised_(network: nn.Module, example: Tensor, *, weights: Bits = 8, activations: int = 8) -> None:
    """Let convolutions and linear layers of ``network`` round their weights, and what they read and put out.

    What follows what is seen in one pass on ``example`` (a sample or more): a range stands behind the batch norm and
    the ReLU that follow a layer, where the file computes them together. A layer with fewer than 8 bits that is the
    first or the last is given 8, unless ``weights`` names it. What the network puts out is not rounded. 32 bits change
    nothing. Raises ``ValueError`` for a network that is fake-quantised already, that has no such layer, or one whose
    weight is computed from others; and for layers in ``weights`` that it does not have, or bits that are none of 1 to
    8, 32.
    """
    if is_fake_quantised(network):
        raise ValueError(f"{type(network).__name__} is fake-quantised already.")
    chains = chains_of(network, example)
    chosen = _bits_of(chains, weights, type(network).__name__)
    if activations not in (*range(2, 9), FULL):
        raise ValueError(f"Activations have 2 to 8 bits, or 32; got {activations}.")
    layers = {name: layer for name, layer in zip(chains.names, chains.layers, strict=True) if chosen[name] != FULL}
    for name, layer in layers.items():
        refuse_computed_weight(name, layer)
    for name, layer in layers.items():
        parametrize.register_parametrization(layer, "weight", rounding(chosen[name]), unsafe=True)
        for reader in chains.unrounded_inputs(layer) if activations != FULL else ():
            if reader is layer:
                round_(layer, INPUT, RoundedActivation(activations))
            elif not hasattr(reader, OUTPUT):
                round_(reader, OUTPUT, RoundedActivation(activations, rectified=chains.is_rectified(reader)))
        end = chains.end_of(layer)
        if activations != FULL and end is not None and not hasattr(end, OUTPUT):
            round_(end, OUTPUT, RoundedActivation(activations, rectified=chains.is_rectified(end)))


def fake_quantised(
    build: Build, *, sample: Sequence[int], ids: bool = False, weights: Bits = 8, activations: int = 8
) -> nn.Module:
    """What ``build`` makes, fake-quantised: a partial of this builds a stage's network.

    ``sample`` is a sample's size, and ``ids`` says that it has whole numbers, of tokens, where others have float32.
    """
    network = build()
    example = torch.ones(2, *sample, dtype=torch.int64 if ids else torch.float32)
    fake_quantised_(network, example, weights=weights, activations=activations)
    return network


def is_fake_quantised(network: nn.Module) -> bool:
    return any(isinstance(module, RoundedWeight | BinaryWeight | RoundedActivation) for module in network.modules())


@torch.no_grad()
def fill_(network: nn.Module, start: nn.Module) -> None:
    """Give ``network``, which is fake-quantised, the weights and buffers of ``start``; its ranges, too, if it has some.

    Raises ``ValueError`` unless the two are of one architecture.
    """
    given = start.state_dict()
    if is_fake_quantised(start):
        network.load_state_dict(given)
        return
    layers = [name for name, layer in network.named_modules(remove_duplicate=False) if rounds(layer)]  # not of others
    plain = {f"{name}.parametrizations.weight.original": f"{name}.weight" for name in layers}
    own = {plain.get(name, name): x for name, x in network.state_dict().items()}
    own = {name: x for name, x in own.items() if {INPUT, OUTPUT}.isdisjoint(name.split("."))}
    if strange := sorted(own.keys() ^ given.keys()) or [n for n, x in own.items() if x.shape != given[n].shape]:
        raise ValueError(f"The weights are those of another architecture: {strange[0]!r} differs; build both alike.")
    for name, x in own.items():
        x.copy_(given[name])


def freeze_(network: nn.Module) -> None:
    """From now on ranges stay as they are, and batch norms use the statistics that they have, in train mode, too.

    For the last part of a training: what is rounded is then what the file will round. Nothing else changes: weights go
    on learning.
    """
    for module in network.modules():
        if isinstance(module, RoundedActivation):
            module.pace.zero_()
        elif isinstance(module, NORMS) and _stays not in module._forward_pre_hooks.values():
            module.register_forward_pre_hook(_stays)


def round_(module: nn.Module, name: str, rounding: nn.Module) -> None:
    """Let ``module`` round by ``rounding`` what it is given first, if ``name`` is ``INPUT``, or what it puts out."""
    module.add_module(name, rounding)
    if name == INPUT:
        module.register_forward_pre_hook(_rounded_input)
    else:
        module.register_forward_hook(_rounded_output)


def _stays(norm: nn.Module, _args: object) -> None:
    norm.training = False


def unhook_(module: nn.Module) -> None:
    """Take away what rounds its inputs and outputs; hooks of others stay."""
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for key in [key for key, hook in hooks.items() if hook in (_rounded_input, _rounded_output, _stays)]:
            del hooks[key]


def _rounded_input(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (module.get_submodule(INPUT)(args[0]), *args[1:])


def _rounded_output(module: nn.Module, _args: object, output: Tensor) -> Tensor:
    rounded: Tensor = module.get_submodule(OUTPUT)(output)
    return rounded


def _bits_of(chains: Chains, weights: Bits, called: str) -> dict[str, int]:
    names = chains.names
    if not names:
        raise ValueError(f"{called} has no linear layer and no convolution whose weights could be rounded.")
    given = weights if isinstance(weights, Mapping) else {}
    if strange := sorted(given.keys() - {*names}):
        raise ValueError(f"{called} has no layer {strange[0]!r} to be rounded; it has {', '.join(names)}.")
    usual = FULL if isinstance(weights, Mapping) else weights
    bits = {name: given.get(name, usual) for name in names}
    if wrong := [x for x in bits.values() if x not in (*range(1, 9), FULL)]:
        raise ValueError(f"Weights have 1 to 8 bits, or 32; got {wrong[0]}.")
    if not given:
        for name in (names[0], names[-1]):
            bits[name] = max(8, bits[name])
    return bits
