"""Which size pictures are kept in: a square a little larger than what a network sees, or as they are."""

from collections.abc import Sequence
from dataclasses import dataclass

USUAL = 224
"""Pixels a side that networks see where pictures differ in size and nobody says otherwise."""


@dataclass(frozen=True)
class Geometry:
    """Pictures are kept in ``kept`` (H, W), of which a network sees ``size`` in the middle or, in training, any part.

    ``resize`` is what the shorter side is scaled to first, and the middle is taken; with 0 the picture stays as it is.
    """

    size: tuple[int, int]
    kept: tuple[int, int]
    resize: int = 0


def geometry(sizes: Sequence[tuple[int, int]], size: int = 0) -> tuple[Geometry, str]:
    """How pictures of these sizes (H, W), upright, are kept for a network that sees ``size`` pixels a side; in words.

    Pictures of one size stay as they are (``size`` 0), or are scaled to ``size`` whole. Where they differ, the shorter
    side becomes 8/7 of it, as 256 is of 224, by an even number of pixels more: so the middle of the middle is the
    middle.

    >>> geometry([(30, 40), (50, 20)])[0]
    Geometry(size=(224, 224), kept=(256, 256), resize=256)
    >>> geometry([(28, 28)] * 2)[0]
    Geometry(size=(28, 28), kept=(28, 28), resize=0)
    """
    if len(set(sizes)) <= 1:
        own = next(iter(sizes), (USUAL, USUAL))
        if size in (0, own[0]) and (size == 0 or own[0] == own[1]):
            return Geometry(own, own), f"all pictures have {own[1]} x {own[0]} pixels and stay as they are"
        if own[0] == own[1]:
            return Geometry((size, size), (size, size), size), f"all pictures are scaled to {size} x {size} pixels"
    seen = size or USUAL
    resize = seen + 2 * round(seen / 14)
    shorter = sorted(min(x) for x in sizes)
    words = (
        f"pictures are scaled so that their shorter side has {resize} pixels, and the middle {seen} x {seen} is seen"
    )
    if not size:
        words += " (--size says otherwise)"
        if (median := shorter[len(shorter) // 2]) < seen / 2:
            words += f"; half of them have no more than {median} pixels there: --size {median} would be faster"
    return Geometry((seen, seen), (resize, resize), resize), words


def middle_box(width: int, height: int, resize: int) -> tuple[float, float, float, float]:
    """The part of a picture that is its middle once its shorter side is ``resize``: left, top, right, bottom.

    To the pixel what scaling the whole and cutting out rows and columns from ``(length - resize) // 2`` on would give.

    >>> middle_box(40, 20, 10)
    (10.0, 0.0, 30.0, 20.0)
    """
    shorter = min(width, height)
    scaled = (resize * width // shorter, resize * height // shorter)
    (left, right), (top, bottom) = (
        ((length - resize) // 2 * own / length, ((length - resize) // 2 + resize) * own / length)
        for length, own in zip(scaled, (width, height), strict=True)
    )
    return left, top, right, bottom
