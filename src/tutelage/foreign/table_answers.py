"""A table of answers as a network: asked with the number of a sample, it looks the answer up."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor, nn

from tutelage.data.walk import ENDINGS
from tutelage.foreign.log_answers import Kind, Said, end_of, in_words, logits_of
from tutelage.foreign.table_file import Table, read_table
from tutelage.plurals import counted

ROW = re.compile(r"row (\d+)")
"""What a sample is called that has no file."""


@dataclass(frozen=True, eq=False)
class Named:
    """The samples that a teacher is asked about: ``names`` by their index, and the ``classes`` in their order.

    ``kind`` is what they are: of classes one holds. ``said`` is what a person says that the answers are.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    kind: Kind = "classes"
    said: Said = "auto"

    @cached_property
    def checksum(self) -> str:
        """The sha-256 over all of it: what a stage's key says of them."""
        usual = {"kind": "classes", "said": "auto"}  # of which nothing was written before there were others
        more = [x for name, known in usual.items() if (x := getattr(self, name)) != known]
        return sha256(repr((self.names, self.classes, *more)).encode()).hexdigest()


class TableOfAnswers(nn.Module):
    """The answer of each sample, ``answers`` (samples, classes) by its index; rows of NaN where there is none.

    ``notes`` are sentences about how they were found. It is shown the batch's ``index`` (int64), not the pictures.
    Raises ``ValueError`` for anything else.
    """

    def __init__(self, answers: Tensor, notes: Sequence[str] = ()) -> None:
        super().__init__()
        self.notes = tuple(notes)
        self.register_buffer("answers", answers)

    def forward(self, index: Tensor) -> Tensor:
        if index.dtype != torch.int64 or index.ndim != 1:
            raise ValueError(
                f"A table of answers is asked with the index of samples (int64), by teacher_sees='index'; got "
                f"{index.dtype} {tuple(index.shape)}."
            )
        return self.get_buffer("answers")[index]


def table_of_answers(file: Path, samples: Named) -> nn.Module:
    """The answers in ``file`` for ``samples``, probabilities turned into logits, as ``log_answers`` does it.

    Raises as ``read_table``, and ``ValueError`` where columns or rows do not go with classes and samples.
    """
    return TableOfAnswers(*looked_up(read_table(file), samples, str(file)))


def looked_up(table: Table, samples: Named, where: str) -> tuple[Tensor, list[str]]:
    """The answers (samples, classes) by index, NaN where there are none; and sentences about what was done.

    Names are compared from their ends, by as many parts of the path as it takes: ``photos/val/cat/3.png`` in the table
    is ``val/cat/3.png`` below the data; if nothing else fits, without their endings. Without names, rows are those of
    a table or an array that holds all samples, or of samples that have no names either.
    """
    answers, notes = _of_classes(table, samples.classes, where)
    rows, words = _rows(table, samples.names, where)
    known = torch.tensor([row is not None for row in rows])
    if not known.any():
        raise ValueError(
            f"{where} has no row for any of {counted(len(rows), 'sample')}: it names {_some(table.names)}, and they "
            f"are {_some(samples.names)}."
        )
    if end := end_of(answers, samples.kind, samples.said, where):
        answers = logits_of(answers, end)
        notes.append(f"its rows are {in_words(end)}")
    found = answers.new_full((len(rows), answers.shape[1]), torch.nan)
    found[known] = answers[torch.tensor([row for row in rows if row is not None])]
    unused = len(table.answers) - int(known.sum())
    return found, [*notes, *words, *([f"{counted(unused, 'row', 'is', 'are')} of other samples"] if unused > 0 else [])]


