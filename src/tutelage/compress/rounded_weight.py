"""What a weight is rounded to, as parametrisations: whole numbers of 2 to 8 bits, or one bit, times a scale."""

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

SMALLEST = 2.0**-23
"""Of a scale: what is 0 throughout has one, too."""
FULL = 32
"""Bits of a weight that is left as it is."""


class RoundedWeight(nn.Module):
    """A parametrisation: whole numbers of ``bits``, symmetric, times a scale for each output channel."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits
        self.most = 2 ** (bits - 1) - 1

    def forward(self, weight: Tensor) -> Tensor:
        scale = self.scale(weight)
        zero = torch.zeros_like(scale, dtype=torch.int32)
        rounded: Tensor = torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -self.most, self.most)
        return rounded

    def scale(self, weight: Tensor) -> Tensor:
        """``max|w_c| / most`` (C,), float32."""
        largest: Tensor = weight.detach().flatten(1).abs().amax(1)
        return largest.float().div(self.most).clamp_min(SMALLEST)


class BinaryWeight(nn.Module):
    r"""A parametrisation: signs, of which that of 0 is +1, times a scale for each output channel, ``α_c sign(w)``.

    ``α_c = mean|w_c|``: no other scale, and no other signs, are nearer to ``w_c``. A channel of zeros stays 0. In the
    backward pass the sign lets pass what stands within [−1, 1], and the scale depends on all ``n`` weights of its
    channel: ``∂L/∂w_i = α_c g_i 1[|w_i| ≤ 1] + sign(w_i)/n Σ_j g_j sign(w_j)`` with ``g = ∂L/∂w̃``. The paper has
    ``g_i/n`` for the second part, as if no weight had a share in the others' scale. The float weights learn on; the
    first and the last layer are better left at more bits.

    Rastegari, Ordonez, Redmon & Farhadi, "XNOR-Net: ImageNet Classification Using Binary Convolutional Neural
    Networks", ECCV 2016, arXiv:1603.05279, §3.1; Courbariaux, Bengio & David, "BinaryConnect", NeurIPS 2015,
    arXiv:1511.00363.
    """

    bits = 1

    def forward(self, weight: Tensor) -> Tensor:
        scale = weight.flatten(1).abs().mean(1).view(-1, *[1] * (weight.ndim - 1))
        signs = torch.where(weight.detach() >= 0, 1.0, -1.0).to(weight.dtype)
        through = weight.clamp(-1, 1)
        through = through - through.detach()  # 0, with the gradient of the sign
        return scale * (signs + through)

    def scale(self, weight: Tensor) -> Tensor:
        """``mean|w_c|`` (C,), float32."""
        return weight.detach().flatten(1).abs().mean(1).float().clamp_min(SMALLEST)


AnyRounding: TypeAlias = RoundedWeight | BinaryWeight


def rounding(bits: int) -> AnyRounding:
    """What rounds a weight to so many bits, 1 to 8. Raises ``ValueError`` for others."""
    if bits not in range(1, 9):
        raise ValueError(f"Weights have 1 to 8 bits; got {bits}.")
    return BinaryWeight() if bits == 1 else RoundedWeight(bits)


def rounds(layer: nn.Module) -> bool:
    """Whether the weight of ``layer`` is rounded by one of these."""
    if not parametrize.is_parametrized(layer, "weight"):
        return False
    return isinstance(layer.parametrizations["weight"][0], RoundedWeight | BinaryWeight)  # type: ignore[index]
