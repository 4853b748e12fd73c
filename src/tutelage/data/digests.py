"""Whether a file that was fetched is the one that was wanted, by its digest."""

from collections.abc import Callable
from gzip import GzipFile
from hashlib import new
from pathlib import Path
from typing import IO, TypeAlias
from zlib import error as ZlibError

Check: TypeAlias = Callable[[Path], None]
"""Raises ``ValueError`` if the file is not the one that was wanted, and says what differs."""
LARGEST = 1 << 30
"""Bytes of a file that is fetched, zipped or not: an answer without end would fill the disk."""
_BLOCK = 1 << 18  # bytes


def bytes_match(expected: str, algorithm: str = "sha256") -> Check:
    """A check that the file as it is has this digest (hexadecimal)."""

    def check(path: Path) -> None:
        with path.open("rb") as file:
            _compare(file, expected, algorithm, "it")

    return check


def contents_match(expected: str, algorithm: str = "sha256") -> Check:
    """A check that the file, a gzip file, has this digest (hexadecimal) once unzipped."""

    def check(path: Path) -> None:
        try:
            with path.open("rb") as zipped, GzipFile(fileobj=zipped) as file:
                _compare(file, expected, algorithm, "its content")
        except (EOFError, OSError, ZlibError) as error:
            raise ValueError(f"it is not a sound gzip file ({error})") from None

    return check


def _compare(file: IO[bytes] | GzipFile, expected: str, algorithm: str, what: str) -> None:
    digest, size = new(algorithm), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        if (size := size + len(block)) > LARGEST:
            raise ValueError(f"{what} has more than {LARGEST} bytes")
    if digest.hexdigest() != expected.lower():
        raise ValueError(f"{what} has the {algorithm} {digest.hexdigest()}, expected {expected}")
