"""Labels as they stand in a table: what task they speak of, and as numbers that a loss takes."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from tutelage.own_data.source import TaskName

COMMA = re.compile(r"-?\d+,\d+")
BETWEEN = ("|", ";")
"""What several labels of one picture are separated by, in one column."""


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and value != value)


def task_of(where: str, columns: Mapping[str, Sequence[Any]], named: Mapping[str, Sequence[str]]) -> TaskName:
    """What one or several columns of labels speak of; ``named`` are those whose numbers stand for classes.

    One column: names are classes, or several labels if separated by ``BETWEEN`` or in lists; fractions are numbers to
    be predicted; whole numbers, 2.0 too, are classes where they run from 0 or 1 on without a gap and come twice each
    on average. Several columns: labels if all are 0 and 1, else numbers. Raises ``ValueError`` that asks for ``--task``
    where this leaves a doubt.
    """
    values = [[x for x in column if not is_missing(x)] for column in columns.values()]
    if len(columns) > 1:
        if all(x in (0, 1) for column in values for x in column):
            return "multi-label"
        if all(is_number(x) for column in values for x in column):
            return "regression"
        words = ", ".join(columns)
        raise ValueError(f"{where} has labels in {words} not all numbers; give --label-columns one of names.")
    ((name, column),) = zip(columns, values, strict=True)
    lists = [x for x in column if isinstance(x, list | tuple)]
    if any(isinstance(y, float) and not y.is_integer() for x in lists for y in x):
        raise ValueError(
            f"{where} has lists of fractions in {name!r}; give each of their numbers a column, and name these with "
            "--label-columns."
        )
    if lists or separator_of(column):
        return "multi-label"
    if name in named or not all(is_number(x) for x in column):
        if name not in named:
            _refuse_commas(where, name, column)
            _refuse_mixed(where, name, columns[name])
        return "classification"
    if not all(float(x).is_integer() for x in column):
        return "regression"
    column = [int(x) for x in column]
    found = sorted({*column})
    if _count_classes(column):
        return "classification"
    if 2 * len(found) > len(column):
        return "regression"
    raise ValueError(
        f"{where} has whole numbers in {name!r} ({found[0]} to {found[-1]}, {len(found)} of them): classes or "
        "quantities? Say --task classification or --task regression."
    )


def _count_classes(column: Sequence[Any]) -> bool:
    """Whether whole numbers run from 0 or 1 on without a gap and come twice each on average."""
    found = sorted({*column})
    return found in (list(range(len(found))), list(range(1, len(found) + 1))) and 2 * len(found) <= len(column)


def _refuse_mixed(where: str, name: str, column: Sequence[Any]) -> None:
    """Raise ``ValueError`` for quantities most of which are numbers: the others are slips, and no classes."""
    numbers = [None if is_missing(x) else _number(x) for x in column]
    there = [x for x in numbers if x is not None]
    other = next((n for n, x in enumerate(column) if numbers[n] is None and not is_missing(x)), None)
    if other is None or 2 * len(there) <= len(column) or _count_classes(there):
        return
    raise ValueError(
        f"{where} has {str(column[other])[:40]!r} in row {other + 1} of {name!r}, where {len(there)} of {len(column)} "
        "are numbers; mend it, take the row out, or say --task classification."
    )


def _refuse_commas(where: str, name: str, column: Sequence[Any]) -> None:
    """Raise ``ValueError`` for fractions that are written as in French or German: texts, and so classes."""
    if column and all(isinstance(x, str) and COMMA.fullmatch(x) for x in column):
        raise ValueError(
            f"{where} has fractions with a comma in {name!r}, such as {column[0]!r}; write them with a point."
        )


def separator_of(column: Sequence[Any]) -> str:
    """What separates several labels in a column of text: there, and labels are fewer than texts or one is in several
    of these; nothing otherwise."""
    texts = {x for x in column if isinstance(x, str)}
    for separator in BETWEEN:
        if any(separator in x for x in texts):
            labels = Counter(label for x in texts for label in {part.strip() for part in x.split(separator)})
            few = len(labels) <= max(len(texts), 2) or max(labels.values()) > 1
            if few and all(len(label) <= 60 for label in labels):
                return separator
    return ""


def sets_of(column: Sequence[Any]) -> list[list[str]]:
    """The labels of each row of one column: of text with a separator, or of lists."""
    there = (x for x in BETWEEN if any(isinstance(value, str) and x in value for value in column))
    separator = separator_of(column) or next(there, BETWEEN[0])
    return [
        [str(x) for x in value] if isinstance(value, list | tuple)
        else [label.strip() for label in str(value).split(separator) if label.strip()] if not is_missing(value) else []
        for value in column
    ]  # fmt: skip


def as_memberships(rows: Sequence[Sequence[str]], classes: Sequence[str]) -> Tensor:
    """Which labels hold in each row, float32 (N, K) of 0 and 1."""
    numbers = {name: n for n, name in enumerate(classes)}
    targets = torch.zeros(len(rows), len(classes))
    for row, labels in enumerate(rows):
        for label in labels:
            targets[row, numbers[label]] = 1
    return targets


def as_numbers(where: str, columns: Mapping[str, Sequence[Any]]) -> Tensor:
    """float32 (N, K). Raises ``ValueError`` with the row of the first value that is no number."""
    rows: list[list[float]] = []
    for row in range(len(next(iter(columns.values())))):
        rows.append([])
        for name, column in columns.items():
            if (number := _number(column[row])) is None:
                raise ValueError(
                    f"{where} has {str(column[row])[:40]!r} in row {row + 1} of {name!r}, which is no number; "
                    "regression learns finite numbers: mend it, take the row out, or say --task classification."
                )
            rows[-1].append(number)
    return torch.tensor(rows, dtype=torch.float32)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def class_name(value: Any, names: Sequence[str] = ()) -> str:
    """What a class is called: by ``names`` where its number stands for one.

    >>> class_name(1, ("cat", "dog")), class_name("cat"), class_name(2.0)
    ('dog', 'cat', '2')
    """
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    name: str = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return name
