"""What a reader is to the fuzzing: sound files, how they are read, and what a right answer to damaged ones is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from fuzz.damage import Damage, anyhow, rearranged, rearranged_line

Files: TypeAlias = dict[str, bytes]
"""What lies in a folder, by path."""


def anything(_answer: Any, _sound: Any, _folder: Path) -> bool:
    """Formats without a checksum hold whatever their bytes say."""
    return True


def same(answer: Any, sound: Any, _folder: Path) -> bool:
    """Formats with a checksum: what is damaged is refused, or what was damaged does not matter."""
    return bool(answer == sound)


@dataclass(frozen=True)
class Reader:
    """``read(folder)`` gives an answer that can be compared, and ``agrees`` says whether it is right.

    ``inside`` damages what a file packs and makes its checksums anew: then nobody can tell what was there, and any
    answer is right.
    """

    name: str
    sound: Callable[[Path], None]
    read: Callable[[Path], Any]
    agrees: Callable[[Any, Any, Path], bool] = anything
    inside: Damage | None = None
    fixed: tuple[str, ...] = ()
    """Files that are left as they are."""


def damaged(files: Files, reader: Reader, random: Random) -> tuple[str, bytes, bool]:
    """One of the files, by name, as it is after its damage; and whether its checksums were made anew."""
    name = random.choice(sorted(name for name in files if name not in reader.fixed))
    content = files[name]
    if reader.inside and random.random() < 0.5:
        try:
            return name, reader.inside(content, random), True
        except Exception:  # a file of another kind than those it knows
            return name, anyhow(content, random), False
    if name.endswith((".json", ".jsonl")) and random.random() < 0.7:
        return name, (rearranged if name.endswith(".json") else rearranged_line)(content, random), False
    return name, anyhow(content, random), False
