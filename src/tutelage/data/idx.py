"""The idx format of MNIST: a big-endian header (type, dimensions, sizes), then bytes."""

import struct
from hashlib import sha256
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from tutelage.data.contents import AGAIN, unzipped


def read_idx(path: Path, num_dims: int, checksum: str) -> Tensor:
    """The bytes (uint8) of an idx file with ``num_dims`` dimensions, gzipped or not: 1 for labels, 3 for images.

    ``checksum`` is the sha-256 of the file *unzipped*: gzip writes the same content in many ways.

    Raises ``FileNotFoundError`` for no file and ``ValueError`` for one that is truncated, damaged, of another kind or
    of another content, each as one sentence with the path.
    """
    content = unzipped(path)
    values = parsed(content, num_dims, path)
    if (digest := sha256(content).hexdigest()) != checksum:
        raise ValueError(
            f"{path} is not the file as it was published: its content has the sha-256 {digest}, expected {checksum}. "
            f"{AGAIN}"
        )
    return values


def parsed(content: bytes, num_dims: int, path: Path) -> Tensor:
    """What an idx file says; ``path`` is for the message. Raises ``ValueError`` as ``read_idx`` does.

    >>> parsed(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), 1, Path("labels")).tolist()
    [7, 9]
    """
    begin = 4 + 4 * num_dims
    magic = int.from_bytes(content[:4], "big")
    if len(content) >= 4 and magic != 2048 + num_dims:
        raise ValueError(
            f"{path} has the magic number {magic}, but an idx file of bytes with {num_dims} "
            f"dimension{'s' * (num_dims > 1)} has {2048 + num_dims}. Is it another file under this name?"
        )
    if len(content) < begin:
        raise ValueError(f"{path} is truncated: {len(content)} bytes, and its header alone has {begin}. {AGAIN}")
    sizes = struct.unpack(f">{num_dims}I", content[4:begin])
    if len(content) - begin != prod(sizes):
        what = "is truncated" if len(content) - begin < prod(sizes) else "is too long"
        raise ValueError(
            f"{path} {what}: its header promises {' x '.join(map(str, sizes))} = {prod(sizes)} bytes, "
            f"and {len(content) - begin} follow. {AGAIN}"
        )
    if not prod(sizes):
        return torch.empty(sizes, dtype=torch.uint8)
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=begin).view(sizes)
