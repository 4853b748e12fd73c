"""Folders with a folder of image files for each class: what lies in them, and as a set in memory."""

import os
from collections.abc import Iterator
from pathlib import Path

import torch

from tutelage.data.contents import content_of
from tutelage.data.labelled import Labelled, labelled
from tutelage.data.pictures import HEAVIEST, decoded_images

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""How the names of image files end, in small letters."""


def image_folder(folder: Path | str, name: str) -> Labelled:
    """The images of ``folder/<class>/…``, however deep, as uint8 (N, 3, H, W), called ``name``; classes by name.

    Samples are numbered in the order of their paths. Hidden files and files of other kinds are passed over. All images
    have one size: larger sets are scaled when they are prepared, not each time they are read.

    Raises ``FileNotFoundError`` for no folder or no image in one of the classes, ``ValueError`` for a file that is no
    image or of another size, by its path, or as ``listed`` does, and ``ImportError`` with the install line without
    pillow.
    """
    folder = Path(folder)
    files = listed(folder)
    paths = [folder / path for members in files.values() for path in members]
    targets = torch.tensor([target for target, members in enumerate(files.values()) for _ in members])
    images = decoded_images([content_of(x, HEAVIEST) for x in paths], lambda place: spelled_out(paths[place]))
    return labelled(name, images, targets, tuple(files))


def listed(folder: Path) -> dict[str, list[str]]:
    """The image files of each class, by their paths below ``folder``: classes and files in the order of their names.

    Raises ``FileNotFoundError`` for no folder, no class, or a class without an image; ``ValueError`` for a class whose
    name is no UTF-8, and for what is called like an image and is no file.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}; name one that has a folder of images for each class.")
    classes = sorted(home.name for home in folder.iterdir() if home.is_dir() and not home.name.startswith("."))
    if not classes:
        raise FileNotFoundError(f"{folder} has no folders; it needs one for each class, with the class's images.")
    if strange := [name for name in classes if spelled_out(name) != name]:
        raise ValueError(
            f"{spelled_out(folder / strange[0])} has a name that is no UTF-8 and cannot name a class; rename it."
        )
    files = {home: sorted(_images(folder / home, home), key=_parts) for home in classes}
    if lacking := [home for home, members in files.items() if not members]:
        raise FileNotFoundError(f"{folder / lacking[0]} holds no image ({', '.join(ENDINGS)}); fill it or remove it.")
    return files


def spelled_out(path: Path | str) -> str:
    """A path as every file and terminal takes it: bytes of a name that are no UTF-8 are spelled out."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _images(home: Path, below: str) -> Iterator[str]:
    """The paths of the images in ``home``, as seen from the folder in which it is called ``below``."""
    waiting = [(home, below)]
    while waiting:
        place, path = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((place / entry.name, f"{path}/{entry.name}"))
                elif entry.name.lower().endswith(ENDINGS) and not entry.name.startswith("."):
                    if not entry.is_file(follow_symlinks=False):
                        _refuse_no_file(place / entry.name)
                    yield f"{path}/{entry.name}"


def _refuse_no_file(path: Path) -> None:
    if not path.is_file():
        raise ValueError(
            f"{spelled_out(path)} is called like an image, but is no file, nor a link to one; restore or remove it."
        )


def _parts(path: str) -> list[str]:
    """To sort by as paths are sorted, folder by folder."""
    return path.split("/")
