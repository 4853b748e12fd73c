"""Encoded pictures and masks as one tensor of uint8: any size and mode in, one size out, whoever decodes them."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from tutelage.data.modes import GREY, in_channels, is_grey, upright
from tutelage.data.pictures import needed, sound_image
from tutelage.own_data.geometry import Geometry, middle_box
from tutelage.own_data.survey import bytes_of, in_threads, why
from tutelage.plurals import counted

GAP = 3.0
"""How many times larger than wanted a picture is before it is scaled exactly: pillow averages whole pixels until there,
which is faster and cannot be told from scaling at once."""


class Decoded(NamedTuple):
    """What became of one picture: the digest of its pixels as they are kept, or why there are none."""

    digest: bytes = b""
    broken: str = ""


def decode_into(
    out: Tensor, inputs: Sequence[Path | bytes], geometry: Geometry, workers: int = 0, digests: bool = False
) -> list[Decoded]:
    """Decode each picture into its row of ``out``, uint8 (N, C, H, W) with (H, W) = ``geometry.kept``.

    A JPEG is decoded at the smallest of a whole, a half, a quarter and an eighth of its size that is no smaller than
    what is kept (pillow's ``draft``), everything is scaled bilinearly over all pixels, upright, 8 bits a channel. A row
    whose picture is broken is left as it is. The result does not depend on ``workers``, threads that decode.

    Raises ``ImportError`` with the install line without pillow.
    """
    image, channels = needed("PIL.Image"), out.shape[1]
    rows = out.numpy()

    def one(place: int) -> Decoded:
        try:
            with sound_image(image, bytes_of(inputs[place])) as opened:
                pixels = _kept(image, opened, geometry, channels)
        except Exception as error:  # damage may end anywhere in a decoder
            return Decoded(broken=why(error))
        rows[place] = pixels.transpose(2, 0, 1) if channels == 3 else pixels
        return Decoded(sha256(rows[place].data).digest()[:16] if digests else b"")

    return in_threads(one, range(len(inputs)), workers)


def decode_masks(
    out: Tensor,
    masks: Sequence[Path | bytes],
    sizes: Sequence[tuple[int, int]],
    geometry: Geometry,
    workers: int = 0,
) -> list[Decoded]:
    """Decode each mask into its row of ``out``, uint8 (N, H, W): numbers of classes, by the nearest pixel.

    ``sizes`` (H, W) are those of the pictures, upright; a mask of another size is broken. Palettes are not looked up:
    their numbers are the classes.
    """
    rows = out.numpy()

    def one(place: int) -> Decoded:
        try:
            with sound_image(needed("PIL.Image"), bytes_of(masks[place])) as opened:
                rows[place] = _classes(needed("PIL.Image"), opened, sizes[place], geometry)
        except Exception as error:
            return Decoded(broken=why(error))
        return Decoded()

    return in_threads(one, range(len(masks)), workers)


def channels_of(modes: Sequence[str]) -> tuple[int, str]:
    """1 if all pictures are grey, else 3; what that means for them in words, nothing where all have 3."""
    grey = sum(map(is_grey, modes))
    if grey == len(modes):
        return 1, "all pictures are grey: 1 channel"
    made = counted(grey, "grey picture", "becomes", "become")
    return 3, f"{made} RGB (--channels 1 makes all grey)" if grey else ""


def _kept(image: Any, opened: Any, geometry: Geometry, channels: int) -> np.ndarray[Any, Any]:
    if geometry.resize:
        opened.draft("L" if channels == 1 else "RGB", (geometry.resize, geometry.resize))
    whole = in_channels(upright(opened), channels)
    if geometry.resize:
        box = middle_box(*_sides(whole), geometry.resize)
        kept = (geometry.resize, geometry.resize)
        whole = whole.resize(kept, image.Resampling.BILINEAR, box=box, reducing_gap=GAP)
    pixels = np.asarray(whole)
    if pixels.shape[:2] != geometry.kept:
        raise ValueError(f"it has {whole.size[0]} x {whole.size[1]} pixels, and {geometry.kept} are kept")
    return pixels


def _classes(image: Any, opened: Any, size: tuple[int, int], geometry: Geometry) -> np.ndarray[Any, Any]:
    if opened.format == "JPEG":
        raise ValueError("it is a JPEG, which changes the numbers of classes where they meet; save masks as PNG")
    mask = upright(opened)
    if (mask.size[1], mask.size[0]) != size:
        raise ValueError(f"it has {mask.size[0]} x {mask.size[1]} pixels, and its picture {size[1]} x {size[0]}")
    if mask.mode not in (*GREY, "P") and not mask.mode.startswith("I;"):
        mask = _grey_of_colours(mask)
    if geometry.resize:
        kept = (geometry.resize, geometry.resize)
        mask = mask.resize(kept, image.Resampling.NEAREST, box=middle_box(*_sides(mask), geometry.resize))
    numbers = np.asarray(mask.getchannel(0) if mask.mode in ("LA", "La") else mask)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() <= 255:
        raise ValueError(f"its numbers go from {numbers.min()} to {numbers.max()}, and classes from 0 to 255")
    return numbers.astype(np.uint8)


def _grey_of_colours(mask: Any) -> Any:
    levels = np.asarray(mask.convert("RGB"))
    if (levels != levels[..., :1]).any():
        raise ValueError("it is in colour, and masks are grey, or have a palette: their numbers are the classes")
    return mask.convert("L")


def _sides(picture: Any) -> tuple[int, int]:
    width, height = picture.size
    return width, height
