"""What a cache has room for, and where in a buffer each part of a teacher's answers lies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor

from tutelage.teachers.forms import Form, Part, Parts, Row


@dataclass
class AnswerTable:
    """One activation of every sample in every view: a row of each part, and whether it has been filled."""

    row: Row
    known: Tensor  # bool (rows,)
    parts: Parts  # each (rows, …)
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.missing = int((~self.known).sum())

    def put(self, places: Tensor, parts: Parts) -> None:
        """Values first: a process that is killed in between leaves a row that nobody takes for known."""
        for name, part in parts.items():
            self.parts[name].index_copy_(0, places, part.to(self.known.device))
        self.missing -= int((~self.known.index_select(0, places.unique())).sum())
        self.known.index_fill_(0, places, True)


@dataclass(frozen=True)
class CacheLayout:
    """What a cache has room for: an answer in ``form`` for each of ``samples`` in each of ``views``.

    ``manner`` is how the network is called, empty for the usual call; ``None`` where nobody is asked.
    """

    samples: int
    views: int
    form: Form
    manner: str | None = ""

    @property
    def rows(self) -> int:
        return self.samples * self.views

    def parts(self, row: Row) -> dict[str, Part]:
        """What is kept for each row, with the mark that says whether it is."""
        return {"known": Part(torch.bool, ()), **self.form.layout(row)}

    def num_bytes(self, row: Row) -> int:
        """What one activation takes in memory or on disk, whether filled or not.

        >>> from tutelage.teachers.forms import dense
        >>> CacheLayout(60_000, 25, dense()).num_bytes((10,))
        61500032
        """
        return _offsets(self.parts(row), self.rows)[1]

    def demand(self, address: str, row: Row) -> str:
        """How much keeping the answers at ``address`` takes, as the beginning of a sentence."""
        return (
            f"Keeping {address!r} of {self.samples} samples in {self.views} views as {self.form.name} "
            f"takes {readable_bytes(self.num_bytes(row))}"
        )

    def table(self, row: Row, buffer: Tensor) -> AnswerTable:
        """``buffer`` (uint8), cut into the parts of an activation."""
        parts = {}
        for name, (start, size, part) in _offsets(self.parts(row), self.rows)[0].items():
            parts[name] = buffer[start : start + size].view(part.dtype).view(self.rows, *part.shape)
        return AnswerTable(row, parts.pop("known"), parts)


def readable_bytes(size: int) -> str:
    """A number of bytes in MiB or GiB.

    >>> readable_bytes(3 * 2**29)
    '1.5 GiB'
    """
    return f"{size / 2**20:.1f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def _offsets(parts: Mapping[str, Part], rows: int) -> tuple[dict[str, tuple[int, int, Part]], int]:
    """Where each part starts, how many bytes it has; and how many bytes they take together."""
    offsets, end = {}, 0
    for name, part in parts.items():
        start = -(-end // 64) * 64  # whole cache lines, so that each part can be viewed as its own type
        size = rows * prod(part.shape) * part.dtype.itemsize
        offsets[name], end = (start, size, part), start + size
    return offsets, end
