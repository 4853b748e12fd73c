"""A recipe's own tables over seeds, and the curves that they or the flags of many runs draw."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tutelage.report.groups import Group, sort_key
from tutelage.report.numbers import exact, probability
from tutelage.report.paired import paired_t
from tutelage.report.plots import Series, line_plot
from tutelage.report.spread import Spread
from tutelage.report.svg import SHAPES
from tutelage.results import Curve, Table

CHANCE = "p: two-sided t test, paired over seeds, not corrected for the number of rows."
MARKS = ("disc", "square", "triangle", "ring", "diamond")


@dataclass(frozen=True)
class TableText:
    """A table ready to be printed: texts, which columns are numbers, and the curve where the recipe asked for one."""

    group: str
    title: str
    note: str
    columns: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[str, ...], ...]
    curve: str
    n: int


def table_texts(group: Group) -> list[TableText]:
    """The tables that every run of the group has, cells that differ as mean ± sd over seeds.

    Beside a paired column stands ``p``: the probability that chance alone makes so large a difference over the seeds.
    """
    tables = []
    for table in group.runs[0].results.tables:
        others = [_same(run.results.tables, table) for run in group.runs]
        same = [other for other in others if other is not None and len(other.rows) == len(table.rows)]
        raw = [list(zip(*rows, strict=True)) for rows in zip(*(t.rows for t in same), strict=True)]
        rows = [tuple(map(_merged, row)) for row in raw]
        columns: list[tuple[str, bool]] = []
        texts: list[tuple[str, ...]] = []
        for i, name in enumerate(table.columns):
            columns.append((name, all(not isinstance(row[i], str) for row in rows)))
            texts.append(_aligned([row[i] for row in rows]))
            if name in table.paired and len(same) > 1:
                columns.append(("p", True))
                texts.append(tuple(_chance(row[i]) for row in raw))
        curve = table_curve(table, rows, table.curve) if table.curve else ""
        body = tuple(zip(*texts, strict=True))
        note = " ".join(filter(None, [table.note, CHANCE if len(columns) > len(table.columns) else ""]))
        tables.append(TableText(group.name, table.title, note, tuple(columns), body, curve, len(same)))
    return tables


def _same(tables: Sequence[Table], table: Table) -> Table | None:
    return next((other for other in tables if (other.title, other.columns) == (table.title, table.columns)), None)


def _merged(cells: Sequence[Any]) -> Any:
    if all(cell == cells[0] for cell in cells):
        return cells[0]
    if all(isinstance(cell, int | float) for cell in cells):
        return Spread(tuple(float(cell) for cell in cells))
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
    return tuple(f"{x:.{places}f}" if is_small else t for x, t, is_small in zip(column, texts, small, strict=True))


def _cell(cell: Any) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float) and not cell.is_integer() and abs(cell) < 1000:
        return f"{cell:.4g}"
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
