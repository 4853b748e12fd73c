"""Rows of tables as samples: pictures by paths that stay inside the table's folder, or as bytes; texts, numbers; labels
as targets."""

import os.path
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tutelage.data.walk import ENDINGS
from tutelage.own_data.labels import as_memberships, as_numbers, class_name, is_missing, sets_of
from tutelage.own_data.parts import joined_classes, ordered_names, part_of
from tutelage.own_data.roles import Roles, roles_of
from tutelage.own_data.source import Encoded, Part, Samples, Source, Texts
from tutelage.own_data.table import Columns
from tutelage.own_data.targets import ONE_HOT, is_one_hot
from tutelage.own_data.wanted import Wanted
from tutelage.plurals import counted


def read_tables(name: str, tables: Mapping[str, Columns], wanted: Wanted) -> Source:
    """The samples of tables by the names of their parts, one of which is ``train``; a table may name parts itself.

    Raises ``ValueError`` for columns of which the role is in doubt, tables of other columns, paths that lead outside
    the table's folder, and labels that do not fit the task; ``FileNotFoundError`` where none of the pictures is there.
    """
    roles = {key: roles_of(table, wanted) for key, table in tables.items() if part_of(key) != "unlabelled"}
    first = next(iter(roles.values()))
    for key, other in roles.items():
        if (other.inputs, other.labels, other.task) != (first.inputs, first.labels, first.task):
            raise ValueError(
                f"{tables[key].where} differs from the other parts in its columns or its task ({other.task}, not "
                f"{first.task}); make them alike, or say --task and --label-columns."
            )
    notes = list(first.notes)
    rows: dict[Part, list[_Row]] = {}
    for key, table in tables.items():
        home = f"{key}/" if len(tables) > 1 else ""
        for part, found in _by_part(table, key, roles.get(key, first), wanted, notes, home).items():
            rows.setdefault(part, []).extend(found)
    if not rows.get("train"):
        raise ValueError(f"{next(iter(tables.values())).where} has no training rows; one part is called train.")
    classes, targets, more = _targets(next(iter(tables.values())), first, rows)
    parts: dict[Part, Samples] = {
        part: Samples(tuple(row.name for row in found), _inputs(first, found), targets[part])
        for part, found in rows.items()
        if found
    }
    return Source(name, first.task, classes, parts, (*notes, *more))


class _Row:
    """What one row of a table says."""

    __slots__ = ("inputs", "labels", "name")

    def __init__(self, name: str, inputs: Any, labels: tuple[Any, ...]) -> None:
        self.name, self.inputs, self.labels = name, inputs, labels


def _by_part(
    table: Columns, key: str, roles: Roles, wanted: Wanted, notes: list[str], home: str
) -> dict[Part, list[_Row]]:
    """The rows of each part; one without a file to be called by is called by ``home`` and its number."""
    own = part_of(key)
    assert own is not None
    rows: dict[Part, list[_Row]] = {}
    unlabelled = own == "unlabelled"
    labels = [] if unlabelled else [table.columns[name] for name in roles.labels]
    nothing = 0
    no_text = 0
    for number in range(len(table)):
        values = tuple(column[number] for column in labels)
        part = part_of(table.columns[roles.part][number]) if roles.part else own
        assert part is not None
        if part != "unlabelled" and any(map(is_missing, values)):
            nothing += 1
            continue
        if roles.texts and any(is_missing(table.columns[column][number]) for column in roles.inputs):
            no_text += 1
            continue
        name, inputs = _input(table, roles, number, home)
        rows.setdefault(part, []).append(_Row(name, inputs, values))
    for count, what in ((nothing, "a label"), (no_text, "a text")):
        if count and wanted.strict:
            raise ValueError(
                f"{table.where} has {counted(count, 'row')} without {what}; fill them in, or leave out --strict."
            )
        if count:
            notes.append(f"in {Path(table.where).name} {counted(count, 'row', 'was', 'were')} left out, without {what}")
    if roles.pictures:
        rows = {part: _once(table, found, notes) for part, found in rows.items()}
    return rows


def _input(table: Columns, roles: Roles, number: int, home: str) -> tuple[str, Any]:
    if roles.texts:
        return f"{home}row {number + 1}", tuple(str(table.columns[name][number]) for name in roles.inputs)
    if not roles.pictures:
        return f"{home}row {number + 1}", [table.columns[name][number] for name in roles.inputs]
    value = table.columns[roles.inputs[0]][number]
    name, picture = _picture(table, value, roles.inputs[0], number)
    return f"{home if isinstance(picture, bytes) else ''}{name}", picture


def _picture(table: Columns, value: Any, column: str, number: int) -> tuple[str, Path | bytes]:
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


def _once(table: Columns, rows: Sequence[_Row], notes: list[str]) -> list[_Row]:
    """Each picture once. Raises ``ValueError`` for one that is there twice with different labels."""
    seen: dict[str, _Row] = {}
    for row in rows:
        if row.name in seen and isinstance(row.inputs, Path) and seen[row.name].labels != row.labels:
            raise ValueError(
                f"{table.where} names {row.name} twice with different labels; give it one, or all in one column as a|b."
            )
        seen.setdefault(row.name, row)
    if twice := len(rows) - len(seen):
        left_out = counted(twice, "row", "was", "were")
        notes.append(f"in {Path(table.where).name} {left_out} left out, of pictures that have one already")
    folded = {name.casefold() for name in seen}
    if alike := len(seen) - len(folded):
        notes.append(
            f"of the pictures {counted(alike, 'name', 'differs', 'differ')} from another in capital letters alone"
        )
    return list(seen.values())