def _of_classes(table: Table, classes: Sequence[str], where: str) -> tuple[Tensor, list[str]]:
    """The columns in the order of ``classes``, whose names they bear, in small or in capital letters; else numbers of
    which the order is followed, or nothing that says one."""
    count, columns = table.answers.shape[1], table.columns
    if not {*classes} & {*columns}:
        spelled = {name.casefold(): name for name in classes}  # no two classes differ in capital letters alone
        columns = tuple(spelled.get(name.casefold(), name) for name in columns)
    if there := [name for name in classes if name in columns]:
        if lacking := [name for name in classes if name not in columns]:
            raise ValueError(
                f"{where} has no column for {len(lacking)} of {counted(len(classes), 'class')}: {_some(lacking)}."
            )
        places = [columns.index(name) for name in there]
        others = [name for name in columns if name not in classes]
        moved = ["its columns were put in the order of the classes"] if places != sorted(places) else []
        return table.answers[:, places], moved + ([f"its columns {_some(others)} are no classes"] if others else [])
    if classes and count != len(classes):
        named = f" ({_some(columns)})" if columns else ""
        raise ValueError(
            f"{where} has {counted(count, 'number')} a row{named}, and the samples have "
            f"{counted(len(classes), 'class')}: {_some(classes)}."
        )
    numbers = [int(x[0]) for name in columns if (x := re.search(r"\d+$", name))]
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    if len({*numbers}) == count and order != [*range(count)]:
        return table.answers[:, order], ["its columns are taken in the order of the numbers in their names"]
    return table.answers, ["its columns bear no names of classes: they are taken in the order of the classes"]


def _rows(table: Table, names: Sequence[str], where: str) -> tuple[list[int | None], list[str]]:
    """For each sample its row in the table, if there is one."""
    if not table.names and (numbered := _numbered(names)):
        if len(table.answers) <= max(numbered):
            raise ValueError(
                f"{where} names no samples and has {counted(len(table.answers), 'row')}; the data go on to row "
                f"{max(numbered) + 1}."
            )
        return [*numbered], ["it names no samples: its rows are taken for those of the data"]
    if not table.names and not all(map(str.isdecimal, names)):
        raise ValueError(
            f"{where} names no samples, and theirs are {_some(names)}; add these to it, as a column or an array 'name'."
        )
    if not table.names:
        if len(table.answers) != len(names):
            raise ValueError(
                f"{where} names no samples and has {counted(len(table.answers), 'row')}; there are {len(names)}."
            )
        return list(range(len(names))), ["it names no samples: its rows are taken in their order"]
    if twice := [name for name, count in Counter(table.names).items() if count > 1]:
        raise ValueError(f"{where} has more than one row for {_some(twice)}.")
    found = _joined([_steps(name) for name in table.names], [_steps(name) for name in names])
    if any(row is not None for row in found):
        return found, []
    bare = _joined([_bare(name) for name in table.names], [_bare(name) for name in names])
    return bare, ["names are compared without their endings"]


def _joined(there: Sequence[tuple[str, ...]], here: Sequence[tuple[str, ...]]) -> list[int | None]:
    """For each path ``here`` the place of the one ``there`` that ends alike, by the length at which most are found."""
    best: list[int | None] = [None] * len(here)
    for depth in range(min(max(map(len, (*there, *here))), 32), 0, -1):
        theirs, ours = ([steps[-depth:] for steps in side] for side in (there, here))
        often = Counter(theirs), Counter(ours)
        places = {steps: place for place, steps in enumerate(theirs) if often[0][steps] == 1}
        rows = [places.get(steps) if often[1][steps] == 1 else None for steps in ours]
        if len(rows) - rows.count(None) > len(best) - best.count(None):
            best = rows
    return best


def _bare(name: str) -> tuple[str, ...]:
    """Its steps, the last without the ending of a picture."""
    ending = next((x for x in ENDINGS if name.lower().endswith(x)), "")
    return _steps(name[: len(name) - len(ending)])


def _numbered(names: Sequence[str]) -> list[int]:
    """The places in their table of samples that are called by their rows, ``row 1``, …; nothing of others.

    Sets are in another order than the table, for some of its rows were set apart.
    """
    rows = [ROW.fullmatch(name) for name in names]
    return [int(row[1]) - 1 for row in rows if row] if all(rows) else []


def _steps(name: str) -> tuple[str, ...]:
    return tuple(step for step in name.replace("\\", "/").split("/") if step not in ("", "."))


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:3]))
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown or "none"
