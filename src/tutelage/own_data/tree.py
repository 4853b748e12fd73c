"""Class folders: a folder of pictures for each class, in parts or not; and pictures beside their masks."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from tutelage.data.folder import refuse_strange_names
from tutelage.data.walk import ENDINGS, Found, images_below, spelled_out, visible_folders
from tutelage.own_data.parts import joined_classes, part_of
from tutelage.own_data.source import Part, Samples, Source
from tutelage.own_data.wanted import Wanted
from tutelage.plurals import counted

PICTURES, MASKS = ("images", "imgs", "image", "img"), ("masks", "mask", "labels", "annotations", "segmentations")
"""What the two folders of a segmentation set are called, in small letters."""
TABLES = (".csv", ".tsv", ".parquet", ".npz")


def read_tree(folder: Path, wanted: Wanted) -> Source:
    """The pictures of ``folder/<class>/…``, or of ``folder/<part>/<class>/…`` with parts called train, val, test.

    Where there are two folders such as ``images`` and ``masks``, pictures have masks of the same name for labels.
    Raises ``FileNotFoundError`` for a folder without folders, or an empty one; ``ValueError`` as ``joined_classes``.
    """
    homes, others = _parts_in(folder)
    _refuse_folders_around(folder, homes)
    notes: list[str] = []
    if others:
        notes.append(f"folders beside the parts were passed over: {', '.join(others)}")
    if all(_pair(home) for home in homes.values()):
        return _with_masks(folder, homes, notes)
    if wanted.task not in ("auto", "classification"):
        raise ValueError(
            f"{spelled_out(folder)} has a folder for each class, which is classification; for {wanted.task}, give a "
            "table of paths and labels."
        )
    passed: Counter[str] = Counter()
    found: dict[Part, list[tuple[str, str]]] = {}
    for part, home in homes.items():
        found[part], more, words = _of_part(folder, home, part)
        passed += more
        notes += words
    names: dict[Part, list[str]] = {
        part: [name for _, name in files] for part, files in found.items() if part != "unlabelled" and files
    }
    classes, words = joined_classes(spelled_out(folder), names)
    numbers = {name: n for n, name in enumerate(classes)}
    parts: dict[Part, Samples] = {}
    for part, files in found.items():
        if files:
            targets = (
                torch.tensor([numbers[name] for _, name in files]) if part in names else torch.zeros(len(files), 0)
            )
            parts[part] = samples_at(folder, [path for path, _ in files], targets)
    return Source(folder.name, "classification", classes, parts, (*notes, *words, *passed_over(passed)))


def read_pictures(folder: Path) -> tuple[Samples, list[str]]:
    """All pictures below a folder, of which nothing is known; and what was passed over, in words.

    Raises ``FileNotFoundError`` for no folder, or none with a picture.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {spelled_out(folder)}; name one that holds pictures.")
    found = _images_below(folder)
    if not found.images:
        raise FileNotFoundError(f"{spelled_out(folder)} holds no picture ({', '.join(ENDINGS)}); name another folder.")
    return samples_at(folder, found.images, torch.zeros(len(found.images), 0)), passed_over(found.others)


def samples_at(folder: Path, paths: Sequence[str], targets: torch.Tensor) -> Samples:
    """Pictures by their paths below ``folder``."""
    return Samples(tuple(map(spelled_out, paths)), tuple(folder / path for path in paths), targets)


def passed_over(others: Counter[str]) -> list[str]:
    """How many files of other kinds lie there, by their endings."""
    if not others:
        return []
    kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(others.items(), key=lambda x: (-x[1], x[0]))[:8])
    return [f"files of other kinds were passed over: {kinds}"]


def _images_below(home: Path, below: str = "") -> Found:
    """A link that leads nowhere is one broken picture among others."""
    return images_below(home, below, dangling=True)


def _parts_in(folder: Path) -> tuple[dict[Part, Path], list[str]]:
    """The folder of each part, and folders that are none; the whole as training part where none is called train."""
    names = visible_folders(folder)
    named = [(part_of(name) if "." not in name else None, name) for name in names]
    if not any(part == "train" for part, _ in named):
        if names and all(part for part, _ in named):
            raise ValueError(f"{spelled_out(folder)} has parts ({', '.join(names)}) and none called train; add it.")
        return {"train": folder}, []
    homes: dict[Part, Path] = {}
    for part, name in named:
        if part in homes:
            raise ValueError(f"{spelled_out(folder)} has two {part} parts, {homes[part].name} and {name}; rename one.")
        if part:
            homes[part] = folder / name
    return homes, [name for part, name in named if part is None]


