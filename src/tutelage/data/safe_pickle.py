"""Pickles of numbers, texts and byte arrays, read without calling anything that they name."""

import pickle
from collections.abc import Mapping
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutelage.data.contents import one_line
from tutelage.weights.pickled import refuse_bomb


def unpickled(content: bytes, path: Path) -> Any:
    """What a pickle holds; an array of bytes has a method ``tensor()``. ``path`` is for the message.

    Raises ``ValueError`` for a pickle that is damaged, that holds other arrays or that names anything else.
    """
    try:
        refuse_bomb(BytesIO(content))
        return _Reader(BytesIO(content), encoding="bytes").load()
    except _Foreign as error:
        raise ValueError(f"{path} {error}. Where does it come from?") from None
    except Exception as error:  # a damaged pickle may fail anywhere in the reader
        raise ValueError(f"{path} is not a sound pickle ({one_line(error)}); put a sound copy there.") from None


class _Foreign(Exception):
    """The pickle names what is no part of an array of bytes."""


class _Array:
    """What a pickled array says about itself; numpy takes no part."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, by_columns, content = state
        if kind.name not in (b"u1", "u1") or by_columns or len(content) != prod(shape):
            raise ValueError("an array of another kind than bytes row by row")
        self.shape, self.content = shape, content

    def tensor(self) -> Tensor:
        return torch.frombuffer(bytearray(self.content), dtype=torch.uint8).view(self.shape)


class _Kind:
    """The type of an array's entries."""

    def __init__(self, name: object, *_: object) -> None:
        self.name = name

    def __setstate__(self, _: object) -> None:
        """Byte order and the like: bytes have none."""


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _encoded(text: str, _: str) -> bytes:
    return text.encode("latin1")


_KNOWN: Mapping[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _encoded,  # what Python 3 writes for bytes that Python 2 is to read
}
"""Names in a pickle -> our own stand-ins for them."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise _Foreign(f"asks for {module}.{name}, which no file of this set needs, so it is not read any further")
        return _KNOWN[module, name]