def _inputs(roles: Roles, rows: Sequence[_Row]) -> Encoded | Texts | Tensor:
    if roles.pictures or roles.texts:
        return tuple(row.inputs for row in rows)
    numbers = np.empty((len(rows), len(roles.inputs)), dtype=np.float32)
    for place, row in enumerate(rows):  # a row at a time: as values of Python all of them would be in memory twice
        numbers[place] = np.fromiter(map(float, row.inputs), np.float32, len(roles.inputs))
    return torch.from_numpy(numbers)


def _targets(
    table: Columns, roles: Roles, rows: Mapping[Part, Sequence[_Row]]
) -> tuple[tuple[str, ...], dict[Part, Tensor | Encoded], list[str]]:
    """The classes, the targets of each part, and what is to be said."""
    labelled: dict[Part, Sequence[_Row]] = {part: found for part, found in rows.items() if part != "unlabelled"}
    nothing: dict[Part, Tensor | Encoded] = {part: torch.zeros(len(found), 0) for part, found in rows.items()}
    if roles.task == "embeddings":
        return (), nothing, []
    if roles.task == "segmentation":
        masks: dict[Part, Encoded] = {
            part: tuple(_picture(table, row.labels[0], roles.labels[0], n)[1] for n, row in enumerate(found))
            for part, found in labelled.items()
        }
        return (), {**nothing, **masks}, []
    if roles.task == "regression":
        numbers: dict[Part, Tensor] = {
            part: as_numbers(table.where, _columns(roles, found)) for part, found in labelled.items()
        }
        return roles.labels, {**nothing, **numbers}, []
    if roles.task == "multi-label":
        return _several(table, roles, labelled, nothing)
    names = {part: _names_of_classes(table, roles, found) for part, found in labelled.items()}
    known = roles.labels if len(roles.labels) > 1 else table.classes.get(roles.labels[0], ())
    classes, notes = joined_classes(table.where, names)
    if known and {*classes} <= {*known}:  # the file's own order, which the numbers follow
        classes, notes = known, [note for note in notes if "whole numbers" not in note]
    place = {name: n for n, name in enumerate(classes)}
    found: dict[Part, Tensor] = {part: torch.tensor([place[name] for name in column]) for part, column in names.items()}
    return classes, {**nothing, **found}, notes


def _names_of_classes(table: Columns, roles: Roles, rows: Sequence[_Row]) -> list[str]:
    """The class of each row, of several columns the one that is 1. Raises ``ValueError`` where not just one is."""
    if len(roles.labels) == 1:
        known = table.classes.get(roles.labels[0], ())
        return [class_name(row.labels[0], known) for row in rows]
    if not all(x in (0, 1) for row in rows for x in row.labels) or any(sum(row.labels) != 1 for row in rows):
        raise ValueError(
            f"{table.where} has rows that are not 1 in just one of {', '.join(roles.labels)}; name one column of "
            "classes with --label-columns, or say --task multi-label or regression."
        )
    return [roles.labels[row.labels.index(1)] for row in rows]


def _several(
    table: Columns, roles: Roles, rows: Mapping[Part, Sequence[_Row]], nothing: dict[Part, Tensor | Encoded]
) -> tuple[tuple[str, ...], dict[Part, Tensor | Encoded], list[str]]:
    if len(roles.labels) > 1:
        numbers = {part: as_numbers(table.where, _columns(roles, found)) for part, found in rows.items()}
        if wrong := [part for part, x in numbers.items() if ((x != 0) & (x != 1)).any()]:
            raise ValueError(f"{table.where} has labels other than 0 and 1 in its {wrong[0]} part; --task regression?")
        return roles.labels, {**nothing, **numbers}, [ONE_HOT] if all(map(is_one_hot, numbers.values())) else []
    known = table.classes.get(roles.labels[0], ())
    sets = {part: sets_of([row.labels[0] for row in found]) for part, found in rows.items()}
    if known:
        sets = {part: [[class_name(int(x), known) if x.isdecimal() else x for x in row] for row in found]
                for part, found in sets.items()}  # fmt: skip
    classes, words = ordered_names(label for row in sets["train"] for label in row)
    for part, found in sets.items():
        if unknown := sorted({label for row in found for label in row} - {*classes}):
            raise ValueError(
                f"{table.where} has the label {unknown[0]!r} in its {part} part and in no training row; add one, or "
                "take it out."
            )
    if len(classes) < 1:
        raise ValueError(f"{table.where} has no label in any training row; fill the column {roles.labels[0]!r}.")
    targets = {part: as_memberships(found, classes) for part, found in sets.items()}
    return classes, {**nothing, **targets}, [words] if words else []


def _columns(roles: Roles, rows: Sequence[_Row]) -> dict[str, list[Any]]:
    return {name: [row.labels[n] for row in rows] for n, name in enumerate(roles.labels)}
