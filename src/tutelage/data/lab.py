"""Pictures as lightness and two colour differences, CIE L*a*b*, so that lightness and colour can be told apart.

CIE 15:2004, §8.2.1, of sRGB as IEC 61966-2-1:1999 decodes it, under the white D65 of the 2° observer. The matrix is the
one of Lindbloom, brucelindbloom.com, "RGB working space matrices", with seven digits.
"""

from functools import partial

import torch
from torch import Tensor

from tutelage.data.transforms import Transform

TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""Linear sRGB to XYZ; each row adds up to the white point, (0.95047, 1, 1.08883)."""
KNEE = 6 / 29
"""Below its cube, the cube root of the definition goes on as a straight line."""
LIGHTNESS, COLOUR = (0,), (1, 2)
"""The channels of ``lab``."""


def lab(pictures: Tensor) -> Tensor:
    """``L*`` (0 … 100), ``a*`` and ``b*`` (−86.2 … 98.2 and −107.9 … 94.5) of sRGB pictures, each (N, 3, H, W).

    ``c`` becomes ``c / 12.92`` up to 0.04045, ``((c + 0.055) / 1.055)^2.4`` above; then with ``X, Y, Z`` of it over
    those of white, and ``f(t) = t^(1/3)`` above ``(6/29)³``, ``t / (3 (6/29)²) + 4/29`` up to that,
    ``L* = 116 f(Y) − 16``, ``a* = 500 (f(X) − f(Y))``, ``b* = 200 (f(Y) − f(Z))``. What is grey has no colour: 0, 0.

    uint8 is 0 … 255, fractions are 0 … 1. Raises ``ValueError`` for pictures without three channels.

    >>> red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    >>> [round(x, 2) for x in lab(red).flatten().tolist()]
    [53.24, 80.09, 67.2]
    """
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise ValueError(
            f"Lightness is told from colour in pictures of three channels, (N, 3, H, W); got {tuple(pictures.shape)}: "
            "grey ones have no colour."
        )
    matrix = torch.tensor(TO_XYZ, dtype=torch.float64)
    matrix = matrix / matrix.sum(1, keepdim=True)
    linear = _linear(pictures).flatten(2)
    x, y, z = _bent(matrix.to(linear) @ linear).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1).view(pictures.shape)


def in_lab(transform: Transform) -> Transform:
    """``transform``, its pictures as ``lab`` has them."""
    return partial(_in_lab, transform=transform)


def _in_lab(pictures: Tensor, view: Tensor, transform: Transform) -> Tensor:
    return lab(transform(pictures, view))


def _linear(pictures: Tensor) -> Tensor:
    if pictures.dtype != torch.uint8:
        return _decoded(pictures)
    levels = torch.arange(256, dtype=torch.float64) / 255
    table = _decoded(levels).float().to(pictures.device)  # a table of all there are is quicker than their powers
    return table.index_select(0, pictures.flatten().int()).view(pictures.shape)


def _decoded(c: Tensor) -> Tensor:
    return torch.where(c <= 0.04045, c / 12.92, ((c.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def _bent(t: Tensor) -> Tensor:
    line = t / (3 * KNEE**2) + 4 / 29  # it touches the root at the knee, and lies above it beyond
    return torch.minimum(t.clamp(min=KNEE**3) ** (1 / 3), line)
