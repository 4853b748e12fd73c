"""Standard output and standard error, which may go away at any time: that is never the end of what a command does."""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from typing import IO, Any

NOBODY_LISTENS = (errno.EPIPE, errno.EIO, errno.EBADF)  # `| head` has enough, a terminal was closed
NARROWEST = 40
"""Columns of a line that can be read."""


class Steady:
    """A text stream that never fails: silent after the first ``failure``. What its encoding lacks becomes ``?``."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        try:
            self._try(self.stream.write, text)
        except UnicodeEncodeError as lacking:
            self._try(self.stream.write, text.encode(lacking.encoding, "replace").decode(lacking.encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        self._try(self.stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _try(self, act: Callable[..., Any], *words: str) -> None:
        if self.failure is not None or getattr(self.stream, "closed", False):
            return
        try:
            act(*words)
        except OSError as failure:
            self.failure = failure
            with suppress(OSError):  # what is still in its buffer would fail again when the process ends
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.stream.fileno())
                os.close(nowhere)


def widened() -> None:
    """Let ``COLUMNS`` say what can be read, or nothing: on 0 columns rich prints nothing, on ``²`` it fails."""
    for name, least in (("COLUMNS", NARROWEST), ("LINES", 1)):
        said = os.environ.get(name, "")
        if not said.isdecimal():
            os.environ.pop(name, None)
        elif int(said) < least:
            os.environ[name] = str(least)


@contextmanager
def steady_output() -> Iterator[Callable[[], str]]:
    """While it lasts, nothing fails because it cannot be written to standard output or standard error.

    What it gives says why standard output was not written, where somebody may still have waited for it.
    """
    before = sys.stdout, sys.stderr
    _fill_closed()
    output, error = (Steady(stream or StringIO()) for stream in before)

    def lost() -> str:
        output.flush()
        failure = output.failure
        return "" if failure is None or failure.errno in NOBODY_LISTENS else failure.strerror or str(failure)

    sys.stdout, sys.stderr = output, error  # all that print, rich and logging ask for
    try:
        yield lost
    finally:
        output.flush()
        error.flush()
        sys.stdout, sys.stderr = before


def _fill_closed() -> None:
    """``>&-`` leaves a number free: the next file that is opened would get it, and what is meant for the output."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
