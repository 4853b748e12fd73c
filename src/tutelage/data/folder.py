"""Image files as one tensor: folders with a folder for each class, read into memory.

Decoding needs pillow, which comes with the extra ``images``; it is imported when the first image is read.
"""

import os
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutelage.data.labelled import Labelled, labelled

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""What is decoded; pillow knows more, but few other formats are meant for photographs and fewer are safe."""
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""How the names of image files end, in small letters."""
_BROKEN = (OSError, ValueError, SyntaxError, TypeError, EOFError, struct.error)  # all of these come from pillow


def image_folder(folder: Path | str, name: str) -> Labelled:
    """The images of ``folder/<class>/…``, however deep, as uint8 (N, 3, H, W), called ``name``; classes by name.

    Samples are numbered in the order of their paths. Hidden files and files of other kinds are passed over. All images
    have one size: larger sets are scaled when they are prepared, not each time they are read.

    Raises ``FileNotFoundError`` for no folder or no image in one of the classes, ``ValueError`` for a file that is no
    image or of another size, by its path, and ``ImportError`` with the install line without pillow.
    """
    folder = Path(folder)
    files = listed(folder)
    paths = [folder / path for members in files.values() for path in members]
    targets = torch.tensor([target for target, members in enumerate(files.values()) for _ in members])
    images = decoded_images([path.read_bytes() for path in paths], lambda place: str(paths[place]))
    return labelled(name, images, targets, tuple(files))


def listed(folder: Path) -> dict[str, list[str]]:
    """The image files of each class, by their paths below ``folder``: classes and files in the order of their names.

    Raises ``FileNotFoundError`` for no folder, no class, or a class without an image.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}; name one that has a folder of images for each class.")
    classes = sorted(home.name for home in folder.iterdir() if home.is_dir() and not home.name.startswith("."))
    if not classes:
        raise FileNotFoundError(f"{folder} has no folders; it needs one for each class, with the class's images.")
    files = {home: sorted(_images(folder / home, home), key=_parts) for home in classes}
    if lacking := [home for home, members in files.items() if not members]:
        raise FileNotFoundError(f"{folder / lacking[0]} holds no image ({', '.join(ENDINGS)}); fill it or remove it.")
    return files


def decoded_images(contents: Sequence[bytes | None], called: Callable[[int], str]) -> Tensor:
    """The decoded images (PNG, JPEG, WebP or BMP) as uint8 (N, 3, H, W); ``called(n)`` names the n-th for messages.

    Grey images and palettes become RGB, an alpha channel is dropped. Raises ``ValueError`` for no image, for one that
    cannot be decoded and for one whose size is not that of the first, and ``ImportError`` with the install line
    without pillow.
    """
    image = needed("PIL.Image")
    if not contents:
        raise ValueError("There are no images to decode.")
    size, step, pixels = (0, 0), 0, bytearray()
    with warnings.catch_warnings():
        warnings.simplefilter("error", image.DecompressionBombWarning)  # a size that might fill the memory
        for place, content in enumerate(contents):
            opened, shape = _decoded(image, content, called, place)
            if place == 0:
                size, step, pixels = shape, len(opened), bytearray(len(opened) * len(contents))
            if shape != size:
                raise ValueError(
                    f"{called(place)} is {shape[0]} x {shape[1]} pixels and {called(0)} {size[0]} x {size[1]}; "
                    f"images of one set have one size: scale them first."
                )
            pixels[place * step : (place + 1) * step] = opened
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
        opened = image.open(BytesIO(content), formats=FORMATS)
        return (opened if opened.mode == "RGB" else opened.convert("RGB")).tobytes(), opened.size
    except (*_BROKEN, image.DecompressionBombError, image.DecompressionBombWarning) as error:
        reason = "it is none of " + ", ".join(FORMATS) if isinstance(error, image.UnidentifiedImageError) else error
        raise ValueError(f"{called(place)} is not a sound image ({reason}); restore it, or leave it out.") from None


def _images(home: Path, below: str) -> Iterator[str]:
    """The paths of the images in ``home``, as seen from the folder in which it is called ``below``."""
    with os.scandir(home) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _images(home / entry.name, f"{below}/{entry.name}")
            elif entry.name.lower().endswith(ENDINGS) and not entry.name.startswith(".") and entry.is_file():
                yield f"{below}/{entry.name}"


def _parts(path: str) -> list[str]:
    """To sort by as paths are sorted, folder by folder."""
    return path.split("/")
