"""Where a cache keeps a teacher's answers: in memory, or in a folder that outlives the process."""

import errno
import fcntl
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from urllib.parse import quote

import numpy
import torch
from torch import Tensor

from tutelage.checkpoint import read_json, write_json
from tutelage.teachers.forms import Form, Part, Parts, Row

FORMAT = 1
"""Of the folder: raised whenever an older folder could be misread."""


@dataclass
class Shelf:
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
class Plan:
    """What a store has room for: an answer in ``form`` for each of ``samples`` in each of ``views``."""

    samples: int
    views: int
    form: Form

    @property
    def rows(self) -> int:
        return self.samples * self.views

    def layout(self, row: Row) -> dict[str, Part]:
        """What is kept for each row, with the mark that says whether it is."""
        return {"known": Part(torch.bool, ()), **self.form.layout(row)}

    def num_bytes(self, row: Row) -> int:
        """What one activation takes in memory or on disk, whether filled or not.

        >>> from tutelage.teachers.forms import dense
        >>> Plan(60_000, 25, dense()).num_bytes((10,))
        61500032
        """
        return _offsets(self.layout(row), self.rows)[1]

    def shelf(self, row: Row, buffer: Tensor) -> Shelf:
        """``buffer`` (uint8), cut into the parts of an activation."""
        parts = {}
        for name, (start, size, part) in _offsets(self.layout(row), self.rows)[0].items():
            parts[name] = buffer[start : start + size].view(part.dtype).view(self.rows, *part.shape)
        return Shelf(row, parts.pop("known"), parts)


class Store(Protocol):
    """Finds and makes the shelves of a cache."""

    def find(self, address: str) -> Shelf | None:
        """The shelf of ``address`` if there is one."""

    def make(self, address: str, row: Row) -> Shelf:
        """The shelf of ``address``, empty unless somebody else has just made it. Only while ``writing``."""

    def writing(self) -> AbstractContextManager[None]:
        """No other process writes while this lasts."""


Place: TypeAlias = Callable[[Plan], Store]


def in_memory(plan: Plan, device: torch.device | str = "cpu") -> Store:
    """In this process's memory on ``device``, taken when an activation is first kept.

    Raises ``ValueError``, before anything is taken, where the memory that is free cannot hold it.
    """
    return _Memory(plan, torch.device(device))


def in_folder(folder: Path | str, key: Mapping[str, str]) -> Place:
    """Files in ``folder``, mapped into memory: they outlive the process, and several may share them.

    ``key`` says what the answers depend on, such as ``{"weights": weights_hash(teacher), "data": data.checksum,
    "transform": "jitter", "precision": "float32"}``; with samples, views and form it is written into ``cache.json``.
    Nothing is written before there is an answer to keep. The whole room is reserved at once, one file a layer. Any
    number of processes may read; they write one at a time, a batch each. A process killed at any moment leaves only
    whole answers; after a power cut, or a crash of the whole machine, delete the folder. A folder that cannot be
    written to is read.

    Raises ``ValueError`` for a folder with another key, size or form and for a file that is cut short, ``OSError`` by
    name where the disk cannot hold a layer or the folder cannot be written to.
    """

    def place(plan: Plan) -> Store:
        return _Folder(plan, Path(folder), key)

    return place


class _Memory:
    def __init__(self, plan: Plan, device: torch.device) -> None:
        self.plan, self.device = plan, device
        self.shelves: dict[str, Shelf] = {}

    def find(self, address: str) -> Shelf | None:
        return self.shelves.get(address)

    def make(self, address: str, row: Row) -> Shelf:
        size = self.plan.num_bytes(row)
        if size > (free := _free_memory(self.device)):
            raise ValueError(
                f"{_needs(self.plan, address, size)}; {_readable(free)} of memory are free on {self.device}."
            )
        _state(self.plan, address, size)
        buffer = torch.zeros(size, dtype=torch.uint8, device=self.device)
        return self.shelves.setdefault(address, self.plan.shelf(row, buffer))

    def writing(self) -> AbstractContextManager[None]:
        return nullcontext()


