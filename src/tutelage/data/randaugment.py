"""RandAugment on whole batches: a few operations a picture, drawn by counting from the view's number and a seed.

So a view looks the same whenever it is shown: a teacher's answers can be kept per view, and a resumed run sees the same
pictures to the bit. The operations are pillow's, to the grey level; a batch is grouped by operation, never looped over.
"""

from collections.abc import Callable
from functools import partial
from math import floor
from typing import TypeAlias

import torch
from torch import Tensor

from tutelage.data.draws import below, checked_seed, uniform
from tutelage.data.views import Transform

Operation: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""``operation(images, amount)``: images uint8 (N, C, H, W), changed each by its own amount, float64 (N,)."""

STRONGEST = 30
"""The magnitude at which every operation is as strong as it gets."""
CUTOUT_FILL = (125, 123, 114)
"""What is left of a place that was cut out: the grey levels of red, green and blue."""
_AUGMENT, _AMOUNT, _CUT = 4, 5, 6  # what a number is for; 0 to 3 are taken in ``draws``


def randaugment(images: Tensor, view: Tensor, num_ops: int = 2, magnitude: int = 9, seed: int = 0) -> Tensor:
    """Images (N, C, H, W), each changed by ``num_ops`` of ``OPERATIONS`` in turn, drawn from ``seed`` and its view.

    Operations are drawn with replacement, all at strength m = ``magnitude`` / 30, and those with a sign get a random
    one: shear ± 0.3 m (columns a row, rows a column, about the upper left corner), translate ± ⌊150/331 · m · side⌋
    pixels, rotate ± 30 m degrees, brightness, color, contrast and sharpness by the factor 1 ± 0.9 m, posterize to
    8 - round(4 m) bits, solarize from 255 · (1 - m) on. Pixels are the nearest ones, and black where nothing was.

    There is a view for every number from 0 on, so draw them from as many as the training shall see; ``augmented``
    crops and mirrors before. Grey levels are 0 … 255: augment before anything is scaled or normalised. Images that are
    no uint8 must hold whole grey levels and keep their type.

    Raises ``ValueError`` for a magnitude beyond 0 … 30, fewer than 1 operation, other than 1 or 3 channels, and values
    that are no grey levels (looked at on a CPU only).

    Cubuk, Zoph, Shlens & Le, "RandAugment: Practical automated data augmentation with a reduced search space", 2020,
    arXiv:1909.13719, §3: the fourteen operations. The paper takes their ranges over without printing them; these, the
    signs, the nearest pixel and the black margin are those of torchvision's ``RandAugment`` (31 bins). The authors' own
    code differs: magnitude 10 is full strength, the four factors grow with it from 0.1 to 1.9, the margin is grey.

    >>> images = torch.full((2, 3, 4, 4), 200, dtype=torch.uint8)
    >>> once, again = randaugment(images, torch.tensor([3, 8])), randaugment(images[1:], torch.tensor([8]))
    >>> torch.equal(once[1:], again)
    True
    """
    if not 0 <= magnitude <= STRONGEST:
        raise ValueError(f"RandAugment's magnitude is 0 to {STRONGEST}; got {magnitude}.")
    strengths = _strengths(magnitude / STRONGEST, *images.shape[2:]).to(images.device)
    seed, view = checked_seed(seed), view.to(images.device)

    def drawn(turn: int) -> tuple[Tensor, Tensor]:
        number = below(strengths.numel(), seed, turn, _AUGMENT, view)
        return number // 2, strengths.flatten()[number]

    return _in_turn(images, num_ops, drawn)


def randaugment_cutout(images: Tensor, view: Tensor, num_ops: int = 2, seed: int = 0) -> Tensor:
    """As ``randaugment``, but each operation's amount is drawn from its range, and at the end a square is cut out.

    Ranges: shear ± 0.3, translate ± 0.3 of the side, rotate ± 30 degrees, brightness, color, contrast and sharpness by
    a factor of 0.05 … 0.95 (they weaken, never strengthen), posterize to 4 … 7 bits, solarize from 0 … 256 on. The
    square, ``CUTOUT_FILL`` in colour, has its centre anywhere and a side of up to half the width.

    This is FixMatch's strong augmentation, and what Multi-Level Logit Distillation trains with: its code writes
    ``RandAugment(2, 10)`` and never reads the 10. Raises ``ValueError`` as ``randaugment`` does.

    Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence", 2020,
    arXiv:2001.07685; ranges as in Jin et al.'s code for "Multi-Level Logit Distillation", CVPR 2023, commit 5ee473f.
    """
    lowest, highest = _ranges(*images.shape[2:]).to(images.device)
    seed, view = checked_seed(seed), view.to(images.device)

    def drawn(turn: int) -> tuple[Tensor, Tensor]:
        operation = below(len(OPERATIONS), seed, turn, _AUGMENT, view)
        share = uniform(seed, turn, _AMOUNT, view)
        return operation, lowest[operation] + (highest - lowest)[operation] * share

    where = uniform(seed, torch.arange(3, device=view.device), _CUT, view[:, None])
    return _cut_out(_in_turn(images, num_ops, drawn), *where.unbind(1))


def augmented(transform: Transform, num_views: int, augment: Transform = randaugment) -> Transform:
    """What ``transform`` shows in view ``v mod num_views``, then changed by ``augment`` as drawn for ``v`` itself.

    ``num_views`` is the number of views that ``transform`` has. The new one has a view for every number: with
    ``k · num_views`` of them each crop is seen equally often, and each time is changed in another way. Raises
    ``ValueError`` for fewer than 1 view.

    >>> from tutelage.data.views import CROP_FLIPS, crop_flip
    >>> transform = augmented(crop_flip, CROP_FLIPS, partial(randaugment, num_ops=2, magnitude=10))
    >>> transform(torch.zeros(1, 3, 32, 32, dtype=torch.uint8), torch.tensor([162_000])).shape
    torch.Size([1, 3, 32, 32])
    """
    if num_views < 1:
        raise ValueError(f"A way to show samples has at least 1 view; num_views is {num_views}.")
    return partial(_augmented, transform=transform, num_views=num_views, augment=augment)


# ---- the operations, as pillow has them


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
"""The fourteen operations of the paper, in torchvision's order."""