def _refuse_folders_around(folder: Path, homes: Mapping[Part, Path]) -> None:
    """Raise ``ValueError`` where what looks like classes is a folder around them, or parts of other names."""
    if list(homes.values()) != [folder]:
        return
    names = visible_folders(folder)
    inner = {name: visible_folders(folder / name) for name in names}
    if len(names) == 1 and inner[names[0]]:
        raise ValueError(
            f"{spelled_out(folder)} has nothing but the folder {names[0]}; name the folder that holds those of the "
            f"classes, such as {spelled_out(folder / names[0])}."
        )
    parts = [name for name in names if {part_of(word) for word in re.split(r"[\W_]+", name)} - {None}]
    if len(parts) > 1 and len(parts) == len(names) and all(len(inner[name]) > 1 for name in names):
        raise ValueError(
            f"{spelled_out(folder)} has the folders {', '.join(names)}, with folders in each; if these are parts, call "
            "them train, val and test."
        )


def _of_part(root: Path, home: Path, part: Part) -> tuple[list[tuple[str, str]], Counter[str], list[str]]:
    """``(path, class)`` of each picture of a part, other files, and what is to be said."""
    below = "" if home == root else home.name
    if part == "unlabelled":
        found = _images_below(home, below)
        return [(path, "") for path in found.images], found.others, []
    classes = visible_folders(home)
    refuse_strange_names(home, classes)
    if not classes and part != "train":
        return [], Counter(), [f"the {part} part has no folders of classes and was passed over (--unlabelled {home})"]
    if not classes:
        raise FileNotFoundError(
            f"{spelled_out(home)} has no folders; it needs one for each class, with its pictures{_instead(home)}."
        )
    files: list[tuple[str, str]] = []
    others: Counter[str] = Counter()
    lone = sum(x.suffix.lower() in ENDINGS and not x.name.startswith(".") and x.is_file() for x in home.iterdir())
    lie = counted(lone, "picture", "lies", "lie")
    notes = [f"{lie} in {spelled_out(home.name)} itself, in no folder of a class: passed over"] if lone else []
    for name in classes:
        found = _images_below(home / name, f"{below}/{name}" if below else name)
        files += [(path, name) for path in found.images]
        others += found.others
        if not found.images and part == "train":
            raise FileNotFoundError(
                f"{spelled_out(home / name)} holds no picture ({', '.join(ENDINGS)}); fill it or remove it."
            )
        if not found.images:
            notes.append(f"{home.name}/{name} holds no picture")
    return files, others, notes


def _instead(home: Path) -> str:
    tables = sorted(x.name for x in home.iterdir() if x.suffix.lower() in TABLES)
    return f"; or name a table, such as {home / tables[0]}" if tables else ""


def _pair(home: Path) -> tuple[str, str] | None:
    """The folders of pictures and of masks in ``home``, where there are just these two."""
    names = visible_folders(home)
    pictures, masks = ([name for name in names if name.lower() in words] for words in (PICTURES, MASKS))
    return (pictures[0], masks[0]) if len(names) == 2 and pictures and masks else None


def _with_masks(folder: Path, homes: Mapping[Part, Path], notes: list[str]) -> Source:
    parts: dict[Part, Samples] = {}
    for part, home in homes.items():
        pair = _pair(home)
        assert pair is not None
        pictures, masks = (_images_below(home / name, name) for name in pair)
        by_name = {_bare(path): path for path in masks.images}
        both = [(path, by_name[_bare(path)]) for path in pictures.images if _bare(path) in by_name]
        if not both:
            raise FileNotFoundError(f"{home / pair[0]} has no picture with a mask of its name in {home / pair[1]}.")
        if lone := len(pictures.images) - len(both):
            notes.append(f"in the {part} part {counted(lone, 'picture', 'was', 'were')} left out, without a mask")
        names = tuple(spelled_out(path) if home == folder else f"{home.name}/{spelled_out(path)}" for path, _ in both)
        parts[part] = Samples(names, tuple(home / path for path, _ in both), tuple(home / mask for _, mask in both))
    notes.append("folders of pictures and of masks: segmentation")
    return Source(folder.name, "segmentation", (), parts, tuple(notes))


def _bare(path: str) -> str:
    """Without the folder that it is in and its ending; masks may be called like their pictures and ``_mask``."""
    name = path.partition("/")[2].rpartition(".")[0]
    return name.removesuffix("_mask")
