"""RandAugment on whole batches: a few operations a picture, drawn by counting from the view's number and a seed.

So a view looks the same in every epoch: a teacher's answers can be kept per view, and a resumed run sees the same
pictures to the bit. A batch is grouped by operation (``image_operations``), never looped over.
"""

from collections.abc import Callable
from functools import partial
from math import floor

import torch
from torch import Tensor

from tutelage.data.draws import below, checked_seed, uniform
from tutelage.data.image_operations import OPERATIONS
from tutelage.data.transforms import Transform

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

    def choice(turn: int) -> tuple[Tensor, Tensor]:
        number = below(strengths.numel(), seed, turn, _AUGMENT, view)
        return number // 2, strengths.flatten()[number]

    return _in_turn(images, num_ops, choice)


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

    def choice(turn: int) -> tuple[Tensor, Tensor]:
        operation = below(len(OPERATIONS), seed, turn, _AUGMENT, view)
        share = uniform(seed, turn, _AMOUNT, view)
        return operation, lowest[operation] + (highest - lowest)[operation] * share

    where = uniform(seed, torch.arange(3, device=view.device), _CUT, view[:, None])
    return _cut_out(_in_turn(images, num_ops, choice), *where.unbind(1))


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
        raise ValueError(f"A transform has at least 1 view; num_views is {num_views}.")
    return partial(_augmented, transform=transform, num_views=num_views, augment=augment)


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


def _in_turn(images: Tensor, num_ops: int, choice: Callable[[int], tuple[Tensor, Tensor]]) -> Tensor:
    """Images changed ``num_ops`` times, at each turn by the operation and amount that ``choice`` gives each."""
    if num_ops < 1:
        raise ValueError(f"RandAugment makes at least 1 change to a picture; num_ops is {num_ops}.")
    levels = _grey_levels(images)
    apply = _grouped if images.device.type == "cpu" else _masked
    for turn in range(num_ops):
        levels = apply(levels, *choice(turn))
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
