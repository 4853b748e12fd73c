"""Where a cache keeps a teacher's answers: in memory, or in a folder that outlives the process."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Protocol, TypeAlias

import torch

from tutelage.machine import free_memory
from tutelage.teachers.cache_layout import AnswerTable, CacheLayout, readable_bytes
from tutelage.teachers.folder_store import FolderStore
from tutelage.teachers.forms import Row


class Store(Protocol):
    """Finds and creates the tables of a cache."""

    def find(self, address: str) -> AnswerTable | None:
        """The table of ``address`` if there is one."""

    def create(self, address: str, row: Row) -> AnswerTable:
        """The table of ``address``, empty unless another process has just created it. Only while ``writing``."""

    def writing(self) -> AbstractContextManager[None]:
        """No other process writes while this lasts."""


Place: TypeAlias = Callable[[CacheLayout], Store]
PRECISIONS = (torch.bfloat16, torch.float16)
"""In which autocast may run, beside none."""


def in_memory(layout: CacheLayout, device: torch.device | str = "cpu") -> Store:
    """In this process's memory on ``device``, taken when an activation is first kept.

    Raises ``ValueError``, before anything is taken, where the memory that is free cannot hold it.
    """
    return _Memory(layout, torch.device(device))


def in_folder(folder: Path | str, key: Mapping[str, str]) -> Place:
    """Files in ``folder``, mapped into memory: they outlive the process, and several may share them.

    ``key`` says what the answers depend on, such as ``{"weights": weights_hash(teacher), "data": data.checksum,
    "transform": "jitter", "precision": "float32"}``; with samples, views and form it is written into ``cache.json``.
    Nothing is written before there is an answer to keep. The whole room is reserved at once, one file a layer. Any
    number of processes may read; they write one at a time, a batch each. A process killed at any moment leaves only
    whole answers. Each has a checksum, looked at when a process reads it first: it finds what a power cut or a
    failing disk has damaged. A folder of an earlier version has none; it is read, filled and said to be unverified. A
    folder that cannot be written to is read.

    Raises ``ValueError`` for a folder with another key, size or form and for files that are damaged, ``OSError`` by
    name where the disk cannot hold a layer or the folder cannot be written to.
    """

    def place(layout: CacheLayout) -> Store:
        store = FolderStore(layout, Path(folder), key)
        if not store.is_verified:
            logging.getLogger("tutelage").warning("%s has no checksums: its answers were not verified.", folder)
        return store

    return place


def over_folder(folder: Path | str, key: Mapping[str, str]) -> Place:
    """What ``in_folder`` keeps there, for whoever must not add to it, such as a measurement of what a step costs.

    The folder stays as it is, and need not be there: new answers are in this process's memory. Raises ``ValueError`` as
    ``in_folder`` and ``in_memory`` do.
    """

    def place(layout: CacheLayout) -> Store:
        return _Borrowed(FolderStore(layout, Path(folder), key, writes=False), in_memory(layout))

    return place


class ByPrecision:
    """The tables of ``store``, apart for each precision of autocast: ``layer``, and ``layer@bfloat16``.

    A teacher answers otherwise in another precision, so who asks, a training or a measurement, decides what is found.
    With nobody to ask, whatever is there is taken, that of the own precision first.
    """

    def __init__(self, store: Store, silent: bool) -> None:
        self.store, self.silent = store, silent

    def find(self, address: str) -> AnswerTable | None:
        table = self.store.find(address + _precision())
        if table is None and self.silent:
            others = (self.store.find(address + suffix) for suffix in ("", *map(_suffix, PRECISIONS)))
            return next((other for other in others if other is not None), None)
        return table

    def create(self, address: str, row: Row) -> AnswerTable:
        return self.store.create(address + _precision(), row)

    def writing(self) -> AbstractContextManager[None]:
        return self.store.writing()


def _precision() -> str:
    on = [torch.get_autocast_dtype(device) for device in _devices() if torch.is_autocast_enabled(device)]
    return _suffix(on[-1]) if on else ""


@cache
def _devices() -> tuple[str, ...]:
    accelerator = torch.accelerator.current_accelerator()
    return ("cpu",) if accelerator is None else ("cpu", accelerator.type)


def _suffix(precision: torch.dtype) -> str:
    return f"@{str(precision).removeprefix('torch.')}"


class _Borrowed:
    """Tables of a folder, copied page by page where they are written to, and new ones in memory."""

    def __init__(self, kept: Store, own: Store) -> None:
        self.kept, self.own = kept, own

    def find(self, address: str) -> AnswerTable | None:
        return self.own.find(address) or self.kept.find(address)

    def create(self, address: str, row: Row) -> AnswerTable:
        return self.own.create(address, row)

    def writing(self) -> AbstractContextManager[None]:
        return nullcontext()


class _Memory:
    """Tables in this process's memory."""

    def __init__(self, layout: CacheLayout, device: torch.device) -> None:
        self.layout, self.device = layout, device
        self.tables: dict[str, AnswerTable] = {}

    def find(self, address: str) -> AnswerTable | None:
        return self.tables.get(address)

    def create(self, address: str, row: Row) -> AnswerTable:
        demand, size = self.layout.demand(address, row), self.layout.num_bytes(row)
        if size > (free := free_memory(self.device)):
            raise ValueError(f"{demand}; {readable_bytes(free)} of memory are free on {self.device}.")
        logging.getLogger("tutelage").info("%s.", demand)
        buffer = torch.zeros(size, dtype=torch.uint8, device=self.device)
        return self.tables.setdefault(address, AnswerTable(row, *self.layout.cut(row, buffer)))

    def writing(self) -> AbstractContextManager[None]:
        return nullcontext()
