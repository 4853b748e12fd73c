"""Encoded images as one tensor: which are decoded, how large they may be, and how one that is damaged is found out.

Decoding needs pillow, which comes with the extra ``images``; it is imported when the first image is read.
"""

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from io import BytesIO
from threading import Lock
from typing import Any
from zlib import crc32

import torch
from torch import Tensor

from tutelage.data.contents import one_line
from tutelage.data.modes import in_channels, upright

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""What is decoded; pillow knows more, but few other formats are meant for photographs and fewer are safe."""
HEAVIEST = 2**30
"""Bytes of an image as it is stored."""
LARGEST = 2**28
"""Pixels of an image, 16384 x 16384: photographs of telephones have up to 200 million."""
LONGEST = 2**16
"""Pixels of a side."""
PLAINEST = 10_000
"""Pixels a byte, of an image that takes much memory: a white page has up to 5,000 as PNG, 560 as WebP, 260 as JPEG."""
_MUCH = 2**24  # pixels
_SCANS = 100  # of a progressive JPEG, which may send each pixel as often; ten are usual
_OPENING = Lock()


def decoded_images(contents: Sequence[bytes | None], called: Callable[[int], str]) -> Tensor:
    """The decoded images (any of ``FORMATS``) as uint8 (N, 3, H, W); ``called(n)`` names the n-th for messages.

    They are upright and in RGB as ``modes`` makes them, and of several frames the first is taken. Raises
    ``ValueError`` for no image, for one that cannot be decoded, that has more than ``LARGEST`` pixels or ``LONGEST`` on
    a side, and for one whose size is not that of the first, or if all together do not fit into memory; ``ImportError``
    with the install line without pillow.
    """
    image = needed("PIL.Image")
    if not contents:
        raise ValueError("There are no images to decode.")
    size, step, pixels = (0, 0), 0, bytearray()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pillow's words about what it passes over, such as damaged EXIF data
        for place, content in enumerate(contents):
            decoded, shape = _decoded(image, content, called, place)
            if place == 0:
                size, step, pixels = shape, len(decoded), _room(len(contents), shape)
            if shape != size:
                raise ValueError(
                    f"{called(place)} is {shape[0]} x {shape[1]} pixels and {called(0)} {size[0]} x {size[1]}; "
                    f"images of one set have one size: scale them first."
                )
            pixels[place * step : (place + 1) * step] = decoded
    rows = torch.frombuffer(pixels, dtype=torch.uint8).view(len(contents), size[1], size[0], 3)
    return rows.permute(0, 3, 1, 2).contiguous()


def needed(module: str) -> Any:
    """The module of an extra, imported now; raises ``ImportError`` with the install line where it is missing."""
    try:
        return import_module(module)
    except ImportError:
        package = {"PIL": "pillow"}.get(module.partition(".")[0], module.partition(".")[0])
        raise ImportError(f"Reading these images needs {package}: pip install 'tutelage[images]'") from None


def _decoded(
    image: Any, content: bytes | None, called: Callable[[int], str], place: int
) -> tuple[bytes, tuple[int, int]]:
    if content is None:
        raise ValueError(f"{called(place)} holds no image; restore it, or leave it out.")
    try:
        with sound_image(image, content) as opened:
            whole = in_channels(upright(opened), 3)
            return whole.tobytes(), whole.size
    except Exception as error:  # damage may end anywhere in a decoder
        raise ValueError(f"{called(place)} {reason_of(error)}; restore it, or leave it out.") from None


def sound_image(image: Any, content: bytes) -> Any:
    """The opened image, not yet decoded. Raises anything for damage: ``reason_of`` has the words."""
    _refuse_damage(content)
    opened = _opened(image, content)
    width, height = opened.size
    _refuse_size(width, height, len(content))
    return opened


def reason_of(error: Exception) -> str:
    """Why an image could not be decoded, to be put behind its name."""
    unknown = type(error).__name__ == "UnidentifiedImageError"
    reason = "it is none of " + ", ".join(FORMATS) if unknown else one_line(error)
    return f"is not a sound image ({reason})"


def _opened(image: Any, content: bytes) -> Any:
    """Pillow has one limit for everybody, which photographs of telephones exceed: ours is looked at next."""
    with _OPENING:
        usual, image.MAX_IMAGE_PIXELS = image.MAX_IMAGE_PIXELS, None
        try:
            return image.open(BytesIO(content), formats=FORMATS)
        finally:
            image.MAX_IMAGE_PIXELS = usual


def _refuse_size(width: int, height: int, stored: int) -> None:
    """Raise ``ValueError`` for more pixels than are decoded, or than a picture of ``stored`` bytes has."""
    if width * height > LARGEST or max(width, height) > LONGEST:
        limit = f"at most {LARGEST} pixels, {LONGEST} on a side, are decoded"
        raise ValueError(f"it has {width} x {height} pixels, and {limit}")
    if width * height > max(_MUCH, PLAINEST * stored):
        raise ValueError(f"it says that it has {width} x {height} pixels, in {stored} bytes")


def _refuse_damage(content: bytes) -> None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        _refuse_other_chunks(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        _refuse_size(*_webp_size(content), len(content))  # pillow makes room for the pixels when it opens the file
    if content.startswith(b"\xff\xd8") and content.count(b"\xff\xda") > _SCANS + len(content) // 2**14:
        raise ValueError(f"it says more than {_SCANS} times what its pixels are")  # some bytes only look like a scan


def _refuse_other_chunks(content: bytes) -> None:
    """Raise ``ValueError`` for a PNG file whose checksums say that it changed: pillow does not look at all of them."""
    place, kind = 8, b""
    while kind != b"IEND":
        start, end = place + 4, place + 8 + int.from_bytes(content[place : place + 4], "big")
        kind = content[start : start + 4]
        if end + 4 > len(content):
            raise ValueError("it is cut short")
        if crc32(memoryview(content)[start:end]) != int.from_bytes(content[end : end + 4], "big"):
            raise ValueError(f"the checksum of its part {kind!r} is wrong")
        place = end + 4


def _webp_size(content: bytes) -> tuple[int, int]:
    """Width and height by the header of a WebP file (RFC 9649): extended, lossless or lossy; of anything else, 0."""
    kind, body = content[12:16], content[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + bits % 2**14, 1 + (bits >> 14) % 2**14
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") % 2**14, int.from_bytes(body[8:10], "little") % 2**14
    return 0, 0


def _room(count: int, shape: tuple[int, int]) -> bytearray:
    try:
        return bytearray(3 * count * shape[0] * shape[1])
    except (MemoryError, OverflowError):
        gigabytes = 3e-9 * count * shape[0] * shape[1]
        raise ValueError(
            f"{count} images of {shape[0]} x {shape[1]} pixels take {gigabytes:.1f} GB of memory, which are not free; "
            "scale them first, or stream them from their files."
        ) from None
