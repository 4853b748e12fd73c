"""Parts of one image, all of one size: a random one to train on, the middle one to measure with."""

from collections.abc import Callable
from math import exp, log, sqrt
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.data.draws import uniform

TRIES = 10
"""How often ``random_crop`` draws a box before it takes the middle of a picture that is too long for any."""
_CROP = 12  # what a number is for; those before have their use

Keys: TypeAlias = tuple[int, int, int]
"""The seed, the epoch, and the number of the sample."""
Crop: TypeAlias = Callable[[Tensor, Keys], Tensor]
"""An image (3, H, W) as decoded, uint8, and what to draw from -> a part of it that has the size of all others."""


def random_crop(
    image: Tensor,
    keys: Keys,
    size: int = 224,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Tensor:
    """A random part of an image (3, H, W) uint8, scaled to (3, ``size``, ``size``), mirrored every other time.

    Its share of the area is uniform in ``scale``, the logarithm of width / height uniform in that of ``ratio``, its
    place uniform; after ``TRIES`` boxes that do not fit, the largest middle part whose proportions are allowed.

    Szegedy et al., "Going deeper with convolutions", 2015, arXiv:1409.4842, §6; the tries and the fallback are
    torchvision's, and so is scaling by antialiased bilinear interpolation.
    """
    height, width = image.shape[1:]
    chances = uniform(*keys[:2], _CROP, keys[2], torch.arange(4 * TRIES + 1)).tolist()
    top, left, tall, wide = _box(height, width, chances, scale, ratio)
    part = _scaled(image[:, top : top + tall, left : left + wide], size, size)
    return part.flip(2) if chances[-1] < 0.5 else part


def centre_crop(image: Tensor, _keys: Keys = (0, 0, 0), size: int = 224, resize: int = 256) -> Tensor:
    """The middle (3, ``size``, ``size``) of an image (3, H, W) uint8 scaled so that its shorter side is ``resize``."""
    height, width = image.shape[1:]
    shorter = min(height, width)
    whole = _scaled(image, resize * height // shorter, resize * width // shorter)
    top, left = (round((side - size) / 2) for side in whole.shape[1:])
    return whole[:, top : top + size, left : left + size]


def _scaled(image: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(image[None], (height, width), mode="bilinear", antialias=True)[0]


def _box(
    height: int, width: int, chances: list[float], scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random part."""
    narrow, broad = log(ratio[0]), log(ratio[1])
    for area, proportions, down, across in zip(*(chances[n : 4 * TRIES : 4] for n in range(4)), strict=True):
        pixels = height * width * (scale[0] + (scale[1] - scale[0]) * area)
        quotient = exp(narrow + (broad - narrow) * proportions)
        tall, wide = round(sqrt(pixels / quotient)), round(sqrt(pixels * quotient))
        if 0 < tall <= height and 0 < wide <= width:
            return int(down * (height - tall + 1)), int(across * (width - wide + 1)), tall, wide
    tall, wide = min(height, round(width / ratio[0])), min(width, round(height * ratio[1]))
    return (height - tall) // 2, (width - wide) // 2, tall, wide
