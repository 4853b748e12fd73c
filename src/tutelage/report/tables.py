"""A recipe's own tables over seeds, and the curves that they or the flags of many runs draw."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tutelage.report.groups import Group, NetworkOverSeeds, sort_key
from tutelage.report.maps import table_map
from tutelage.report.notes import note_over_seeds
from tutelage.report.numbers import exact, probability, true_minus
from tutelage.report.paired import paired_t
from tutelage.report.plots import Series, line_plot
from tutelage.report.spread import Spread
from tutelage.report.svg import SHAPES
from tutelage.results import Curve, Table

CHANCE = "p: two-sided t test, paired over seeds, not corrected for the number of rows."
MARKS = ("disc", "square", "triangle", "ring", "diamond")


Cells = list[tuple[Any, ...]]


@dataclass(frozen=True)
class TableText:
    """A table ready to be printed: texts, which columns are numbers, the curve or map where a recipe asked for one."""

    group: str
    title: str
    note: str
    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str, ...], ...]
    curve: str
    n: int
    students: bool = False
    map: str = ""

    @property
    def question(self) -> str:
        """What a table of students answers: ``How do the methods compare?``"""
        return f"How do the {self.title[:1].lower()}{self.title[1:]} compare?"


def table_texts(group: Group) -> list[TableText]:
    """The tables of the group's runs, cells that differ as mean ± sd over seeds.

    Rows of students are merged by the student's name, whichever run trained it; others by their place, in runs that
    have as many. Beside a paired column stands ``p``: the probability that chance alone makes so large a difference
    over the seeds.
    """
    tables = []
    for table in group.runs[0].results.tables:
        by_name = is_of_students(group, table)
        names, raw = _by_name(group, table.title) if by_name else _by_place(group, table)
        counts = [len(cells[0]) for cells in raw]
        rows = [tuple(map(_merged, row)) for row in raw]
        columns: list[tuple[str, bool]] = []
        texts: list[tuple[str, ...]] = []
        for i, name in enumerate(names):
            columns.append((name, all(not isinstance(row[i], str) for row in rows)))
            itself = name.removeprefix("over ") if name in table.paired else None
            texts.append(_aligned([None if row[0] == itself else row[i] for row in rows]))
            if by_name and not i and len(set(counts)) > 1:
                columns.append(("seeds", True))
                texts.append(tuple(map(str, counts)))
            if name in table.paired and max(counts, default=0) > 1:
                columns.append(("p", True))
                texts.append(tuple(_chance(row[i]) for row in raw))
        curve = table_curve(table, rows, table.curve) if table.curve else ""
        tested = CHANCE if ("p", True) in columns else ""
        note = " ".join(filter(None, [_note(group, table), tested]))
        drawn = table_map(table.title, table.columns, rows) if table.shaded and rows else ""
        body, most = tuple(zip(*texts, strict=True)), max(counts, default=0)
        tables.append(TableText(group.name, table.title, note, tuple(columns), body, curve, most, by_name, drawn))
    return tables


def _note(group: Group, table: Table) -> str:
    """What the runs say below their tables of that title; a seed that was run twice counts once."""
    notes: dict[str, str] = {}
    for run in group.runs:
        for note in (one.note for one in run.results.tables if one.title == table.title):
            notes.setdefault(str(run.seed), note)
    return true_minus(note_over_seeds(notes))


def is_of_students(group: Group, table: Table) -> bool:
    """Whether the rows are of students, each named in its first cell."""
    names = [row[0] for row in table.rows]
    students = {network.first.name for network in group.networks if network.first.role == "student"}
    return len(set(map(str, names))) == len(names) and any(isinstance(name, str) and name in students for name in names)


def in_order(group: Group) -> list[NetworkOverSeeds]:
    """The group's networks; where tables have all of the students, these come last, in the tables' order."""
    students = {network.first.name for network in group.networks if network.first.role == "student"}
    tables = (table for run in group.runs for table in run.results.tables if is_of_students(group, table))
    order = list(dict.fromkeys(row[0] for table in tables for row in table.rows))
    order = order if students <= set(order) else []
    return sorted(group.networks, key=lambda x: order.index(x.first.name) if x.first.name in order else -1)


def _by_place(group: Group, table: Table) -> tuple[Sequence[str], list[Cells]]:
    """Columns and rows, each a tuple of what the runs have in a cell."""
    runs = {repr(run.seed): run for run in reversed(group.runs)}.values()
    like = [
        one for run in runs for one in run.results.tables if (one.title, one.columns) == (table.title, table.columns)
    ]
    same = [one for one in reversed(like) if len(one.rows) == len(table.rows)]
    return table.columns, [list(zip(*rows, strict=True)) for rows in zip(*(one.rows for one in same), strict=True)]


def _by_name(group: Group, title: str) -> tuple[Sequence[str], list[Cells]]:
    """The same, by the name in the first cell; a seed that was run twice counts once."""
    tables = [(repr(run.seed), one) for run in group.runs for one in run.results.tables if one.title == title]
    columns = tuple(dict.fromkeys(name for _, one in tables for name in one.columns))
    named: dict[str, dict[str, list[Any]]] = {}
    for seed, one in tables:
        for row in one.rows:
            cells = dict(zip(one.columns, row, strict=True))
            named.setdefault(str(row[0]), {}).setdefault(seed, [cells.get(name) for name in columns])
    return columns, [list(zip(*some.values(), strict=True)) for some in named.values()]


def _merged(cells: Sequence[Any]) -> Any:
    known = [cell for cell in cells if cell is not None]
    if all(cell == cells[0] for cell in cells):
        return cells[0]
    if all(isinstance(cell, int | float) for cell in known):
        return Spread(tuple(float(cell) for cell in known)) if len(known) > 1 else known[0]
    return " / ".join(dict.fromkeys(_cell(cell) for cell in cells))


def _chance(differences: Sequence[Any]) -> str:
    p = paired_t(differences) if all(isinstance(x, int | float) for x in differences) else None
    return "–" if p is None else probability(p)


def _aligned(column: Sequence[Any]) -> tuple[str, ...]:
    """The column's cells, its small numbers all with as many places as one of them needs, up to two."""
    texts = [_cell(cell) for cell in column]
    small = [isinstance(cell, float) and abs(cell) < 1000 for cell in column]
    numbers = [text for text, is_small in zip(texts, small, strict=True) if is_small]
    places = max((len(text.partition(".")[2]) for text in numbers), default=0)
    if not 0 < places <= 2 or any("e" in text for text in numbers):
        return tuple(texts)
    return tuple(
        true_minus(f"{x:.{places}f}") if is_small else t for x, t, is_small in zip(column, texts, small, strict=True)
    )


