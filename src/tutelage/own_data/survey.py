"""What the headers of encoded pictures say, before any pixel is decoded: size, mode, how the camera was held."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tutelage.data.contents import content_of
from tutelage.data.modes import TURNED, orientation_of
from tutelage.data.pictures import HEAVIEST, needed, reason_of, sound_image
from tutelage.machine import cores

HELD = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")
"""Where a PNG file says how a camera was held, behind its pixels perhaps: pillow decodes them to look."""
T = TypeVar("T")
S = TypeVar("S")


class Header(NamedTuple):
    """Of one picture; ``broken`` says why there is none."""

    size: tuple[int, int] = (0, 0)
    """height and width, upright"""
    mode: str = ""
    orientation: int = 1
    broken: str = ""


def surveyed(inputs: Sequence[Path | bytes], workers: int = 0) -> list[Header]:
    """The header of each picture, in their order; ``workers`` threads look (0: as many as there are processors).

    Raises ``ImportError`` with the install line without pillow.
    """
    return in_threads(partial(_header, needed("PIL.Image")), inputs, workers)


def in_threads(work: Callable[[S], T], things: Sequence[S], workers: int) -> list[T]:
    """``work`` on each, in their order. Pillow decodes and scales without Python's lock, so threads are enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pillow's words about what it passes over, such as damaged EXIF data
        if (count := workers or cores()) == 1:
            return [work(x) for x in things]
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(work, things))


def bytes_of(picture: Path | bytes) -> bytes:
    """The bytes of an encoded picture. Raises ``OSError`` or ``ValueError`` for a file that cannot be read."""
    return picture if isinstance(picture, bytes) else content_of(picture, HEAVIEST)


def _header(image: Any, picture: Path | bytes) -> Header:
    try:
        with sound_image(image, content := bytes_of(picture)) as opened:
            width, height = opened.size
            is_upright = opened.format == "PNG" and not any(mark in content for mark in HELD)
            is_upright |= opened.format == "TIFF"  # whose size is so already
            orientation = 1 if is_upright else orientation_of(opened)
            size = (width, height) if orientation in TURNED else (height, width)
            return Header(size, opened.mode, orientation)
    except OSError as error:
        return Header(broken=why(error))
    except Exception as error:  # damage may end anywhere in a reader
        return Header(broken=why(error))


def why(error: Exception) -> str:
    """Why a picture cannot be read, to be put behind its name."""
    if isinstance(error, FileNotFoundError):
        return "is not there"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror})"
    return reason_of(error)
