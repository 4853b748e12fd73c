"""Where decoded pictures are kept: in memory if they fit, else in a file of ours that the next start finds again."""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from tutelage import plain_json
from tutelage.checkpoint import write_json
from tutelage.files import atomically, made_folder
from tutelage.own_data.decode import Decoded
from tutelage.own_data.geometry import Geometry

SHARE = 0.4
"""Of the memory, what decoded pictures may take."""
REVISION = 1
"""Raised when pictures are decoded otherwise."""
BLOCK = 2**24
"""Bytes that are hashed at once."""

Fill = Callable[[Tensor], list[Decoded]]
"""Decodes into the rows that it is given, and says what became of each."""


@dataclass(frozen=True)
class Kept:
    """Pictures, uint8 (N, C, H, W), of those that are not broken; what became of each; and the sha-256 if in a file."""

    pictures: Tensor
    rows: list[Decoded]
    checksum: str = ""


def decoded_in_memory(shape: Sequence[int], fill: Fill) -> Kept:
    """Decoded into memory."""
    out = torch.empty(*shape, dtype=torch.uint8)
    rows = fill(out)
    return Kept(_compacted(out, rows), rows)


def decoded_in_file(path: Path, shape: Sequence[int], fill: Fill) -> Kept:
    """Decoded into the file ``path``, mapped into memory, unless it is there already with its checksum beside it.

    It takes its name when it is whole. The checksum is made once, when the file is, and its length is compared each
    time. Raises ``OSError`` where the disk has too little room.
    """
    beside = path.with_suffix(".json")
    if (found := _found(path, beside)) is not None:
        return found
    size = 1
    for length in shape:
        size *= length
    if (free := shutil.disk_usage(made_folder(path.parent)).free) < size + 2**20:
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
        checksum, length = _sum_of(pictures), pictures.numel()
        count = len(pictures)
        del out, pictures
        with temporary.open("r+b") as file:
            file.truncate(max(length, 1))
    about = {
        "shape": [count, *shape[1:]],
        "sha256": checksum,
        "digests": [row.digest.hex() for row in rows],
        "broken": [row.broken for row in rows],
    }
    write_json(beside, about)
    kept = _found(path, beside)
    assert kept is not None
    return kept


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


def _found(path: Path, beside: Path) -> Kept | None:
    if not path.is_file() or not beside.is_file():
        return None
    try:
        about = plain_json.read(beside)
        shape = [int(x) for x in about["shape"]]
        rows = [Decoded(bytes.fromhex(d), str(b)) for d, b in zip(about["digests"], about["broken"], strict=True)]
        checksum = str(about["sha256"])
    except (ValueError, KeyError, TypeError):
        return None
    size = 1
    for length in shape:
        size *= length
    if len(shape) != 4 or min(shape) < 0 or path.stat().st_size != max(size, 1) or len(checksum) != 64:
        return None
    return Kept(torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8).view(*shape), rows, checksum)


def _compacted(out: Tensor, rows: Sequence[Decoded]) -> Tensor:
    """``out`` without the rows of broken pictures, in the same memory."""
    place = 0
    for row, decoded in enumerate(rows):
        if not decoded.broken:
            if place < row:
                out[place].copy_(out[row])
            place += 1
    return out[:place]


def _sum_of(pictures: Tensor) -> str:
    digest, flat = sha256(), pictures.flatten()
    for start in range(0, flat.numel(), BLOCK):
        digest.update(flat[start : start + BLOCK].numpy().data)
    return digest.hexdigest()