def _strengths(m: float, height: int, width: int) -> Tensor:
    """What each operation is given at the share ``m`` of its full strength, with either sign: float64 (14, 2)."""
    across, down = (floor(round(150 / 331 * side * m, 9)) for side in (width, height))  # else 50 could become 49
    signed = [(x, -x) for x in (0.3 * m, 0.3 * m, across, down, 30 * m)]
    around = [(1 + 0.9 * m, 1 - 0.9 * m)] * 4
    bits, threshold = 8 - round(4 * m), round(255 * (1 - m), 9)
    alike = [(bits, bits), (threshold, threshold), (0, 0), (0, 0)]
    return torch.tensor([(0, 0), *signed, *around, *alike], dtype=torch.float64)


def _ranges(height: int, width: int) -> Tensor:
    """The lowest and the highest amount of each operation in ``randaugment_cutout``: float64 (2, 14)."""
    signed = [(-x, x) for x in (0.3, 0.3, 0.3 * width, 0.3 * height, 30.0)]
    ranges = [(0, 0), *signed, *[(0.05, 0.95)] * 4, (4, 8), (0, 256), (0, 0), (0, 0)]
    return torch.tensor(ranges, dtype=torch.float64).T


def _augmented(images: Tensor, view: Tensor, transform: Transform, num_views: int, augment: Transform) -> Tensor:
    return augment(transform(images, view % num_views), view)


def _in_turn(images: Tensor, num_ops: int, drawn: Callable[[int], tuple[Tensor, Tensor]]) -> Tensor:
    if num_ops < 1:
        raise ValueError(f"RandAugment makes at least 1 change to a picture; num_ops is {num_ops}.")
    levels = _grey_levels(images)
    apply = _grouped if images.device.type == "cpu" else _masked
    for turn in range(num_ops):
        levels = apply(levels, *drawn(turn))
    return levels.to(images.dtype)


def _grouped(images: Tensor, operation: Tensor, amount: Tensor) -> Tensor:
    """Each image changed by the operation that has its number, all images of one operation at once."""
    places, sizes = operation.argsort(stable=True), _counts(operation)
    groups = zip(OPERATIONS, images.index_select(0, places).split(sizes), amount[places].split(sizes), strict=True)
    changed = torch.cat([apply(some, amounts) for apply, some, amounts in groups if len(some)] or [images])
    return changed.index_select(0, places.argsort())


def _masked(images: Tensor, operation: Tensor, amount: Tensor) -> Tensor:
    """As ``_grouped``, for an accelerator: to know the size of a group, the host would have to wait for it."""
    result = images
    for number, apply in enumerate(OPERATIONS):
        mine = (operation == number)[:, None, None, None]
        result = torch.where(mine, apply(images, amount), result)
    return result


def _counts(operation: Tensor) -> list[int]:
    counts: list[int] = operation.bincount(minlength=len(OPERATIONS)).tolist()
    return counts


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


def _cut_out(images: Tensor, size: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Images without a square; its side is ``size`` · half the width, its middle is drawn from the whole picture."""
    channels, height, width = images.shape[1:]
    side = size * width / 2
    left, top = ((part * length - side / 2).clamp(min=0).floor() for part, length in ((across, width), (down, height)))
    x, y = torch.arange(width, device=images.device), torch.arange(height, device=images.device)
    columns = (x >= left[:, None]) & (x <= (left + side)[:, None])
    rows = (y >= top[:, None]) & (y <= (top + side)[:, None])
    fill = torch.tensor(CUTOUT_FILL[:channels], device=images.device)[:, None, None]
    return torch.where((rows[:, :, None] & columns[:, None])[:, None], fill.to(images.dtype), images)


def _grey_levels(images: Tensor) -> Tensor:
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"RandAugment is for images (N, C, H, W) of 1 or 3 channels; got {list(images.shape)}.")
    if images.dtype == torch.uint8:
        return images
    levels = images.to(torch.uint8)
    if images.device.type == "cpu" and not torch.equal(levels.to(images.dtype), images):
        raise ValueError(
            f"RandAugment wants grey levels, whole numbers from 0 to 255; these images ({images.dtype}) hold others. "
            "Augment them before they are scaled or normalised."
        )
    return levels
