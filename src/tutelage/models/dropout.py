"""Dropout that costs little on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.models.counts import refuse_dropout


class FastDropout(nn.Module):
    """``nn.Dropout`` from random bits: ``x · keep / (1 − p)``, each ``keep`` 1 with probability ``1 − p``, else 0.

    On a CPU ``nn.Dropout`` draws one number an element, 20 times slower than the 8 (or 16) bits that are needed. ``p``
    is rounded to a multiple of 1/65536, and the survivors are scaled by what was really kept, so that the mean is
    exact. Bits come from the default generator of the device. Elsewhere than on a CPU, this is ``nn.Dropout``.
    Raises ``ValueError`` if ``p`` is not in [0, 1).

    >>> FastDropout(0.5).eval()(torch.ones(3))
    tensor([1., 1., 1.])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        refuse_dropout("FastDropout", p=p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        return x * _noise(x, self.p) if x.device.type == "cpu" else F.dropout(x, self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def _noise(x: Tensor, p: float) -> Tensor:
    """0 with probability ``p``, else ``1 / (1 − p)``, in the shape and type of ``x``."""
    width, number = (8, torch.int8) if (p * 256).is_integer() else (16, torch.int16)
    dropped = min(round(p * 2**width), 2**width - 1)  # of the 2^width values that the bits can have
    words = -(-x.numel() * width // 64)
    bits = torch.empty(words, dtype=torch.int64).random_(-(2**63), None)  # all 64 bits: without bounds it draws 63
    kept: Tensor = bits.view(number)[: x.numel()].view(x.shape) >= dropped - 2 ** (width - 1)
    return kept.to(x.dtype).mul_(2**width / (2**width - dropped))
