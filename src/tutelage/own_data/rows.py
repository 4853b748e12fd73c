"""Rows of tables as samples: pictures by paths that stay inside the table's folder, or as bytes; texts, numbers; labels
as targets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tutelage.own_data.labels import as_memberships, as_numbers, class_name, is_missing, sets_of
from tutelage.own_data.named_pictures import picture_of
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
        values = tuple(_label(table, name, column[number]) for name, column in zip(roles.labels, labels, strict=False))
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


def _label(table: Columns, name: str, value: Any) -> Any:
    """Where the classes of a column have names, -1 stands for none, as ``datasets`` writes it.

    Raises ``ValueError`` for a number that stands for no class.
    """
    known = table.classes.get(name)
    if not known:
        return value
    several = isinstance(value, list)
    if any(isinstance(x, int) and not several - 1 <= x < len(known) for x in (value if several else [value])):
        raise ValueError(
            f"{table.where} has the label {value} in {name!r}, and names for {len(known)}; name all of them."
        )
    return None if value == -1 else value


def _input(table: Columns, roles: Roles, number: int, home: str) -> tuple[str, Any]:
    if roles.texts:
        return f"{home}row {number + 1}", tuple(str(table.columns[name][number]) for name in roles.inputs)
    if not roles.pictures:
        return f"{home}row {number + 1}", [table.columns[name][number] for name in roles.inputs]
    value = table.columns[roles.inputs[0]][number]
    name, picture = picture_of(table, value, roles.inputs[0], number)
    return f"{home if isinstance(picture, bytes) else ''}{name}", picture


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
            part: tuple(picture_of(table, row.labels[0], roles.labels[0], n)[1] for n, row in enumerate(found))
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
    classes, words = (known, "") if known and {*classes} <= {*known} else (classes, words)  # as the numbers follow them
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
