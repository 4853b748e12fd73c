"""Tables of any origin as columns of plain values: CSV and TSV here, parquet and arrow in ``arrow``."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tutelage.data.contents import content_of
from tutelage.plurals import counted

LARGEST = 2**30
"""Bytes of a table of text."""
WIDEST = 10_000
"""Columns of one."""
INDEX = "Unnamed: 0"
"""What pandas calls the first column where it has no name, as it writes its index."""
SEPARATORS = {".tsv": "\t", ".tab": "\t"}
POSSIBLE = ",;\t|"
EXCEL = re.compile(r"sep=(.)\r?\n")
"""A first line that tells Excel what separates values."""
ITEM = re.compile(r"""'[^'\\]*'|"[^"\\]*"|-?\d+""")
LIST = re.compile(rf"\[\s*(?:(?:{ITEM.pattern})(?:\s*,\s*(?:{ITEM.pattern}))*)?\s*\]")
TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class Columns:
    """Columns by name, each a value a row; ``None`` and "" where there is none.

    ``classes`` names what the whole numbers of a column stand for, where the file says so. ``home`` is the folder that
    relative paths are meant from, and ``where`` what a sentence about the table begins with.
    """

    where: str
    home: Path
    columns: Mapping[str, Sequence[Any]]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    @property
    def listed(self) -> str:
        """Its columns, for a sentence."""
        names = list(self.columns)
        return ", ".join(names[:20]) + (f" … ({len(names)} in all)" if len(names) > 20 else "")


def read_text(path: Path) -> Columns:
    """A table in UTF-8 whose first line names the columns, separated by tabs in ``.tsv`` that has some, else by what is
    most there.

    Raises ``FileNotFoundError``, and ``ValueError`` for bytes that are no UTF-8, names that are there twice, rows of
    another length than the first line, and a table without rows.
    """
    text = _text(path)
    if said := EXCEL.match(text):
        text = text[said.end() :]
    separator = said[1] if said else separator_in(text.partition("\n")[0], path.suffix.lower())
    try:
        rows = _rows(text, separator)
    except csv.Error as error:
        raise ValueError(f"{path} is no sound table ({error}); save it anew, with quotes closed.") from None
    if len(rows) < 2:
        raise ValueError(f"{path} has no rows: it needs a line with the names of its columns, then a line a sample.")
    names = [name.strip() for name in rows[0]]
    names[0] = names[0] or INDEX
    if len(names) > WIDEST or "" in names or len({*names}) < len(names):
        twice = next((name for name in names if name and names.count(name) > 1), "")
        what = f"names the column {twice!r} twice" if twice else "has a column without a name, or too many of them"
        raise ValueError(f"{path} {what}; give every column in its first line a name of its own.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(names):
            there, wanted = counted(len(row), "value"), counted(len(names), "column")
            raise ValueError(
                f"{path} has {there} in its row {number} and {wanted}; quote values that hold {separator!r}."
            )
    columns = {
        name: [x.strip() for x in column] for name, column in zip(names, zip(*rows[1:], strict=True), strict=True)
    }
    return Columns(str(path), path.parent, {name: _as_numbers(column) for name, column in columns.items()})


def read_lines(path: Path) -> Columns:
    """The column ``text`` of a file of texts in UTF-8, one a line; empty lines are left out.

    Raises ``FileNotFoundError``, and ``ValueError`` for bytes that are no UTF-8, and for a file without a text.
    """
    lines = [line for x in _lines(_text(path)) if (line := x.strip())]
    if not lines:
        raise ValueError(f"{path} is empty: it needs a text on each line.")
    return Columns(str(path), path.parent, {"text": lines})


def separator_in(first: str, ending: str) -> str:
    """What separates the names in the ``first`` line, which may stand within a name in quotes as well.

    A tab in a table of tabs by its ``ending``, unless there is none and there are others.
    """
    bare = re.sub(r'"[^"]*"', "", first)
    usual = SEPARATORS.get(ending, "")
    return usual if usual and (usual in bare or not any(x in bare for x in POSSIBLE)) else max(POSSIBLE, key=bare.count)


def _text(path: Path) -> str:
    try:
        text = content_of(path, LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 (byte {error.start + 1}); save it in UTF-8.") from None
    if "\0" in text:
        raise ValueError(f"{path} is no text: it holds zero bytes; save it as a table of text in UTF-8.")
    return text


def _lines(text: str) -> list[str]:
    """As editors count them: what else ends a line to Python, such as U+2028 and form feeds, stands within texts."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _rows(text: str, separator: str) -> list[list[str]]:
    """The values of each row. Between tabs, quotes may be no more than quotes, as in the files of GLUE.

    They are where they do not close, or would make one row of several lines, and each line by itself has its values.
    """
    plain = [line.split("\t") for line in _lines(text) if line] if separator == "\t" else []
    is_plain = bool(plain) and all(len(row) == len(plain[0]) for row in plain)
    most = csv.field_size_limit(len(text))  # a text may be as long as it wants
    try:
        rows = [row for row in _reader(text, separator) if row]
    except csv.Error:
        if is_plain:
            return plain
        raise
    finally:
        csv.field_size_limit(most)
    return plain if is_plain and len(rows) < len(plain) else rows


def _reader(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)


def _as_numbers(column: Sequence[str]) -> Sequence[Any]:
    """Whole numbers or fractions if all values are that are there, and none begins with a zero that means something.
    True and false likewise, and lists of texts or whole numbers, as Python and JSON spell them.

    Where there is none, the value is ``None``, and of a column of texts "".
    """
    there = [x for x in column if x]
    if there and all(x.lower() in TRUTHS for x in there):
        return [TRUTHS[x.lower()] if x else None for x in column]
    if there and all(map(LIST.fullmatch, there)):
        return [[item[1:-1] if item[0] in "'\"" else item for item in ITEM.findall(x)] if x else None for x in column]
    if any(len(x) > 40 or "_" in x or (len(x) > 1 and x[0] == "0" and x.isdecimal()) for x in there):
        return column
    for kind in (int, float):
        try:
            return [kind(x) if x else None for x in column] if there else column
        except (ValueError, OverflowError):
            continue
    return column
