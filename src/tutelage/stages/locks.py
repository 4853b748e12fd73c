"""A file that only one process at a time holds."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from tutelage.files import opened

LONGEST = 20  # digits of a process's number
ATTEMPTS = 100  # at making a file in a folder that others take away as soon as it is empty


@contextmanager
def locked(path: Path, busy: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock file ``path``. If another process holds it, ``busy`` is told which: it raises, or we wait.

    Raises ``ValueError`` for a file that is no lock of ours; it is left as it is.
    """
    file = _held(path, busy)
    while not _is_at(path, file):  # whoever held it took its folder away
        file.close()
        file = _held(path, busy)
    with file:
        _holder(path, file)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()).encode())
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def is_lock(path: Path) -> bool:
    """Whether the file ``path`` is one that ``locked`` made: it holds the number of a process, or nothing yet."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LONGEST:
        return False
    return _content(path.read_bytes()) is not None


def _held(path: Path, busy: Callable[[str], None]) -> FileIO:
    file = _opened(path)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy(_holder(path, file))
            fcntl.flock(file, fcntl.LOCK_EX)
    except BaseException:
        file.close()
        raise
    return file


def _opened(path: Path) -> FileIO:
    for _ in range(ATTEMPTS):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return FileIO(opened(path, os.O_RDWR), "r+")
        except FileNotFoundError as error:
            gone = error
    raise gone


def _holder(path: Path, file: FileIO) -> str:
    holder = _content(file.read(LONGEST + 1))
    if holder is None:
        raise ValueError(f"{path} is no lock of tutelage, and stays as it is; move it away, or use another folder.")
    return holder or "unknown"


def _content(content: bytes) -> str | None:
    """The number of a process, or nothing yet; ``None`` for what no ``locked`` wrote."""
    return content.decode() if len(content) <= LONGEST and (content.isdigit() or not content) else None


def _is_at(path: Path, file: FileIO) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
