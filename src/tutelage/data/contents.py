"""What files hold, as far as a limit: none is read or unpacked blindly."""

import gzip
import zlib
from pathlib import Path
from stat import S_ISDIR, S_ISREG

LARGEST = 2**28
"""Bytes of a file of a data set, unzipped: the largest that is read here has 186 million."""
AGAIN = "Delete it and start again, or put a sound copy there."


def content_of(path: Path, largest: int = LARGEST) -> bytes:
    """The bytes of a file. Raises ``FileNotFoundError`` for none, ``ValueError`` for one of more than ``largest``, and
    for what would be waited for, or never ends: a pipe, a device."""
    try:
        about = path.stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    if not (S_ISREG(about.st_mode) or S_ISDIR(about.st_mode)):
        raise ValueError(f"{path} is a pipe or a device, and no file.")
    if (size := about.st_size) > largest:
        raise ValueError(
            f"{path} has {size} bytes, and at most {largest} are read. Is it another file under this name?"
        )
    return path.read_bytes()


def unzipped(path: Path) -> bytes:
    """The content of a file, unzipped if it begins as gzip files do.

    Raises ``FileNotFoundError`` for no file, ``ValueError`` for one that is truncated, damaged or larger than
    ``LARGEST``, whatever of it is packed.
    """
    content = content_of(path)
    if not content.startswith(b"\x1f\x8b") and path.suffix != ".gz":
        return content
    try:
        with path.open("rb") as file, gzip.GzipFile(fileobj=file) as packed:
            content = packed.read(LARGEST + 1)
    except EOFError:
        raise ValueError(f"{path} is truncated: its gzip stream stops before its end. {AGAIN}") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a sound gzip file ({error}). {AGAIN}") from None
    if len(content) > LARGEST:
        raise ValueError(f"{path} unpacks to more than {LARGEST} bytes. Is it another file under this name?")
    return content


def one_line(error: Exception) -> str:
    """The message of an error on one line, or what kind of error it is if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
