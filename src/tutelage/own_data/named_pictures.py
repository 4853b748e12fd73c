"""Pictures that the rows of a table hold, or name: paths stay inside the table's folder."""

import os.path
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from tutelage.data.walk import ENDINGS
from tutelage.own_data.table import Columns


def picture_of(table: Columns, value: Any, column: str, number: int) -> tuple[str, Path | bytes]:
    """The name of a sample and its picture. Raises ``ValueError`` for a path that leads outside the table's folder."""
    if isinstance(value, bytes):
        return f"row {number + 1}", value
    if isinstance(value, Mapping):
        if isinstance(value.get("bytes"), bytes):
            return f"row {number + 1}", value["bytes"]
        value = value.get("path")
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{table.where} has no picture in row {number + 1} of {column!r}; fill it in, or remove it.")
    path = inside(table, value, number)
    return path.relative_to(table.home).as_posix(), path


def inside(table: Columns, value: str, number: int) -> Path:
    """The path that a row names, with the ending of the picture that is there where it names none.

    Raises ``ValueError`` for one that leads out of the table's folder.
    """
    path = Path(value if "/" in value else PureWindowsPath(value).as_posix())
    place, home = (Path(os.path.abspath(x)) for x in (table.home / path, table.home))
    if not place.is_relative_to(home) or PureWindowsPath(value).drive:
        raise ValueError(
            f"{table.where} names {value!r} in row {number + 1}, which leads outside its folder; put the table above "
            "the pictures, and write paths as seen from there."
        )
    whole = table.home / place.relative_to(home)
    if whole.suffix.lower() not in ENDINGS:
        there = [known for ending in ENDINGS if (known := whole.with_name(whole.name + ending)).is_file()]
        return there[0] if len(there) == 1 else whole
    return whole
