"""Folders with a folder of image files for each class: what lies in them, and as a set in memory."""

from pathlib import Path

import torch

from tutelage.data.contents import content_of
from tutelage.data.labelled import Labelled, labelled
from tutelage.data.pictures import HEAVIEST, decoded_images
from tutelage.data.walk import ENDINGS, images_below, spelled_out, visible_folders


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
    classes = visible_folders(folder)
    if not classes:
        raise FileNotFoundError(f"{folder} has no folders; it needs one for each class, with the class's images.")
    refuse_strange_names(folder, classes)
    files = {home: images_below(folder / home, home).images for home in classes}
    if lacking := [home for home, members in files.items() if not members]:
        raise FileNotFoundError(f"{folder / lacking[0]} holds no image ({', '.join(ENDINGS)}); fill it or remove it.")
    return files


def refuse_strange_names(folder: Path, classes: list[str]) -> None:
    """Raise ``ValueError`` for the name of a class that no file could hold."""
    if strange := [name for name in classes if spelled_out(name) != name]:
        raise ValueError(
            f"{spelled_out(folder / strange[0])} has a name that is no UTF-8 and cannot name a class; rename it."
        )
