"""A file as a buffer of a module: saved, hashed and restored as weights are, by whoever knows nothing of its kind."""

from pathlib import Path

import torch
from torch import Tensor

LARGEST = 2**31 - 1
"""Bytes of a file that is kept so; what protobuf, and so ONNX, allows in one."""


def file_as_tensor(path: Path) -> Tensor:
    """The bytes of ``path`` as uint8 (bytes,).

    Raises ``FileNotFoundError`` where there is none, ``ValueError`` for a folder, an empty file and more than 2 GiB.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name the file in it.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}; name one that is there, by its path from here.")
    size = path.stat().st_size
    if not 0 < size <= LARGEST:
        what = "is empty; make it again" if not size else f"takes {size} bytes, and at most {LARGEST} are read"
        raise ValueError(f"{path} {what}.")
    return bytes_as_tensor(path.read_bytes())


def bytes_as_tensor(content: bytes) -> Tensor:
    """``content`` as uint8 (bytes,).

    >>> bytes_as_tensor(b"ab")
    tensor([97, 98], dtype=torch.uint8)
    """
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def bytes_in(kept: Tensor) -> bytes:
    """What ``bytes_as_tensor`` was given, wherever ``kept`` lies by now."""
    return kept.detach().cpu().contiguous().numpy().tobytes()
