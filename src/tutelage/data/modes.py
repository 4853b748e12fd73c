"""Any mode of a picture as 8 bits of grey or of RGB, and upright as the camera says it was held."""

from typing import Any

import numpy as np

ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held."""
TURNED = (5, 6, 7, 8)
"""Its values for pictures whose sides change places."""
GREY = ("1", "L", "LA", "La", "I", "F")
"""Modes of one grey channel, beside those that begin with ``I;``."""


def upright(opened: Any) -> Any:
    """A pillow image, decoded and turned as its EXIF tag says; damaged EXIF data say nothing.

    The values 2 to 8 are: mirrored, upside down, both, and the four that lie on their side.
    """
    opened.load()  # a TIFF file is turned by pillow then, and its tag is gone
    orientation = orientation_of(opened)
    if not 2 <= orientation <= 8:
        return opened
    turns = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")
    return opened.transpose(_named(turns[orientation - 2]))


def orientation_of(opened: Any) -> int:
    """The EXIF orientation of an opened picture, 1 where it has none that can be read."""
    try:
        found = opened.getexif().get(ORIENTATION, 1)
    except Exception:  # whatever stands there in its place
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def is_grey(mode: str) -> bool:
    """Whether a picture of this pillow mode has one channel, of grey."""
    return mode in GREY or mode.startswith("I;")


def in_channels(picture: Any, channels: int) -> Any:
    """A pillow image in RGB (3) or grey (1: 0.299 R + 0.587 G + 0.114 B, ITU-R 601), 8 bits a channel.

    Grey of 16 bits is divided by 257, so that 0 … 65535 becomes 0 … 255; an alpha channel is dropped, a palette looked
    up. Raises ``ValueError`` for numbers that are no grey levels: fractions, and whole ones beyond 0 … 65535.
    """
    mode = "RGB" if channels == 3 else "L"
    if picture.mode == "F":
        raise ValueError("its pixels are fractions, of which nobody knows black and white; save it with 8 or 16 bits")
    if picture.mode == "I" or picture.mode.startswith("I;"):
        picture = _of_16_bits(picture)
    return picture if picture.mode == mode else picture.convert(mode)


def _of_16_bits(picture: Any) -> Any:
    levels = np.asarray(picture).astype(np.int64)
    if levels.size and not 0 <= levels.min() <= levels.max() <= 65535:
        raise ValueError(f"its pixels go from {levels.min()} to {levels.max()}, and grey from 0 to 65535")
    from PIL import Image

    return Image.fromarray(((levels + 128) // 257).astype(np.uint8))


def _named(turn: str) -> Any:
    from PIL import Image

    return getattr(Image.Transpose, turn)