class _Folder:
    def __init__(self, plan: Plan, folder: Path, key: Mapping[str, str]) -> None:
        self.plan, self.folder = plan, folder
        self.about: dict[str, Any] = {"format": FORMAT, "samples": plan.samples, "views": plan.views}
        self.about |= {"form": plan.form.name, "key": dict(key)}
        self.shelves: dict[str, Shelf] = {}
        self._refuse_another()

    def find(self, address: str) -> Shelf | None:
        if address not in self.shelves and self._described(address).exists():
            self.shelves[address] = self._open(address)
        return self.shelves.get(address)

    def make(self, address: str, row: Row) -> Shelf:
        if (shelf := self.find(address)) is not None:
            return shelf
        _state(self.plan, address, size := self.plan.num_bytes(row))
        path = self._rows(address)
        try:
            _reserve(path, size)
        except OSError as error:
            path.unlink(missing_ok=True)
            if error.errno != errno.ENOSPC:
                raise OSError(f"{path} could not be made: {error}.") from error
            free = shutil.disk_usage(self.folder).free
            raise OSError(
                errno.ENOSPC, f"{_needs(self.plan, address, size)}; {_readable(free)} are free in {self.folder}"
            ) from None
        write_json(self._described(address), {"address": address, "row": list(row), "bytes": size})  # now it exists
        self.shelves[address] = self._open(address)
        return self.shelves[address]

    @contextmanager
    def writing(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("a")
        except OSError as error:
            raise PermissionError(
                f"The cache cannot keep a new answer: {self.folder} cannot be written to ({error.strerror}); "
                "choose another folder."
            ) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system gives it back, however this process ends
            if not (self.folder / "cache.json").exists():
                write_json(self.folder / "cache.json", self.about)
            self._refuse_another()
            yield

    def _described(self, address: str) -> Path:
        return self.folder / f"layer-{quote(address, safe=':')}.json"

    def _rows(self, address: str) -> Path:
        return self.folder / f"layer-{quote(address, safe=':')}.rows"

    def _open(self, address: str) -> Shelf:
        described, path = self._described(address), self._rows(address)
        content = read_json(described)
        try:
            row = tuple(int(x) for x in content["row"])
        except (KeyError, TypeError, ValueError):
            raise ValueError(
                f"{described} does not describe a layer; delete {self.folder} to ask the teacher anew."
            ) from None
        expected = self.plan.num_bytes(row)
        found = path.stat().st_size if path.exists() else 0
        if found != expected:
            raise ValueError(
                f"{path} has {found} bytes where {expected} were expected: it is cut short or damaged; "
                f"delete {self.folder} to ask the teacher anew."
            )
        mode = "r+" if os.access(path, os.W_OK) else "c"
        mapped: Any = numpy.memmap(path, numpy.uint8, mode)  # type: ignore[call-overload]
        return self.plan.shelf(row, torch.from_numpy(mapped))

    def _refuse_another(self) -> None:
        path = self.folder / "cache.json"
        if not path.exists():
            return
        kept = read_json(path)
        if kept == self.about:
            return
        kept = kept if isinstance(kept, dict) else {}
        mine, theirs = ({**about, **_mapping(about.get("key"))} for about in (self.about, kept))
        names = sorted(x for x in (mine.keys() | theirs.keys()) - {"key"} if mine.get(x) != theirs.get(x))
        gaps = "; ".join(f"{x} {_short(theirs.get(x))} there, {_short(mine.get(x))} here" for x in names)
        raise ValueError(f"{self.folder} keeps other answers ({gaps}); choose another folder, or delete this one.")


def _offsets(layout: Mapping[str, Part], rows: int) -> tuple[dict[str, tuple[int, int, Part]], int]:
    """Where each part starts, how many bytes it has; and how many bytes they take together."""
    offsets, end = {}, 0
    for name, part in layout.items():
        start = -(-end // 64) * 64  # whole cache lines, so that each part can be seen as its own type
        size = rows * prod(part.shape) * part.dtype.itemsize
        offsets[name], end = (start, size, part), start + size
    return offsets, end


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


def _free_memory(device: torch.device) -> int:
    """Bytes: what the accelerator, or the system and the control group of this process, would still give."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = [sys.maxsize]
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]))
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        free.append(limit - int((group / "memory.current").read_text(encoding="ascii")))
    return min(free)


def _needs(plan: Plan, address: str, size: int) -> str:
    return (
        f"Keeping {address!r} of {plan.samples} samples in {plan.views} views as {plan.form.name} "
        f"takes {_readable(size)}"
    )


def _state(plan: Plan, address: str, size: int) -> None:
    logging.getLogger("tutelage").info("%s.", _needs(plan, address, size))


def _readable(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 24 else f"{text[:20]}…{text[-1]}"
