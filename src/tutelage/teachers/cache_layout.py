"""What a cache has room for, and where in a buffer each part of a teacher's answers lies."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor

from tutelage.teachers.forms import Form, Part, Parts, Row
from tutelage.teachers.row_sums import RowSums

KNOWN, SUM = Part(torch.bool, ()), Part(torch.int64, ())
"""What says that a row is filled: a mark, or its checksum."""


@dataclass
class AnswerTable:
    """One activation of every sample in every view: a row of each part, and whether it has been filled.

    Where rows have checksums a row is ``known`` once this process has found it whole, or filled it.
    """

    row: Row
    known: Tensor  # bool (rows,)
    parts: Parts  # each (rows, …)
    sums: RowSums | None = None
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.missing = int((~self.known).sum())

    def seen(self, places: Tensor) -> Tensor:
        """Which of ``places`` are filled; bool (places,). Raises ``ValueError`` for a row that is damaged."""
        known = self.known.index_select(0, places)
        if self.sums is None or not self.missing or bool(known.all()):
            return known
        if len(wrong := self.damaged(places[~known])):
            self.sums.refuse(int(wrong[0]))
        return self.known.index_select(0, places)

    def damaged(self, places: Tensor) -> Tensor:
        """Those of ``places`` that are filled and not whole; if all are whole, they will not be looked at again."""
        assert self.sums is not None
        places = places[self.sums.kept.index_select(0, places) != 0]
        wrong: Tensor = places[self._differ(places)]
        if len(wrong):  # another process may fill it just now, and on some processors its writes are seen in any order
            time.sleep(0.01)
            wrong = wrong[self._differ(wrong)]
        if not len(wrong):
            self._note(places)
        return wrong

    def put(self, places: Tensor, parts: Parts) -> None:
        """Values first: a process that is killed in between leaves a row that nobody takes for known."""
        for name, part in parts.items():
            self.parts[name].index_copy_(0, places, part.to(self.known.device))
        if self.sums is not None:
            self.sums.kept.index_copy_(0, places, self.sums.of(places, self._parts(places)))
        self._note(places)

    def _note(self, places: Tensor) -> None:
        self.missing -= int((~self.known.index_select(0, places.unique())).sum())
        self.known.index_fill_(0, places, True)

    def _differ(self, places: Tensor) -> Tensor:
        assert self.sums is not None
        return self.sums.of(places, self._parts(places)).ne(self.sums.kept.index_select(0, places))

    def _parts(self, places: Tensor) -> Parts:
        return {name: part.index_select(0, places) for name, part in self.parts.items()}


@dataclass(frozen=True)
class CacheLayout:
    """What a cache has room for: an answer in ``form`` for each of ``samples`` in each of ``views``.

    ``manner`` is how the network is called, empty for the usual call; ``None`` where nobody is asked.
    """

    samples: int
    views: int
    form: Form
    manner: str | None = ""
    mark: Part = KNOWN

    @property
    def rows(self) -> int:
        return self.samples * self.views

    def parts(self, row: Row) -> dict[str, Part]:
        """What is kept for each row, with the mark that says whether it is."""
        return {"mark": self.mark, **self.form.layout(row)}

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

    def cut(self, row: Row, buffer: Tensor) -> tuple[Tensor, Parts]:
        """``buffer`` (uint8), cut into the marks and the parts of an activation."""
        parts = {}
        for name, (start, size, part) in _offsets(self.parts(row), self.rows)[0].items():
            parts[name] = buffer[start : start + size].view(part.dtype).view(self.rows, *part.shape)
        return parts.pop("mark"), parts


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
