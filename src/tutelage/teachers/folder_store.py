"""A cache's answers in a folder: files mapped into memory that outlive the process, and that several may share."""

import errno
import fcntl
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import numpy
import torch

from tutelage.checkpoint import read_json, write_json
from tutelage.files import is_file, opened, refuse_other_kinds, remove_leftovers
from tutelage.teachers.cache_layout import KNOWN, SUM, AnswerTable, CacheLayout, readable_bytes
from tutelage.teachers.forms import Row
from tutelage.teachers.row_sums import RowSums

FORMAT, WITHOUT_SUMS = 2, 1
"""Of the folder: raised whenever an older folder could be misread. The first had no checksums."""


class FolderStore:
    """One file of rows a layer, a description of each, and what the answers depend on in ``cache.json``."""

    def __init__(self, layout: CacheLayout, folder: Path, key: Mapping[str, str], writes: bool = True) -> None:
        self.layout, self.folder, self.writes = layout, folder, writes
        self._cure = f"delete {folder} to have the teacher asked anew"
        self.about: dict[str, Any] = {"format": FORMAT, "samples": layout.samples, "views": layout.views}
        self.about |= {"form": layout.form.name, "key": dict(key)} | ({"call": layout.manner} if layout.manner else {})
        self.tables: dict[str, AnswerTable] = {}
        self._about()

    @property
    def is_verified(self) -> bool:
        """Whether its rows have checksums."""
        return bool(self._about()["format"] != WITHOUT_SUMS)

    def find(self, address: str) -> AnswerTable | None:
        if address not in self.tables and is_file(self._description(address), self._cure):
            self.tables[address] = self._open(address)
        return self.tables.get(address)

    def create(self, address: str, row: Row) -> AnswerTable:
        if (table := self.find(address)) is not None:
            return table
        layout = self._layout()
        demand, size = layout.demand(address, row), layout.num_bytes(row)
        logging.getLogger("tutelage").info("%s.", demand)
        path = self._rows(address)
        refuse_other_kinds(path, self._cure)
        try:
            _reserve(path, size)
        except OSError as error:
            path.unlink(missing_ok=True)
            if error.errno != errno.ENOSPC:
                raise OSError(f"{path} could not be created: {error}.") from error
            free = shutil.disk_usage(self.folder).free
            raise OSError(errno.ENOSPC, f"{demand}; {readable_bytes(free)} are free in {self.folder}") from None
        write_json(self._description(address), _described(address, row, size))  # now it exists
        self.tables[address] = self._open(address)
        return self.tables[address]

    @contextmanager
    def writing(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.fdopen(opened(self.folder / "lock", os.O_WRONLY), "w")
        except OSError as error:
            raise PermissionError(
                f"The cache cannot keep a new answer: {self.folder} cannot be written to ({error.strerror}); "
                "choose another folder."
            ) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system gives it back, however this process ends
            remove_leftovers(self.folder)
            if not is_file(self.folder / "cache.json", self._cure):
                write_json(self.folder / "cache.json", self.about)
            self._about()
            yield

    def _description(self, address: str) -> Path:
        return self.folder / f"layer-{quote(address, safe=':@')}.json"

    def _rows(self, address: str) -> Path:
        return self.folder / f"layer-{quote(address, safe=':@')}.rows"

    def _open(self, address: str) -> AnswerTable:
        description, path = self._description(address), self._rows(address)
        content, layout = read_json(description, self._cure), self._layout()
        try:
            row = tuple(int(x) for x in content["row"])
            expected = layout.num_bytes(row)
            if content != _described(address, row, expected):
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ValueError(f"{description} does not describe this layer; {self._cure}.") from None
        refuse_other_kinds(path, self._cure)
        size = path.stat().st_size if path.exists() else 0
        if size != expected:
            raise ValueError(
                f"{path} has {size} bytes where {expected} were expected: it is cut short or damaged; {self._cure}."
            )
        mode = "r+" if self.writes and os.access(path, os.W_OK) else "c"  # copied where it is written to
        mapped: Any = numpy.memmap(path, numpy.uint8, mode)  # type: ignore[call-overload]
        marks, parts = layout.cut(row, torch.from_numpy(mapped))
        if marks.dtype == torch.bool:
            return AnswerTable(row, marks, parts)
        sums = RowSums(marks, self._about(), address, row, partial(self._refuse_row, path))
        return AnswerTable(row, torch.zeros(layout.rows, dtype=torch.bool), parts, sums)

    def _layout(self) -> CacheLayout:
        return replace(self.layout, mark=SUM if self.is_verified else KNOWN)

    def _refuse_row(self, path: Path, row: int) -> NoReturn:
        sample, view = divmod(row, self.layout.views)
        raise ValueError(
            f"{path} is damaged: what it holds about sample {sample} in view {view} is not what was kept; {self._cure}."
        )

    def _about(self) -> dict[str, Any]:
        """What ``cache.json`` says, or will say. Raises ``ValueError`` where that is about other answers."""
        path = self.folder / "cache.json"
        if not is_file(path, self._cure):
            return self.about
        kept = there = read_json(path, self._cure)
        kept = kept if isinstance(kept, dict) else {}
        if self.layout.manner is None:  # whoever filled it knew how
            kept = {name: value for name, value in kept.items() if name != "call"}
        if kept in (self.about, {**self.about, "format": WITHOUT_SUMS}):
            return there  # type: ignore[no-any-return]
        mine, theirs = ({**about, **_mapping(about.get("key"))} for about in (self.about, kept))
        names = sorted(x for x in (mine.keys() | theirs.keys()) - {"key"} if mine.get(x) != theirs.get(x))
        gaps = "; ".join(f"{x} {_short(theirs.get(x))} there, {_short(mine.get(x))} here" for x in names)
        raise ValueError(f"{self.folder} keeps other answers ({gaps}); choose another folder, or delete this one.")


def _described(address: str, row: Row, size: int) -> dict[str, Any]:
    return {"address": address, "row": list(row), "bytes": size}


def _reserve(path: Path, size: int) -> None:
    """A file of ``size`` zeros that really has its place on disk: a hole would kill us later, when the disk is full."""
    if size > shutil.disk_usage(path.parent).free:
        raise OSError(errno.ENOSPC, "too large")
    with path.open("wb") as file:
        if sys.platform == "linux":
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            for start in range(0, size, 2**20):
                file.write(bytes(min(2**20, size - start)))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 24 else f"{text[:20]}…{text[-1]}"
