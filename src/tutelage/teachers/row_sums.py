"""A checksum for each row of a cache: of which answers it is one, which row it is, and what it holds."""

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, NoReturn

import numpy
import torch
from torch import Tensor

from tutelage.teachers.forms import Parts, Row


class RowSums:
    """``kept`` is the first 64 bits of each row's SHA-256, 0 for a row that is not filled.

    What is hashed is ``about``, all that the answers depend on, the layer's address and row, the row's number, and its
    parts, so that a row in another place is as wrong as one that has changed.
    """

    def __init__(
        self, kept: Tensor, about: Mapping[str, Any], address: str, row: Row, refuse: Callable[[int], NoReturn]
    ) -> None:
        self.kept = kept  # int64 (rows,)
        self.refuse = refuse  # raises ValueError about a row that is damaged
        self._begun = sha256(json.dumps([about, address, row], sort_keys=True).encode())

    def of(self, places: Tensor, parts: Parts) -> Tensor:
        """The checksums of ``places`` if they hold ``parts``, which have a row for each."""
        numbered = [places, *parts.values()]
        flat = [x.reshape(len(x), x.shape[1:].numel()).contiguous().view(torch.uint8).numpy() for x in numbered]
        sums = bytearray()
        for row in numpy.concatenate(flat, axis=1):
            digest = self._begun.copy()
            digest.update(row)
            sums += digest.digest()[:8]
        found = torch.from_numpy(numpy.frombuffer(sums, numpy.int64)) if sums else torch.empty(0, dtype=torch.int64)
        return found.where(found != 0, 1)
