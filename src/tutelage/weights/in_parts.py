"""Weights in several files, with an index that says which holds what: as ``save_pretrained`` writes large ones."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from tutelage import plain_json
from tutelage.checkpoint import file_hash

INDEX, MAP = ".index.json", "weight_map"
"""What the name of an index ends in, and where in it the file of each tensor stands."""


def is_index(path: Path) -> bool:
    return path.name.lower().endswith(INDEX)


def parts_of(index: Path) -> list[Path]:
    """The files that ``index`` names, all of them beside it.

    Raises ``ValueError`` for an index that is damaged or names a place outside its folder, ``FileNotFoundError`` where
    one of the files is not there.
    """
    try:
        said: Any = plain_json.read(index)
    except ValueError as error:
        raise ValueError(f"{index} is damaged {error}; save the network again.") from None
    named = said.get(MAP) if isinstance(said, Mapping) else None
    files = sorted({*map(str, named.values())}) if isinstance(named, Mapping) else []
    if not files or any(Path(name).name != name or is_index(Path(name)) for name in files):
        raise ValueError(f"{index} does not say which files beside it hold the weights; save the network again.")
    if missing := [name for name in files if not (index.parent / name).is_file()]:
        raise FileNotFoundError(f"{index.parent} has no {missing[0]}, which {index.name} names; copy it there, too.")
    return [index.parent / name for name in files]


def weights_hash(path: Path) -> str:
    """What a file of weights is known by: the SHA-256 of its bytes; of an index that over all of its files."""
    if not is_index(path):
        return file_hash(path)
    sums = [file_hash(part) for part in (path, *parts_of(path))]
    return sha256(" ".join(sums).encode()).hexdigest()