def _cell(cell: Any) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float) and not cell.is_integer() and abs(cell) < 1000:
        return true_minus(f"{cell:.4g}")
    return exact(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else str(cell)


def table_curve(table: Table, rows: Sequence[Sequence[Any]], curve: Curve) -> str:
    """The lines that ``curve`` asks of a table; nothing where its columns are no numbers.

    Raises ``ValueError`` if the table has no such column.
    """
    missing = [name for name in (curve.x, curve.y, curve.by) if name is not None and name not in table.columns]
    if missing:
        raise ValueError(
            f"The table {table.title!r} has no column {missing[0]!r} to draw; it has {list(table.columns)}."
        )
    x, y = table.columns.index(curve.x), table.columns.index(curve.y)
    by = table.columns.index(curve.by) if curve.by else None
    curves: dict[str, list[tuple[float, float, float]]] = {}
    for row in rows:
        if isinstance(row[x], int | float) and isinstance(row[y], int | float | Spread):
            name = curve.y if by is None else _named(row[by], curve.by)
            curves.setdefault(name, []).append((float(row[x]), *_height(row[y])))
    series = [Series(name, f"k{i % 5}", MARKS[i % 5], tuple(sorted(curves[name]))) for i, name in enumerate(curves)]
    return line_plot(series, table.title, curve.x, curve.y, log_x=curve.log_x) if series else ""


def _named(value: Any, what: str | None) -> str:
    """``8 units`` of a number, since it says nothing alone; words as they are."""
    return value if isinstance(value, str) else f"{_cell(value)} {what}"


def _height(value: float | Spread) -> tuple[float, float]:
    return (value.mean, value.sd or 0.0) if isinstance(value, Spread) else (float(value), 0.0)


def flag_plot(groups: Sequence[Group]) -> str:
    """The deciding metric over the flag in which groups differ; for two flags, a line for each value of the second.

    Nothing for a single group, for more than two flags, or for flags that are no numbers.
    """
    flags = list(groups[0].by)
    numeric = [flag for flag in flags if all(sort_key(group.by[flag])[0] == 0 for group in groups)]
    if len(groups) < 2 or not numeric or len(flags) > 2:
        return ""
    x = max(numeric, key=lambda flag: len({group.by[flag] for group in groups}))
    other = next((flag for flag in flags if flag != x), None)
    series = _roles(groups, x) if other is None else _lines(groups, x, other)
    values = sorted({float(group.by[x]) for group in groups})
    log = values[0] > 0 and values[-1] / values[0] >= 8
    metric = groups[0].metric
    up = f"test {metric.name}" + (f", {metric.unit}" if metric.unit else "")
    return line_plot(series, f"Test {metric.name} over {x}", x, up, log_x=log) if series else ""


def _roles(groups: Sequence[Group], x: str) -> list[Series]:
    series = []
    for role in ("student", "baseline", "teacher"):
        some = [(group.by[x], network) for group in groups if (network := group.role(role)) is not None]
        scores = [(float(at), score) for at, network in some if (score := network.score(groups[0].metric)) is not None]
        points = tuple((at, score.mean, score.sd or 0.0) for at, score in scores)
        if points:
            series.append(Series(some[0][1].first.name, role, SHAPES[role], points))
    return series


def _lines(groups: Sequence[Group], x: str, other: str) -> list[Series]:
    lines_of: dict[str, list[tuple[float, float, float]]] = {}
    for group in groups:
        if group.main is not None and (score := group.main.score(groups[0].metric)) is not None:
            point = float(group.by[x]), score.mean, score.sd or 0.0
            lines_of.setdefault(f"{other} {group.by[other]}", []).append(point)
    pairs = enumerate(lines_of.items())
    return [Series(name, f"k{i % 5}", MARKS[i % 5], tuple(sorted(points))) for i, (name, points) in pairs]
