"""Augmentation of whole batches, light or strong, drawn by counting from the number of the view: of pictures and masks.

A picture is kept a little larger than what a network sees, or in that size; each view shows another part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import log
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.data.draws import uniform_of_view
from tutelage.data.labelled import UNLABELLED
from tutelage.data.randaugment import randaugment
from tutelage.data.transforms import Transform
from tutelage.data.windows import mirrored_where, windows

Level: TypeAlias = Literal["none", "light", "strong"]
LIGHT_VIEWS = 32
"""Views of the light augmentation: as many answers of a teacher may be kept a sample."""
WHOLE = (0, 0)
"""A size that is as large as what is kept."""
LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue are of grey: ITU-R 601."""
ENDLESS = 2**31
"""As many views are drawn from where none is kept."""
_PLACE, _MIRROR, _COLOUR, _BOX = 13, 14, 15, 16  # what a number is for; those before have their use
SHARES, PROPORTIONS, TINT = (0.35, 1.0), (3 / 4, 4 / 3), 0.2
"""Of ``strong``, the share of a picture that is seen, and width over height; how far ``light`` changes colours."""


@dataclass(frozen=True)
class Augmentation:
    """How pictures are shown, how masks are (the same parts), how many views there are, and that in words."""

    pictures: Transform
    masks: Transform
    views: int
    words: str


def augmentation(
    level: Level, size: tuple[int, int], channels: int, views: int = 0, seed: int = 0, masks: bool = False
) -> Augmentation:
    """What ``level`` means for pictures of which a network sees ``size`` (H, W); with ``masks``, for both alike.

    ``none`` is the middle. ``light`` is another part of the picture in each of ``views`` views (32 if 0): of what is
    kept where that is larger, else moved by up to an eighth of the side with black where nothing is. Brightness,
    contrast and, of 3 channels, colour change by up to 20 %; view 0 is the middle as it is. ``strong`` is a random part
    of 35 % to 100 % of the area, scaled to ``size``, and two operations of RandAugment (with ``masks``, the changes of
    ``light``, which move nothing); there is a view for every number unless ``views`` says how many. Pictures of 3
    channels are mirrored every other time, grey ones never: among them are digits and letters.
    """
    mirrored = channels == 3
    flips = "mirrored every other time" if mirrored else "never mirrored, as grey pictures may be letters"
    if level == "none":
        return Augmentation(partial(middle, size=size), partial(_mask_middle, size=size), 1, "no augmentation")
    if level == "light":
        count = views or LIGHT_VIEWS
        place = partial(shifted, size=size, mirrored=mirrored, seed=seed)
        words = f"light augmentation in {count} views: shifted, {flips}, brightness and contrast by up to 20 %"
    else:
        count = views or ENDLESS
        place = partial(_resized_crop, size=size, mirrored=mirrored, seed=seed)
        then = "brightness and contrast by up to 20 %" if masks else "two operations of RandAugment"
        words = f"strong augmentation in {views or 'endless'} views: random parts, {flips}, {then}"
    change = _operations if level == "strong" and not masks else _tinted
    show = partial(_moved_and_changed, place=place, change=partial(change, seed=seed))
    return Augmentation(show, partial(_of_masks, transform=place), count, words)


