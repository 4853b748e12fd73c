"""Texts that no memory holds: files read line by line, or a data set that is gone through, anew in each epoch."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeAlias

from tutelage.data.contents import AGAIN
from tutelage.outputs import kind_of

Texts: TypeAlias = Callable[[int], Iterable[str]]
"""``texts(epoch)``: the texts of an epoch, one by one; the same ones whenever that epoch is asked for."""
LONGEST_LINE = 2**24
"""Bytes; a file without an end of a line would be held as a whole."""
ZIPPED = b"\x1f\x8b"


def lines_of(*files: Path | str) -> Texts:
    """The lines of text files in UTF-8, those with a word, file after file; each may be packed by gzip.

    A line at a time is in memory. Raises ``FileNotFoundError`` for a file that is not there and ``ValueError`` for no
    file; and, when a line is read, ``ValueError`` for one that is no text, one of more than ``LONGEST_LINE`` bytes, and
    for a file that is damaged.
    """
    paths = [Path(file) for file in files]
    if not paths:
        raise ValueError("A corpus is one text file or more; got none.")
    if missing := [path for path in paths if not path.is_file()]:
        raise FileNotFoundError(f"There is no text file {missing[0]}.")

    def texts(_epoch: int) -> Iterator[str]:
        for path in paths:
            yield from _lines(path)

    return texts


def rows_of(data: Iterable[Mapping[str, Any]], column: str = "text") -> Texts:
    """What rows of ``data`` say in their ``column``, those with a word, as of a data set of the library ``datasets``.

    That is any iterable that begins anew each time: ``load_dataset(…, streaming=True)``, a list. One that has a
    ``set_epoch`` is told the epoch, by which ``datasets`` shuffles. Raises ``ValueError`` for an iterator, which is
    used up after one epoch; and, when a row is read, for one without a text there.

    >>> list(rows_of([{"text": "a b"}, {"text": " "}, {"text": "c"}])(0))
    ['a b', 'c']
    """
    if isinstance(data, Iterator):
        raise ValueError(f"A{kind_of(data)[1:]} is used up after one epoch; give a data set, or a list.")

    def texts(epoch: int) -> Iterator[str]:
        if callable(told := getattr(data, "set_epoch", None)):
            told(epoch)
        for number, row in enumerate(data):
            text = row.get(column) if isinstance(row, Mapping) else None
            if not isinstance(text, str):
                there = sorted(map(str, row)) if isinstance(row, Mapping) else kind_of(row)
                raise ValueError(f"Row {number} of the corpus has no text {column!r}; it has {there}.")
            if text.strip():
                yield text

    return texts


def _lines(path: Path) -> Iterator[str]:
    try:
        with closing(_opened(path)) as file:
            number = 0
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    raise ValueError(f"{path} has more than {LONGEST_LINE} bytes in line {number}; put a text a line.")
                if text := _decoded(line, path, number).strip():
                    yield text
    except EOFError:
        raise ValueError(f"{path} is truncated: its gzip stream stops before its end. {AGAIN}") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a sound gzip file ({error}). {AGAIN}") from None


def _opened(path: Path) -> gzip.GzipFile | BufferedReader:
    with path.open("rb") as file:
        packed = file.read(2) == ZIPPED
    return gzip.open(path) if packed else path.open("rb")


def _decoded(line: bytes, path: Path, number: int) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error.reason} in line {number}).") from None
