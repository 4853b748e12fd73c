"""The moments between two changes of the disk, counted: before each call that changes something, and within a write."""

import builtins
import io
import os
import sys
from collections.abc import Callable
from typing import Any

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate")
"""Audited by the interpreter, with the path first."""


def watch(below: str, number: int, happen: Callable[[], None]) -> Callable[[], int]:
    """Call ``happen`` at boundary ``number``, from 1, below a folder; what comes back tells how many were passed."""
    passed = 0

    def boundary() -> bool:
        nonlocal passed
        passed += 1
        return passed == number

    def before() -> None:
        if boundary():
            happen()

    def within(first_half: Callable[[], object]) -> None:
        if boundary():
            first_half()
            happen()

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event == "fcntl.flock" or ((writes or event in CHANGES) and str(arguments[0]).startswith(below)):
            before()

    sys.addaudithook(audit)
    _count_calls(before)
    _count_writes(below, before, within)
    return lambda: passed


def _count_calls(before: Callable[[], None]) -> None:
    """What no audit event tells of: syncing, reserving, tensors that a library writes, rows put into a cache."""
    import safetensors.torch

    from tutelage.teachers.cache_layout import AnswerTable

    for home, name in (
        (os, "fsync"), (os, "posix_fallocate"), (safetensors.torch, "serialize_file"), (AnswerTable, "put"),
    ):  # fmt: skip
        setattr(home, name, _counted(getattr(home, name), before))


def _counted(function: Callable[..., Any], before: Callable[[], None]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        before()
        return function(*arguments, **named)

    return counted


def _count_writes(below: str, before: Callable[[], None], within: Callable[..., None]) -> None:
    plain = io.open

    class Raw(io.FileIO):
        """A file whose every write to the system is a boundary, and so is its middle."""

        def write(self, content: Any) -> int:
            before()
            within(lambda: super(Raw, self).write(bytes(content)[: len(content) // 2]))
            return super().write(content)

        def truncate(self, size: int | None = None) -> int:
            before()
            return super().truncate(size)

    def opened(file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None,
               newline: Any = None, closefd: bool = True, opener: Any = None) -> Any:  # fmt: skip
        if not set(mode) & set("wax+") or not isinstance(file, str | os.PathLike) or not str(file).startswith(below):
            return plain(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        buffer = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return buffer
        text = io.TextIOWrapper(buffer, encoding, errors, newline)
        text.mode = mode
        return text

    io.open = builtins.open = opened
