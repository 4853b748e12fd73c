"""The fourteen operations of RandAugment on batches of images, to the grey level those of pillow.

Each changes uint8 images (N, C, H, W), every image by an amount of its own; none draws anything.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Operation: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""``operation(images, amount)``: images uint8 (N, C, H, W), changed each by its own amount, float64 (N,)."""


def identity(images: Tensor, _amount: Tensor) -> Tensor:
    """The images as they are."""
    return images


def shear_x(images: Tensor, amount: Tensor) -> Tensor:
    """Row y (its middle at y + ½) moved left by ``amount`` · y."""
    return _moved(images, 1, amount)


def shear_y(images: Tensor, amount: Tensor) -> Tensor:
    """Column x (its middle at x + ½) moved up by ``amount`` · x."""
    return _moved(images, 3, amount)


def translate_x(images: Tensor, amount: Tensor) -> Tensor:
    """Moved left by ``amount`` pixels."""
    return _moved(images, 2, amount)


def translate_y(images: Tensor, amount: Tensor) -> Tensor:
    """Moved up by ``amount`` pixels."""
    return _moved(images, 5, amount)


def rotate(images: Tensor, amount: Tensor) -> Tensor:
    """Turned about the middle, ``amount`` degrees counter-clockwise."""
    height, width = images.shape[2:]
    cosine, sine = torch.deg2rad(-amount).cos(), torch.deg2rad(-amount).sin()
    c = width / 2 - cosine * width / 2 - sine * height / 2
    f = height / 2 + sine * width / 2 - cosine * height / 2
    return _warped(images, torch.stack([cosine, sine, c, -sine, cosine, f], dim=1))


def brightness(images: Tensor, amount: Tensor) -> Tensor:
    """Each grey level times ``amount``."""
    return _blended(torch.zeros_like(images), images, amount)


def color(images: Tensor, amount: Tensor) -> Tensor:
    """Between the grey picture (0) and the picture itself (1), or beyond it."""
    return _blended(_grey(images), images, amount)


def contrast(images: Tensor, amount: Tensor) -> Tensor:
    """Between the mean grey level of the picture (0) and the picture itself (1), or beyond it."""
    pixels = images.shape[2] * images.shape[3]
    total = _grey(images).sum((1, 2, 3), dtype=torch.int64)[:, None, None, None]
    return _blended((2 * total + pixels) // (2 * pixels), images, amount)  # the mean, rounded half up


def sharpness(images: Tensor, amount: Tensor) -> Tensor:
    """Between the smoothed picture (0) and the picture itself (1), or beyond it. The outermost pixels stay."""
    smooth = images.clone()
    if min(images.shape[2:]) >= 3:
        x = images.short()
        x = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
        x = x[..., :-2] + x[..., 1:-1] + x[..., 2:] + 4 * images[:, :, 1:-1, 1:-1].short()  # of 13, the middle has 5
        smooth[:, :, 1:-1, 1:-1] = (x / 13 + 0.5).to(torch.uint8)  # never near a half: 13 is odd
    return _blended(smooth, images, amount)


def posterize(images: Tensor, amount: Tensor) -> Tensor:
    """The upper ⌊``amount``⌋ bits of each grey level."""
    lost = (8 - amount.floor()).to(torch.uint8)[:, None, None, None]
    return (images >> lost) << lost


def solarize(images: Tensor, amount: Tensor) -> Tensor:
    """Grey levels from ``amount`` on turned into their negative."""
    first = amount.ceil().short()[:, None, None, None]
    return torch.where(images < first, images, 255 - images)


def autocontrast(images: Tensor, _amount: Tensor) -> Tensor:
    """Each channel stretched so that its darkest grey level becomes 0 and its lightest 255."""
    low, high = (x.flatten(2).double() for x in torch.aminmax(images.flatten(2), dim=2, keepdim=True))
    levels = torch.arange(256, dtype=torch.float64, device=images.device)
    scale = levels[-1] / (high - low)  # a number divided by a tensor would be its reciprocal times the number
    stretched = (levels * scale + -low * scale).clamp(0, 255)
    return _looked_up(images, torch.where(high > low, stretched, levels).to(torch.uint8))


def equalize(images: Tensor, _amount: Tensor) -> Tensor:
    """Each channel with its grey levels spread so that they are taken equally often."""
    values = images.flatten(2).long()
    counts = values.new_zeros(*values.shape[:2], 256).scatter_add_(2, values, torch.ones_like(values))
    step = (values.shape[2] - counts.gather(2, values.amax(2, keepdim=True))) // 255
    spread = ((step // 2 + counts.cumsum(2) - counts) // step.clamp(min=1)).clamp(max=255)
    levels = torch.arange(256, device=images.device)
    return _looked_up(images, torch.where(step > 0, spread, levels).to(torch.uint8))


OPERATIONS: tuple[Operation, ...] = (
    *(identity, shear_x, shear_y, translate_x, translate_y, rotate),
    *(brightness, color, contrast, sharpness),
    *(posterize, solarize, autocontrast, equalize),
)
"""The fourteen operations of the paper, in torchvision's order, which is that of the amounts in ``randaugment``."""


def _moved(images: Tensor, entry: int, amount: Tensor) -> Tensor:
    """Warped by the unit matrix but for one of its entries a … f."""
    matrix = torch.tensor([1.0, 0, 0, 0, 1, 0], dtype=torch.float64, device=images.device).repeat(len(images), 1)
    matrix[:, entry] = amount
    return _warped(images, matrix)


def _warped(images: Tensor, matrix: Tensor) -> Tensor:
    """Images with, at (x, y), the pixel that was at (a·x + b·y + c, d·x + e·y + f), black if it was outside.

    ``matrix`` (N, 6) holds a … f, and places are counted to the middle of a pixel, in whole numbers of 2⁻¹⁶, as in
    pillow's affine transform: so every machine finds the same pixel.
    """
    height, width = images.shape[2:]
    x, y = (torch.arange(side, device=images.device) for side in (width, height))
    rows = matrix.unflatten(1, (2, 3))  # a b c over d e f
    rows = torch.cat([rows[..., :2], rows[..., 2:] + rows[..., :2].sum(2, keepdim=True) / 2], dim=2)
    across, down, begin = (rows * 65536 + 0.5).floor().long()[..., None, None].unbind(2)
    column, row = ((across * x + down * y[:, None] + begin) >> 16).unbind(1)  # (N, H, W)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    source = ((row * width + column) * inside).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, source).view_as(images) * inside[:, None]


def _blended(base: Tensor, images: Tensor, amount: Tensor) -> Tensor:
    """``base + amount · (images − base)``, cut off below to whole grey levels 0 … 255."""
    base = base.float()
    mixed = base + amount.float()[:, None, None, None] * (images.float() - base)
    return mixed.clamp_(0, 255).to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    """(N, 1, H, W): 0.299 R + 0.587 G + 0.114 B, rounded, in whole numbers of 2⁻¹⁶."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.int().unbind(1)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).to(torch.uint8)[:, None]


def _looked_up(images: Tensor, table: Tensor) -> Tensor:
    """Grey levels replaced by what stands in their place of ``table`` (N, C, 256)."""
    return table.gather(2, images.flatten(2).long()).view_as(images)
