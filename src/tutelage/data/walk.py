"""Image files below a folder, however deep: which there are, and what else lies there, by its ending."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ENDINGS = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""How the names of image files end, in small letters."""
LEFT_BEHIND = ("__macosx", ".ipynb_checkpoints")
"""Folders that other programs leave behind, in small letters."""


@dataclass
class Found:
    """Paths of images, folder by folder in the order of their names; other visible files, counted by their ending."""

    images: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


def images_below(home: Path, below: str = "", *, dangling: bool = False) -> Found:
    """The image files in ``home``, by their paths as seen from the folder in which it is called ``below``.

    Hidden files and folders and those of ``LEFT_BEHIND`` are passed over. Links to folders are followed, each folder is
    entered once, and none that ``home`` lies in: links that lead round in a circle end. Raises ``ValueError`` for what
    is called like an image and is neither a file nor a folder.
    """
    found = Found()
    entered = {_identity(place) for place in (home.absolute(), *home.absolute().parents)}
    waiting = [(home, below)]
    links: list[tuple[Path, str]] = []
    while waiting or links:
        if not waiting:  # real folders come first, so that a link to one of them adds nothing
            links.sort()
            waiting = [links.pop(0)]
            if (identity := _identity(waiting[0][0])) in entered:
                waiting = []
                continue
            entered.add(identity)
        place, path = waiting.pop()
        for name, entry in _entries(place):
            inner = f"{path}/{name}" if path else name
            if is_visible_folder(entry):
                if entry.is_symlink():
                    links.append((place / name, inner))
                elif (identity := _identity(place / name)) not in entered:
                    entered.add(identity)
                    waiting.append((place / name, inner))
            elif name.lower().endswith(ENDINGS):
                _refuse_no_file(entry, dangling)
                found.images.append(inner)
            elif entry.name.lower() not in LEFT_BEHIND:
                found.others[Path(name).suffix.lower() or "no ending"] += 1
    found.images.sort(key=lambda path: path.split("/"))
    return found


def is_visible_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a folder that somebody put there on purpose, or a link to one that is not called like an image."""
    if entry.name.startswith(".") or entry.name.lower() in LEFT_BEHIND:
        return False
    if entry.is_symlink() and entry.name.lower().endswith(ENDINGS):
        return False
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def visible_folders(folder: Path) -> list[str]:
    """The names of the folders in ``folder`` that are not hidden, nor left behind by other programs."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if is_visible_folder(entry))


def spelled_out(path: Path | str) -> str:
    """A path as every file and terminal takes it: bytes of a name that are no UTF-8 are spelled out."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _entries(place: Path) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    with os.scandir(place) as entries:
        yield from ((x.name, x) for x in entries if not x.name.startswith("."))


def _identity(place: Path) -> tuple[int, int]:
    about = place.stat()
    return about.st_dev, about.st_ino


def _refuse_no_file(entry: "os.DirEntry[str]", dangling: bool) -> None:
    if dangling and entry.is_symlink() and not os.path.exists(entry.path):
        return
    try:
        sound = entry.is_file()
    except OSError:  # a link to itself
        sound = False
    if not sound:
        raise ValueError(
            f"{spelled_out(entry.path)} is called like an image, but is no file, nor a link to one; restore or "
            f"remove it."
        )
