"""Where decoded pictures are kept: in memory if they fit, else in a file of ours that the next start finds again."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from tutelage.files import atomically, made_folder, opened, remove_leftovers
from tutelage.own_data.decode import Decoded
from tutelage.own_data.decoded_file import Kept, describe, opened_pictures, sum_of_pictures
from tutelage.own_data.geometry import Geometry

SHARE = 0.4
"""Of the memory, what decoded pictures may take."""
REVISION = 1
"""Raised when pictures are decoded otherwise."""

Fill = Callable[[Tensor], list[Decoded]]
"""Decodes into the rows that it is given, and says what became of each."""


def decoded_in_memory(shape: Sequence[int], fill: Fill) -> Kept:
    """Decoded into memory."""
    out = torch.empty(*shape, dtype=torch.uint8)
    rows = fill(out)
    return Kept(_compacted(out, rows), rows)


def decoded_in_file(path: Path, shape: Sequence[int], fill: Fill) -> Kept:
    """Decoded into the file ``path``, mapped into memory, unless it is there already and still what was written.

    It takes its name when it is whole. A file that was damaged is decoded anew, which the answer's ``note`` says. One
    process decodes at a time. Raises ``OSError`` where the disk has too little room.
    """
    found, note = _found(path, shape)
    if found is not None:
        return found
    with _alone_in(made_folder(path.parent)):
        found, _ = _found(path, shape)  # another process may just have made it
        return found or replace(_decoded(path, shape, fill), note=note)


def _found(path: Path, shape: Sequence[int]) -> tuple[Kept | None, str]:
    try:
        found = opened_pictures(path)
    except ValueError as error:
        return None, f"{str(error).partition(': ')[0]}: its pictures were decoded anew"
    fits = found is not None and len(found.rows) == shape[0] and found.pictures.shape[1:] == torch.Size(shape[1:])
    return (found if fits else None), ""


def _decoded(path: Path, shape: Sequence[int], fill: Fill) -> Kept:
    size = prod(shape)
    if (free := shutil.disk_usage(path.parent).free) < size + 2**20:
        raise OSError(
            f"{path.parent} has room for {free / 1e9:.1f} GB, and decoded pictures take {size / 1e9:.1f} GB; choose a "
            "smaller --size, another folder with --runs, or make room."
        )
    with atomically(path) as temporary:
        with temporary.open("wb") as file:  # room is taken now: a mapped page without any would end the process
            os.posix_fallocate(file.fileno(), 0, size) if hasattr(os, "posix_fallocate") else file.truncate(size)
        out = torch.from_file(str(temporary), shared=True, size=size, dtype=torch.uint8).view(*shape)
        rows = fill(out)
        pictures = _compacted(out, rows)
        checksum, count = sum_of_pictures(pictures), len(pictures)
        del out, pictures
        with temporary.open("r+b") as file:
            file.truncate(max(count * prod(shape[1:]), 1))
    size = count * prod(shape[1:])
    pictures = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8).view(count, *shape[1:])
    kept = Kept(pictures, rows, checksum)
    describe(path, kept)
    return kept


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """The one process that decodes into ``folder``: it takes away what others left that were killed there."""
    with os.fdopen(opened(folder / "lock", os.O_WRONLY), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the system gives it back, however this process ends
        remove_leftovers(folder)
        yield


def decoded_key(pictures: Sequence[Path | bytes], geometry: Geometry, channels: int) -> str:
    """What a file of decoded pictures is known by: paths, sizes and times of its pictures, and how they are decoded."""
    digest = sha256(repr((REVISION, version("pillow"), geometry, channels)).encode())
    for picture in pictures:
        if isinstance(picture, bytes):
            digest.update(sha256(picture).digest())
            continue
        digest.update(str(picture).encode(errors="surrogateescape"))
        with suppress(OSError):
            about = picture.stat()
            digest.update(f"\0{about.st_size} {about.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:20]


def _compacted(out: Tensor, rows: Sequence[Decoded]) -> Tensor:
    """``out`` without the rows of broken pictures, in the same memory."""
    place = 0
    for row, decoded in enumerate(rows):
        if not decoded.broken:
            if place < row:
                out[place].copy_(out[row])
            place += 1
    return out[:place]