def middle(images: Tensor, _view: Tensor, size: tuple[int, int] = WHOLE) -> Tensor:
    """The middle (h, w) of images (…, H, W), from row ``(H - h) // 2`` and column ``(W - w) // 2`` on."""
    size = _size(images, size)
    top, left = ((whole - part) // 2 for whole, part in zip(images.shape[-2:], size, strict=True))
    return images[..., top : top + size[0], left : left + size[1]]


def shifted(
    images: Tensor, view: Tensor, size: tuple[int, int] = WHOLE, mirrored: bool = True, seed: int = 0
) -> Tensor:
    """A part (h, w) of each image (N, C, H, W), drawn from its view and perhaps mirrored; view 0 is the middle."""
    size, view = _size(images, size), view.to(images.device)
    pads = [
        max(round(part / 8), 1) if whole <= part else 0 for whole, part in zip(images.shape[-2:], size, strict=True)
    ]
    room = [whole + 2 * pad - part for whole, pad, part in zip(images.shape[-2:], pads, size, strict=True)]
    padded = F.pad(images, [pads[1], pads[1], pads[0], pads[0]]) if any(pads) else images
    top, left = (
        torch.where(view == 0, free // 2, (uniform_of_view(seed, _PLACE, axis, view) * (free + 1)).long())
        for axis, free in enumerate(room)
    )
    which = torch.arange(len(images), device=images.device)
    part = windows(padded.contiguous(), which, top, left, torch.Size(size))
    return mirrored_where(_is_mirrored(view, seed), part) if mirrored else part


def shows(made: Augmentation, masks: bool, normalise: Transform | None = None) -> Transform | Mapping[str, Transform]:
    """What ``views`` takes: the transform of pictures, ``normalise`` in its place, with that of masks if there are."""
    pictures = normalise or made.pictures
    return {"input": pictures, "target": made.masks} if masks else pictures


def _moved_and_changed(images: Tensor, view: Tensor, place: Transform, change: Transform) -> Tensor:
    """The part of the images that ``place`` shows, its grey levels changed; what are no grey levels stays."""
    part = place(images, view)
    return change(part, view) if part.dtype == torch.uint8 else part


def _tinted(images: Tensor, view: Tensor, seed: int = 0) -> Tensor:
    """Images uint8 with brightness, contrast and, of 3 channels, colour times 1 ± ``TINT``; view 0 as it is.

    In one pass, as all are linear: of x with its grey g and the mean m of that, ``abc·x + ab(1 - c)·g + a(1 - b)·m``.
    """
    view = view.to(images.device)
    chances = [uniform_of_view(seed, _COLOUR, number, view) for number in range(3)]
    a, b, c = (torch.where(view == 0, 1.0, 1 + TINT * (2 * chance - 1)).float() for chance in chances)
    x, pixels = images.float(), images.shape[2] * images.shape[3]
    whole = torch.int32 if pixels < 2**23 else torch.int64  # numbers that are the same in any company
    sums = images.sum((2, 3), dtype=whole).double() / pixels
    if images.shape[1] != 3:
        scale, shift = a * b, a * (1 - b) * sums[:, 0].float()
        return _levels(x.mul_(_each(scale)).add_(_each(shift)))
    grey = x[:, :1] * LUMA[0]
    grey.add_(x[:, 1:2], alpha=LUMA[1]).add_(x[:, 2:], alpha=LUMA[2])
    mean = (sums * sums.new_tensor(LUMA)).sum(1).float()
    grey.mul_(_each(a * b * (1 - c))).add_(_each(a * (1 - b) * mean))
    return _levels(x.mul_(_each(a * b * c)).add_(grey))


def _levels(x: Tensor) -> Tensor:
    return x.round_().clamp_(0, 255).to(torch.int16).to(torch.uint8)  # in a third of the time of one step


def _each(numbers: Tensor) -> Tensor:
    """A number for each picture (N, 1, 1, 1)."""
    return numbers[:, None, None, None]


def _operations(images: Tensor, view: Tensor, seed: int = 0) -> Tensor:
    """Images uint8 changed by two operations of RandAugment."""
    return randaugment(images, view, seed=seed)


def _resized_crop(
    images: Tensor, view: Tensor, size: tuple[int, int], mirrored: bool = True, seed: int = 0, mode: str = "bilinear"
) -> Tensor:
    """A box of each image (N, C, H, W) drawn from its view and scaled to ``size``, mirrored every other time.

    Its share of the area is uniform in ``SHARES``, the logarithm of width over height uniform in that of
    ``PROPORTIONS``, cut to what there is; its place is uniform. Szegedy et al., 2015, arXiv:1409.4842, §6.
    """
    view = view.to(images.device)
    chance = [uniform_of_view(seed, _BOX, number, view) for number in range(4)]
    area = SHARES[0] + (SHARES[1] - SHARES[0]) * chance[0]
    narrow, broad = (log(x) for x in PROPORTIONS)
    root = ((narrow + (broad - narrow) * chance[1]) / 2).exp()
    wide, tall = (area.sqrt() * root).clamp(max=1), (area.sqrt() / root).clamp(max=1)  # of 1
    across, down = (2 * place - 1 for place in chance[2:])
    turn = torch.where(_is_mirrored(view, seed), -1.0, 1.0) if mirrored else torch.ones_like(wide)
    nothing = torch.zeros_like(wide)
    rows = [
        torch.stack([wide * turn, nothing, across * (1 - wide)], 1),
        torch.stack([nothing, tall, down * (1 - tall)], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1).float(), [len(images), 1, *size], align_corners=False)
    part = F.grid_sample(images.float(), grid, mode=mode, padding_mode="border", align_corners=False)
    return _levels(part) if images.dtype == torch.uint8 else part


def _mask_middle(masks: Tensor, view: Tensor, size: tuple[int, int]) -> Tensor:
    """As ``middle``, for masks (N, H, W), as int64."""
    return middle(masks, view, size).long()


def _of_masks(masks: Tensor, view: Tensor, transform: partial[Tensor]) -> Tensor:
    """Masks (N, H, W) in the same part as ``transform`` shows of pictures, by the nearest pixel, as int64.

    What lies outside of the picture is of no class.
    """
    known = masks[:, None].to(torch.uint8)
    if transform.func is _resized_crop:
        return transform(known, view, mode="nearest")[:, 0].long()
    raised = known + 1  # 0 is what is padded with, and 255 becomes it
    part = transform(raised, view)[:, 0].long() - 1
    return torch.where(part < 0, UNLABELLED, part)


def _size(images: Tensor, size: tuple[int, int]) -> tuple[int, int]:
    return size if size != WHOLE else (images.shape[-2], images.shape[-1])


def _is_mirrored(view: Tensor, seed: int) -> Tensor:
    return (uniform_of_view(seed, _MIRROR, 0, view) < 0.5) & (view != 0)
