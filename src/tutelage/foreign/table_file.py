"""A table of somebody's answers, read: rows by the name of a sample, or by its number; columns by class."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tutelage.machine import usable_memory
from tutelage.own_data.arrow import read_parquet
from tutelage.own_data.npz import read_npz
from tutelage.own_data.table import separator_in
from tutelage.plurals import counted

ENDINGS = (".parquet", ".csv", ".tsv", ".npz")
LARGEST = 2**31
"""Numbers, or bytes of text, of a table."""
NAMES = ("name", "names", "file", "files", "filename", "file_name", "path", "paths", "image", "id", "index", "row")
"""What a column of names is called, if it is not the only one of texts."""
ANSWERS = ("logits", "answers", "probabilities", "probs", "outputs", "scores")


@dataclass(frozen=True, eq=False)
class Table:
    """``answers`` (rows, columns) float32; ``names`` of the rows and ``columns``, as far as the file has any."""

    answers: Tensor
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def read_table(path: Path) -> Table:
    """What ``path`` (parquet, CSV, TSV or ``.npz``) holds. Nothing in it is unpickled.

    Raises ``FileNotFoundError``, and ``ValueError``, beginning with the path, for what is no such table: no numbers,
    text among them, rows of different lengths, more than fit.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no table {path}.")
    read = {".parquet": _parquet, ".npz": _arrays}.get(path.suffix.lower(), _text)
    try:
        table = read(path)
    except (ImportError, FileNotFoundError):
        raise
    except Exception as error:  # of damaged files the libraries raise whatever they like
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0]
        if reason.startswith(str(path)):  # said already
            raise ValueError(reason) from None
        raise ValueError(
            f"{path} is no table of answers that can be read ({reason.rstrip('.')}); a row a sample is wanted, with "
            "its name and a number a class."
        ) from None
    answers = table.answers
    if answers.ndim != 2 or not answers.numel() or len(table.names) not in (0, len(answers)):
        raise ValueError(
            f"{path} holds answers {tuple(answers.shape)}; a row a sample and a column a class are wanted."
        )
    if broken := int((~answers.isfinite()).any(1).sum()):
        raise ValueError(
            f"{path} has {broken} of {counted(len(answers), 'row')} with numbers that are missing, NaN or infinite."
        )
    return table


def _arrays(path: Path) -> Table:
    held = dict(sorted(read_npz(path, usable_memory() // 2).items()))
    numbers = {name: x for name, x in held.items() if x.ndim == 2 and x.dtype.kind in "fiu"}
    chosen = next((name for name in ANSWERS if name in numbers), None) or next(iter(numbers), None)
    if chosen is None or (len(numbers) > 1 and chosen not in ANSWERS):
        raise ValueError(f"its arrays are {sorted(held)}; the one of answers is two-dimensional and called logits")
    answers = held[chosen]
    texts = {name: _texts(x) for name, x in held.items() if x.ndim == 1 and x.dtype.kind in "UiuS"}
    names = next((x for name, x in texts.items() if name in NAMES and len(x) == len(answers)), ())
    columns = next((x for name, x in texts.items() if "class" in name and len(x) == answers.shape[1]), ())
    return Table(torch.from_numpy(answers.astype(np.float32)), names, columns)


def _texts(names: np.ndarray[Any, Any]) -> tuple[str, ...]:
    return tuple(x.decode() if isinstance(x, bytes) else str(x) for x in names.tolist())


def _text(path: Path) -> Table:
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"it takes {size} bytes")
    with path.open(newline="", encoding="utf-8-sig") as file:
        separator = separator_in(file.readline(), path.suffix.lower())
        file.seek(0)
        header, *rows = csv.reader(file, delimiter=separator, skipinitialspace=True)
    if not rows or any(len(row) != len(header) for row in rows):
        raise ValueError("its rows are not all as long as its header")
    if fraction := next((name for name in header if "." in name and _are_numbers([name])), ""):
        raise ValueError(f"its first line, with {fraction}, is a sample: put a line with the names of columns above it")
    return _of_columns(dict(zip(header, zip(*rows, strict=True), strict=True)))


def _parquet(path: Path) -> Table:
    columns = {name: tuple(values) for name, values in read_parquet(path).columns.items()}
    known = {name: [x for x in values if x is not None] for name, values in columns.items()}
    lists = {
        name: columns[name]
        for name, values in known.items()
        if _are(values, list) and _are([*chain.from_iterable(values)], float | np.floating)
    }
    plain = {name: columns[name] for name, values in known.items() if _are(values, str)} | {
        name: tuple(nan if x is None else x for x in columns[name])
        for name, values in known.items()
        if _are(values, int | float | np.floating) and not _are(values, bool)
    }
    if not lists:
        return _of_columns(plain)
    chosen = next((name for name in ANSWERS if name in lists), next(iter(lists)))
    return Table(torch.tensor(lists[chosen], dtype=torch.float32), _names(plain))


def _are(values: Sequence[Any], kind: Any) -> bool:
    return bool(values) and all(isinstance(x, kind) for x in values)


def _of_columns(columns: dict[str, tuple[Any, ...]]) -> Table:
    names = _names(columns)
    numeric = {name: x for name, x in columns.items() if _are_numbers(x) and tuple(map(str, x)) != names}
    answers = np.array([[float(value) for value in x] for x in numeric.values()], dtype=np.float32).T
    return Table(torch.from_numpy(np.ascontiguousarray(answers)), names, tuple(numeric))


def _names(columns: dict[str, tuple[Any, ...]]) -> tuple[str, ...]:
    """The column that names the samples: called so, or the first one of texts that differ."""
    called = [x for name, x in columns.items() if name.strip().lower() in NAMES]
    texts = [x for x in columns.values() if not _are_numbers(x) and len({*x}) == len(x)]
    return tuple(map(str, next(iter([*called, *texts]), ())))


def _are_numbers(values: Sequence[Any]) -> bool:
    try:
        [float(value) for value in values]
    except (TypeError, ValueError):
        return False
    return True
