"""``SHA256SUMS``: what the files of a finished run or stage were when it ended, for us and for ``sha256sum -c``."""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from tutelage import plain_json
from tutelage.files import is_file

MANIFEST = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  (?!/|.*\.\./)([^\\\n\0]+)")
LONGEST_NAME, LONGEST_PATH = 255, 1024
"""Bytes of a file's name, and characters of its path in the folder."""
Sums: TypeAlias = Mapping[str, str]
"""The SHA-256 of files, by their paths in the folder."""


def manifest(sums: Sums) -> str:
    """What ``SHA256SUMS`` says of files with these checksums."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def unseal(folder: Path) -> None:
    """Take the checksums away, before one of their files changes: what has none is not damaged, but not verified."""
    (folder / MANIFEST).unlink(missing_ok=True)


def listed(folder: Path) -> Sums | None:
    """The checksums of a folder's files, ``None`` where it has none. Raises ``ValueError`` if they are damaged."""
    path = folder / MANIFEST
    if not is_file(path, "restore it from a copy, or the folder is read as it is, unverified"):
        return None
    lines = path.read_bytes().decode(errors="replace").split("\n")
    found = [match for match in map(LINE.fullmatch, lines[:-1]) if match and _can_be_a_name(match[2])]
    sums = {match[2]: match[1] for match in found}
    if lines[-1] or not sums or len(sums) != len(lines) - 1:
        raise ValueError(f"{path} is damaged: restore it from a copy, or {_as_it_is(path)}.")
    return sums


def refuse_missing(folder: Path, sums: Sums | None, cure: str) -> None:
    """Raises ``ValueError`` with a ``cure`` where a file in ``sums`` is gone from ``folder``."""
    if gone := sorted(name for name in sums or {} if not is_file(folder / name, cure)):
        raise ValueError(f"{folder / gone[0]} is missing: {cure}.")


def read_listed(path: Path, sums: Sums | None, cure: str) -> bytes:
    """The bytes of a file, as ``sums`` say, if there are any.

    Raises ``ValueError`` with a ``cure`` for a file that is another one now, or that was not there; where no file of
    the folder is what they say, the checksums are what is wrong.
    """
    content = path.read_bytes()
    if sums is not None and sums.get(path.name) != sha256(content).hexdigest():
        if not _fit_any(path.parent, sums):
            listing = path.with_name(MANIFEST)
            raise ValueError(f"{listing} is another folder's: restore it from a copy, or {_as_it_is(listing)}.")
        raise ValueError(
            f"{path} is not what {MANIFEST} says: it was damaged or changed; {cure}, "
            f"or, if you changed it yourself, {_as_it_is(path.with_name(MANIFEST))}."
        )
    return content


def read_listed_json(path: Path, sums: Sums | None, cure: str) -> Any:
    """What a file of JSON says. Raises ``ValueError`` as ``read_listed`` does, and where it is damaged."""
    content = read_listed(path, sums, cure)
    try:
        return plain_json.parsed(content)
    except ValueError as error:
        raise ValueError(f"{path} is damaged {error}; {cure}.") from None


def summed(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a file of JSON is to say, with its own checksum in the entry ``sum``, for files that no manifest is of.

    >>> summed({"a": 1})["sum"][:8]
    'f9d86028'
    """
    return {**content, "sum": _sum_of(content)}


def unsummed(content: Any, path: Path, cure: str) -> dict[str, Any]:
    """What ``summed`` was given. Raises ``ValueError`` with a ``cure`` for anything else than it made."""
    plain = {name: value for name, value in content.items() if name != "sum"} if isinstance(content, dict) else {}
    if not plain or content.get("sum") != _sum_of(plain):
        raise ValueError(f"{path} is damaged, or was changed: {cure}.")
    return plain


def cure(file: Path) -> str:
    """What helps where a file of a finished run is damaged, or gone."""
    if file.name == "arguments.json":
        return f"restore it from a copy, or move {file.parent} away and start the run's command again"
    return "start the run's command again"


def _fit_any(folder: Path, sums: Sums) -> bool:
    """Whether any file is still what its checksum says: then the others changed, and not the checksums."""
    files = {folder / name: expected for name, expected in sums.items()}
    return any(path.is_file() and sha256(path.read_bytes()).hexdigest() == sum_ for path, sum_ in files.items())


def _sum_of(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _can_be_a_name(path: str) -> bool:
    """Whether a file can be called so, in any folder: systems refuse longer names in words of their own."""
    return len(path) < LONGEST_PATH and all(len(part.encode()) <= LONGEST_NAME for part in path.split("/"))


def _as_it_is(manifest: Path) -> str:
    return f"remove {manifest}: the folder is then read as it is, unverified"
