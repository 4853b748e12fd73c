"""A table of shares as a picture: a row a row, a column a column, each cell as dark as its number is large."""

from collections.abc import Sequence
from html import escape
from typing import Any

from tutelage.report.spread import Spread
from tutelage.report.svg import LETTER, svg_drawing, svg_text

WIDTH, RIGHT, LARGEST, SMALLEST = 400, 8, 26.0, 5.0
LINE = 13.0
"""Pixels that a line of words needs."""


def table_map(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """The cells of ``rows``, from 0 to 100 or nothing, but for the first of each, which is its name.

    A cell of 0 has a frame and no colour, one of 100 the full colour; where there is nothing, nothing is drawn. Names
    stand where there is room for a line each, columns are told in tool tips.
    """
    start = min(LETTER * max(len(str(row[0])) for row in rows) + 10, 0.4 * WIDTH)
    side = max(min((WIDTH - RIGHT - start) / max(len(columns) - 1, 1), LARGEST), SMALLEST)
    every = max(1, round(LINE / side + 0.49))
    parts = []
    for place, row in enumerate(rows):
        top = 4 + place * side
        if place % every == 0:
            parts.append(svg_text(start - 6, top + side / 2 + 4, _short(str(row[0]), start), "row", "end"))
        for number, (column, cell) in enumerate(zip(columns[1:], row[1:], strict=True)):
            if (value := _value(cell)) is not None:
                tip = f"{row[0]} from {column}: {value:.4g} %"
                parts.append(_cell(start + number * side, top, side, value, tip))
    floor = 4 + len(rows) * side
    parts.append(svg_text(start, floor + 16, f"{columns[1]} … {columns[-1]}, from left to right", "t"))
    return svg_drawing(title, max(WIDTH, start + (len(columns) - 1) * side + RIGHT), floor + 24, parts)


def _cell(x: float, y: float, side: float, value: float, tip: str) -> str:
    depth = round(min(max(value / 100, 0.0), 1.0), 3)
    return (
        f'<rect x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" width="{side - 1:.1f}" height="{side - 1:.1f}" '
        f'class="cell heard" fill-opacity="{depth:g}" stroke="currentColor" stroke-opacity="0.25" stroke-width="0.5">'
        f"<title>{escape(tip)}</title></rect>"
    )


def _value(cell: Any) -> float | None:
    if isinstance(cell, Spread):
        return cell.mean
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else None


def _short(name: str, start: float) -> str:
    most = int((start - 8) / LETTER) + 1
    return name if len(name) <= most else f"…{name[-most + 1 :]}"
