"""Heat maps: cells of a table whose colour says what their number says, and small maps over training time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from statistics import fmean

from tutelage.report.draw import LETTER, svg, text
from tutelage.report.numbers import rounded
from tutelage.report.statistics import History, Row

WIDTH, RIGHT, TOP, HIGH, GAP = 400, 8, 4, 22, 6
COLUMNS = 60  # more epochs are put together
PRINTS = 33  # pixels a cell needs for its number
MINUS = "−"


@dataclass(frozen=True)
class Shade:
    """A colour: one of the style sheet's, ``along``, ``against`` or ``heard``, from 0, the page's own, to 1."""

    hue: str
    depth: float


@dataclass(frozen=True)
class Cell:
    """A number with its colour; ``below`` is a second, smaller one, ``tip`` says both in words."""

    number: str
    shade: Shade
    below: str = ""
    tip: str = ""


def cosine(value: float) -> Shade:
    """Cosines, −1 to 1: the colour's depth grows with the square root, so that 0.1 can be seen."""
    return Shade("against" if value < 0 else "along", round(min(abs(value), 1) ** 0.5, 3))


def weight(value: float) -> Shade:
    """Weights, 0 to 1."""
    return Shade("heard", round(min(max(value, 0), 1), 3))


def number(value: float) -> str:
    """Two places and a true minus: ``0.12``, ``−0.05``, ``0`` for what is nothing at two places.

    >>> number(0.123), number(-0.051), number(-0.001)
    ('0.12', '−0.05', '0')
    """
    words = f"{abs(value):.2f}"
    if not words.strip("0."):
        return "0"
    return f"{MINUS if value < 0 else ''}{words}"


def share(value: float) -> str:
    """A share in whole per cent: ``83 %``."""
    return f"{rounded(100 * value, 1)} %"


def scale(values: Sequence[float], shade: Callable[[float], Shade]) -> list[tuple[str, str, float]]:
    """(number, hue, depth) of each value: the legend of a heat map."""
    shades = [shade(value) for value in values]
    return [(f"{x:g}".replace("-", MINUS), one.hue, one.depth) for x, one in zip(values, shades, strict=True)]


def over_time(
    title: str, past: History, names: Sequence[str], shade: Callable[[float], Shade], groups: Sequence[str] = ()
) -> str:
    """A row a thing, a column an epoch, or a few: a column of several is their mean, and its tool tip says of which.

    ``groups`` are the rows' groups; there is a gap where they change.
    """
    start = min(max(LETTER * max(map(len, names)) + 8, 60), 0.5 * WIDTH)
    columns = _columns(past.epochs)
    wide = min((WIDTH - RIGHT - start) / len(columns), 60)
    changes = [a != b for a, b in pairwise(groups)] or [False] * len(names)
    tops = [TOP + i * HIGH + GAP * sum(changes[:i]) for i in range(len(names))]
    parts = []
    for name, row, top in zip(names, past.rows, tops, strict=True):
        parts.append(text(start - 8, top + HIGH / 2 + 4, _short(name, start), "row", "end"))
        for place, column in enumerate(columns):
            known = [value for i in column if (value := row[i]) is not None]
            if known:
                words = f"{name}, {_epochs([past.epochs[i] for i in column])}: {number(fmean(known))}"
                parts.append(_box(start + place * wide, top, wide, shade(fmean(known)), words, number(fmean(known))))
    floor = tops[-1] + HIGH
    return svg(title, WIDTH, floor + 40, [*parts, _ticks(past.epochs, columns, start, wide, floor)])


def _columns(epochs: Sequence[int]) -> list[range]:
    """The places of the epochs that share a column."""
    step = -(-len(epochs) // COLUMNS)
    return [range(i, min(i + step, len(epochs))) for i in range(0, len(epochs), step)]


def _epochs(some: Sequence[int]) -> str:
    return f"epoch {some[0]}" if len(some) == 1 else f"epochs {some[0]} to {some[-1]}"


def _short(name: str, start: float) -> str:
    """A name that has room left of ``start``; its tool tips say it whole."""
    most = int((start - 8) / LETTER) + 1
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _box(x: float, y: float, wide: float, shade: Shade, tip: str, words: str) -> str:
    gap = 1 if wide > 8 else 0.25
    box = (
        f'<rect x="{x:.1f}" y="{y + 0.5:.1f}" width="{wide - gap:.1f}" height="{HIGH - 1}" class="cell {shade.hue}" '
        f'fill-opacity="{shade.depth:g}"><title>{escape(tip)}</title></rect>'
    )
    return box + (text(x + wide / 2, y + HIGH / 2 + 4, words, "in", "middle") if wide >= PRINTS else "")


def _ticks(epochs: Sequence[int], columns: Sequence[range], start: float, wide: float, floor: float) -> str:
    """The epochs below their columns, as many as there is room for, and the axis' title."""
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100) if n * wide >= 26 or n >= len(columns))
    shown = [i for i in range(len(columns)) if i == 0 or (i + 1) % every == 0]
    if len(shown) > 1 and (shown[1] - shown[0]) * wide < 26:
        shown = shown[1:]
    parts = [text(start + (i + 0.5) * wide, floor + 15, str(epochs[columns[i][-1]]), "t", "middle") for i in shown]
    middle = start + len(columns) * wide / 2
    return "".join([*parts, text(middle, floor + 33, "epoch", "at", "middle")])


def cells(row: Row, below: Row | None, shade: Callable[[float], Shade]) -> list[Cell | None]:
    """A row's numbers as cells, with shares in small letters below them; ``None`` where there is none."""
    under = below or (None,) * len(row)
    return [_cell(value, share_below, shade) for value, share_below in zip(row, under, strict=True)]


def _cell(value: float | None, below: float | None, shade: Callable[[float], Shade]) -> Cell | None:
    if value is None:
        return None
    words = f"cosine {number(value)}, negative in {share(below)} of the looks" if below is not None else ""
    return Cell(number(value), shade(value), share(below) if below is not None else "", words)
