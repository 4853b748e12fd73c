"""A file of decoded pictures, ``decoded-….uint8``, and what lies beside it: read again only as it was written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutelage.checkpoint import read_json, write_json
from tutelage.checksums import summed, unsummed
from tutelage.files import is_file
from tutelage.own_data.decode import Decoded

PICTURES, ABOUT = ".uint8", ".json"
NAME = re.compile(r"decoded-[0-9a-f]{20}\.(uint8|json)")
CURE = "remove it, and the pictures are decoded anew, to the same bits"
BLOCK, DIGEST = 2**24, 16
"""Bytes that are hashed at once, and those of a picture's digest."""


@dataclass(frozen=True)
class Kept:
    """Pictures, uint8 (N, C, H, W), of those that are not broken; what became of each; and the sha-256 if in a file.

    ``note`` says what was wrong with an earlier file in that place.
    """

    pictures: Tensor
    rows: list[Decoded]
    checksum: str = ""
    note: str = ""


def describe(path: Path, kept: Kept) -> None:
    """Write what is known of the pictures in ``path`` beside them: from then on they are there."""
    about = {
        "shape": list(kept.pictures.shape),
        "sha256": kept.checksum,
        "digests": b"".join(row.digest or bytes(DIGEST) for row in kept.rows).hex(),
        "broken": {str(place): row.broken for place, row in enumerate(kept.rows) if row.broken},
    }
    write_json(path.with_suffix(ABOUT), summed(about))


def opened_pictures(path: Path) -> Kept | None:
    """The pictures in ``path``, mapped into memory; ``None`` where there are none, or not yet all.

    All of it is read once and compared with its checksum. Raises ``ValueError`` for a file that was damaged or changed.
    """
    beside = path.with_suffix(ABOUT)
    if not is_file(path, CURE) or not is_file(beside, CURE):
        return None
    shape, rows, checksum = _about(unsummed(read_json(beside, CURE), beside, CURE), beside)
    if (size := path.stat().st_size) != max(prod(shape), 1):
        raise ValueError(f"{path} has {size} bytes where {prod(shape)} were written: {CURE}.")
    pictures = torch.from_file(str(path), shared=False, size=prod(shape), dtype=torch.uint8).view(*shape)
    if sum_of_pictures(pictures) != checksum:
        raise ValueError(f"{path} is damaged, or was changed: {CURE}.")
    return Kept(pictures, rows, checksum)


def sum_of_pictures(pictures: Tensor) -> str:
    """The sha-256 of their bytes, 64 hexadecimal digits."""
    digest, flat = sha256(), pictures.flatten()
    for start in range(0, flat.numel(), BLOCK):
        digest.update(flat[start : start + BLOCK].numpy().data)
    return digest.hexdigest()


def _about(content: Mapping[str, Any], beside: Path) -> tuple[Sequence[int], list[Decoded], str]:
    try:
        shape = [int(x) for x in content["shape"]]
        digests, broken = bytes.fromhex(content["digests"]), {int(n): str(why) for n, why in content["broken"].items()}
        checksum = str(content["sha256"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{beside} does not describe decoded pictures: {CURE}.") from None
    places = range(len(digests) // DIGEST)
    rows = [Decoded(b"" if n in broken else digests[n * DIGEST : (n + 1) * DIGEST], broken.get(n, "")) for n in places]
    if len(shape) != 4 or min(shape) < 0 or sum(not row.broken for row in rows) != shape[0]:
        raise ValueError(f"{beside} does not describe decoded pictures: {CURE}.")
    return shape, rows, checksum
