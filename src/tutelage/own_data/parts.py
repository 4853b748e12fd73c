"""Parts by the names that people give them, and classes that are joined by name, never by number."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tutelage.own_data.source import Part

NAMES: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "unlabelled": "unlabelled",
    "unlabeled": "unlabelled",
    "unsupervised": "unlabelled",
}
"""What parts are called, in small letters -> which they are."""


def part_of(name: str) -> Part | None:
    """The part that a folder, file, column or array of this name holds, if it is called like one.

    >>> part_of("Valid"), part_of("train-00000-of-00002"), part_of("cats")
    ('validation', 'train', None)
    """
    word = name.strip().lower()
    for separator in "-_.":
        if word.partition(separator)[0] in NAMES:
            word = word.partition(separator)[0]
    return NAMES.get(word)


def ordered_names(names: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """Classes in the order of their names, in that of their values where all are whole numbers; and if so, in words.

    >>> ordered_names(["10", "9", "1"])[0], ordered_names(["b", "a"])
    (('1', '9', '10'), (('a', 'b'), ''))
    """
    found = set(names)
    if found and all(name.removeprefix("-").isdecimal() for name in found):
        ordered = tuple(sorted(found, key=lambda name: (int(name), name)))
        same = ordered == tuple(sorted(found))
        words = "" if same else f"class names are whole numbers and stand in their order: {_few(ordered)}"
        return ordered, words
    return tuple(sorted(found)), ""


def joined_classes(where: str, names: Mapping[Part, Sequence[str]]) -> tuple[tuple[str, ...], list[str]]:
    """The classes of the training part in order, and sentences about classes that another part lacks.

    ``names`` has the class of each sample of a part. Raises ``ValueError``, beginning with ``where``, for fewer
    than two classes, for two that differ in nothing but capital letters, and for classes that no training sample has.
    """
    classes, words = ordered_names(names["train"])
    notes = [words] if words else []
    every = sorted({*classes, *(name for part in names.values() for name in part)})
    if alike := [name for name, count in Counter(map(str.casefold, every)).items() if count > 1]:
        twins = [name for name in every if name.casefold() == alike[0]]
        raise ValueError(
            f"{where} has classes that differ in capital letters alone, {' and '.join(twins)}; rename one."
        )
    if len(classes) < 2:
        has = f"only the class {classes[0]!r}" if classes else "no class"
        raise ValueError(f"{where} has {has} to train on, and classification needs two or more; add another.")
    for part, found in names.items():
        if unknown := sorted({*found} - {*classes}):
            raise ValueError(
                f"{where} has the class {unknown[0]!r} in its {part} part and not in its training part, which has "
                f"{_few(classes)}; add training samples of it, or take it out."
            )
        if found and (lacking := [name for name in classes if name not in {*found}]):
            notes.append(f"the {part} part has no sample of {_few(lacking)}; classes are joined by name")
    counts = Counter(names["train"])
    if alone := [name for name in classes if counts[name] == 1]:
        notes.append(f"one training sample alone is of {_few(alone)}: none of it can be set apart")
    return classes, notes


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" … ({len(names)} in all)" if len(names) > 10 else "")
