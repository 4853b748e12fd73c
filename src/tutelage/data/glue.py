"""Tasks of the GLUE benchmark, from its TSV files: sentences or pairs of them, and what is to be said of them.

Wang et al., "GLUE", 2018, arXiv:1804.07461. Each corpus keeps its own terms; nothing is fetched.
"""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from tutelage.data.contents import unzipped
from tutelage.data.find import find_data

Part: TypeAlias = Literal["train", "dev", "test"]


@dataclass(frozen=True)
class Columns:
    """Where a task's files have the sentences (one or two) and the label, counted from 0, and which labels there are.

    Without ``labels`` it is a number from 0 to ``highest``. ``header`` says whether labelled files begin with one.
    """

    sentences: tuple[int, ...]
    label: int
    labels: tuple[str, ...] = ("0", "1")
    header: bool = True
    highest: float = 0.0


COLUMNS = {
    "CoLA": Columns((3,), 1, header=False),
    "SST-2": Columns((0,), 1),
    "MRPC": Columns((3, 4), 0),
    "STS-B": Columns((7, 8), 9, labels=(), highest=5.0),
    "RTE": Columns((1, 2), 3, labels=("entailment", "not_entailment")),
    "WNLI": Columns((1, 2), 3),
}
"""By the name of the task, which is that of its folder."""


@dataclass(frozen=True, eq=False)
class Sentences:
    """Sentences, of pairs the ``seconds`` too, and targets: int64 (N,) of ``labels``, or numbers (N, 1); test has none.

    They come in the order of the file.
    """

    name: str
    firsts: tuple[str, ...]
    seconds: tuple[str, ...] | None
    targets: Tensor
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.firsts)


def glue(task: str, part: Part, folder: Path | None = None) -> Sentences:
    """The sentences of a part of ``task``, from the folder ``glue`` where ``find_data`` finds it.

    Raises ``ValueError`` for a task that is none of ``COLUMNS``, and for a file that is damaged, has rows without a
    column that is needed, or a label that the task does not have; ``FileNotFoundError`` where there is none.
    """
    if task not in COLUMNS:
        raise ValueError(f"There is no task {task!r} of GLUE here; the tasks are {', '.join(COLUMNS)}.")
    (path,) = find_data("glue", [f"{task}/{part}.tsv"], folder)
    return read_glue(path, task, part)


def read_glue(path: Path, task: str, part: Part) -> Sentences:
    """The same of the file ``path``."""
    columns = COLUMNS[task]
    try:
        lines = unzipped(path).decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error.reason} at byte {error.start}).") from None
    told = part != "test"
    places = columns.sentences if told else _of_test(columns)
    rows = [(number, line.split("\t")) for number, line in enumerate(lines, 1) if line]
    rows = rows[1:] if columns.header or not told else rows
    if not rows:
        raise ValueError(f"{path} has no rows. Is it another file under this name?")
    needed = max(*places, columns.label if told else 0)
    for number, row in rows:
        if len(row) <= needed:
            raise ValueError(f"{path}, line {number}: {task} has {needed + 1} columns or more, not {len(row)}.")
    sentences = [tuple(row[place] for _, row in rows) for place in places]
    targets = [_target(path, number, row[columns.label], task) for number, row in rows] if told else []
    return Sentences(
        f"glue/{task}/{part}",
        sentences[0],
        sentences[1] if len(sentences) > 1 else None,
        _as_tensor(targets, columns) if told else torch.empty(len(rows), 0),
        columns.labels,
    )


def _of_test(columns: Columns) -> tuple[int, ...]:
    """Files of the test have no label, and CoLA's and SST-2's begin with a number."""
    return (1,) if len(columns.sentences) == 1 else columns.sentences


def _target(path: Path, number: int, text: str, task: str) -> float:
    columns = COLUMNS[task]
    if text in columns.labels:
        return columns.labels.index(text)
    if not columns.labels:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if isfinite(value) and 0 <= value <= columns.highest:
            return value
    known = " and ".join(columns.labels) or f"numbers from 0 to {columns.highest:g}"
    raise ValueError(f"{path}, line {number}: {task} has the labels {known}; here is {text[:40]!r}.")


def _as_tensor(targets: list[float], columns: Columns) -> Tensor:
    return torch.tensor(targets).long() if columns.labels else torch.tensor(targets).unsqueeze(1)
