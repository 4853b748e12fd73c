"""Files of ours: whole or absent, told from other people's, never reached through a link."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tutelage import plain_json

UNFINISHED = ".tutelage-unfinished-"
"""How the folders begin in which a file lies until it is whole."""
ARGUMENTS, BESIDE = "arguments.json", ("environment.json", "lock")
"""What makes a folder a run's, and what always lies beside it: the lock comes first."""


@contextmanager
def atomically(path: Path | str) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; at the end it is synced to disk and takes its name.

    Whoever reads ``path``, at any moment and after any crash, finds the old file or the new one, never a part. Raises
    ``OSError`` with one sentence where the disk is full or the folder cannot be written to, ``ValueError`` where a
    folder, a pipe or a device lies there.
    """
    path = Path(path)
    unfinished = ""
    try:
        if not path.is_symlink():  # a link is replaced, and nothing is written where it leads
            refuse_other_kinds(path)
        unfinished = mkdtemp(prefix=UNFINISHED, dir=path.parent)  # new, so that no link leads out of it
        temporary = Path(unfinished, path.name)
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        if unfinished:
            shutil.rmtree(unfinished, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that were killed while writing left half-written. Only for whoever alone writes there."""
    for leftover in (*folder.glob(f"{UNFINISHED}*"), *folder.glob(f"*/{UNFINISHED}*")):
        if leftover.parent == folder or not leftover.parent.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)  # of links and files, which are not ours, nothing


def write_text(path: Path | str, content: str) -> None:
    """``content`` in UTF-8, atomically."""
    with atomically(path) as temporary:
        temporary.write_text(content, encoding="utf-8", newline="\n")


def is_runs(folder: Path) -> bool:
    """Whether ``folder`` is a run's: its ``arguments.json`` says so, and is not a copy among other things."""
    file = folder / ARGUMENTS
    if file.is_symlink() or not file.is_file() or not any((folder / name).is_file() for name in BESIDE):
        return False
    try:
        content = plain_json.read(file)
    except ValueError:
        return False
    kinds = {"recipe": str, "preset": str, "command": str, "arguments": dict, "defaults": dict}
    return isinstance(content, dict) and all(isinstance(content.get(name), kind) for name, kind in kinds.items())


def is_file(path: Path, cure: str = "") -> bool:
    """Whether a file lies at ``path``, or where a link there leads. Raises as ``refuse_other_kinds`` for all else."""
    if path.is_file():
        return True
    refuse_other_kinds(path, cure)
    return False


def refuse_other_kinds(path: Path, cure: str = "") -> None:
    """Raise ``ValueError`` where ``path`` is there and no regular file: a link, a folder, a pipe, a device.

    The sentence says to move it away, and then, if there is a ``cure``, what else helps.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "no regular file"
        helps = f"; then {cure}" if cure else ", or use another folder"
        raise ValueError(f"{path} is {kind} where a file of tutelage belongs; move it away{helps}.")


def made_folder(path: Path) -> Path:
    """The folder ``path``, made if need be. Raises ``ValueError`` for a link: what lies there is somebody else's."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        kind = "a link" if path.is_symlink() else "no folder"
        raise ValueError(f"{path} is {kind} where a folder of tutelage belongs; move it away, or use another folder.")
    path.mkdir(exist_ok=True)
    return path


def opened(path: Path, flags: int) -> int:
    """A descriptor of the regular file ``path``, which is made if need be. Raises as ``refuse_other_kinds`` does."""
    refuse_other_kinds(path)
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)


def append(path: Path, text: str) -> None:
    """Write ``text`` at the end of ``path``. Raises as ``refuse_other_kinds`` does."""
    with os.fdopen(opened(path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8") as file:
        file.write(text)


def sync(place: Path) -> None:
    """Return when what a file holds, or which files a folder holds, is on disk."""
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explained(error: OSError, path: Path) -> OSError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OSError(f"The disk is full: {path} was not written, what was there is intact; make room, start again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP):
        return PermissionError(f"{path.parent} cannot be written to ({error.strerror}); choose another folder.")
    return OSError(f"{path} was not written ({error.strerror or error}).")
