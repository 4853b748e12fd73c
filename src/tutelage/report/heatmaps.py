"""Heat maps of a group: where its losses pull apart, which layers it listened to; as tables and over training time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from statistics import fmean

from tutelage.report.attention import Attention, attention_over_time, attentions, without_owner
from tutelage.report.conflicts import Conflict, conflicts_of, cosines_over_time, lengths, on_part
from tutelage.report.groups import Group
from tutelage.report.numbers import MINUS, two_places, whole_percent
from tutelage.report.statistics import History, Row
from tutelage.report.svg import LETTER, svg_drawing, svg_text

WIDTH, RIGHT, TOP, HIGH, GAP = 400, 8, 4, 22, 6
COLUMNS = 60  # more epochs are put together
PRINTS = 33  # pixels a cell needs for its number


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


def cosine_shade(value: float) -> Shade:
    """Cosines, −1 to 1: the colour's depth grows with the square root, so that 0.1 can be seen."""
    return Shade("against" if value < 0 else "along", round(min(abs(value), 1) ** 0.5, 3))


def weight_shade(value: float) -> Shade:
    """Weights, 0 to 1."""
    return Shade("heard", round(min(max(value, 0), 1), 3))


def legend(values: Sequence[float], shade: Callable[[float], Shade]) -> list[tuple[str, str, float]]:
    """(number, hue, depth) of each value: the legend of a heat map."""
    shades = [shade(value) for value in values]
    return [(f"{x:g}".replace("-", MINUS), one.hue, one.depth) for x, one in zip(values, shades, strict=True)]


def heatmap_over_time(
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
        parts.append(svg_text(start - 8, top + HIGH / 2 + 4, _short(name, start), "row", "end"))
        for place, column in enumerate(columns):
            known = [value for i in column if (value := row[i]) is not None]
            if known:
                words = f"{name}, {_epochs([past.epochs[i] for i in column])}: {two_places(fmean(known))}"
                parts.append(
                    _box(start + place * wide, top, wide, shade(fmean(known)), words, two_places(fmean(known)))
                )
    floor = tops[-1] + HIGH
    return svg_drawing(title, WIDTH, floor + 40, [*parts, _ticks(past.epochs, columns, start, wide, floor)])


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
    return box + (svg_text(x + wide / 2, y + HIGH / 2 + 4, words, "in", "middle") if wide >= PRINTS else "")


def _ticks(epochs: Sequence[int], columns: Sequence[range], start: float, wide: float, floor: float) -> str:
    """The epochs below their columns, as many as there is room for, and the axis' title."""
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100) if n * wide >= 26 or n >= len(columns))
    marked = [i for i in range(len(columns)) if i == 0 or (i + 1) % every == 0]
    if len(marked) > 1 and (marked[1] - marked[0]) * wide < 26:
        marked = marked[1:]
    parts = [svg_text(start + (i + 0.5) * wide, floor + 15, str(epochs[columns[i][-1]]), "t", "middle") for i in marked]
    middle = start + len(columns) * wide / 2
    return "".join([*parts, svg_text(middle, floor + 33, "epoch", "at", "middle")])


def heat_cells(row: Row, below: Row | None, shade: Callable[[float], Shade]) -> list[Cell | None]:
    """A row's numbers as cells, with shares in small letters below them; ``None`` where there is none."""
    under = below or (None,) * len(row)
    return [_cell(value, share_below, shade) for value, share_below in zip(row, under, strict=True)]


def _cell(value: float | None, below: float | None, shade: Callable[[float], Shade]) -> Cell | None:
    if value is None:
        return None
    words = f"cosine {two_places(value)}, negative in {whole_percent(below)} of the looks" if below is not None else ""
    return Cell(two_places(value), shade(value), whole_percent(below) if below is not None else "", words)


@dataclass(frozen=True)
class Heatmap:
    """A table of coloured cells, and the drawing beside it of the same over training time."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, list[Cell | None]], ...]
    drawing: str = ""
    remark: str = ""
    at: str = ""


def conflict_heatmaps(group: Group) -> list[Heatmap]:
    """A map of pairs by parts of the network for every stage that was watched, its cosines over epochs beside it."""
    conflicts = conflicts_of(group)
    several = len({conflict.learner for conflict in conflicts}) > 1
    return [_of_conflict(group, conflict, several) for conflict in conflicts]


def _of_conflict(group: Group, conflict: Conflict, several: bool) -> Heatmap:
    name = f"{conflict.stage}, {conflict.learner}" if several else conflict.stage
    pairs = [pair_name(pair) for pair in conflict.pairs]
    rows = zip(pairs, conflict.cosine, conflict.negative, strict=True)
    past = cosines_over_time(group, conflict)
    drawing = heatmap_over_time(f"Cosines over training, {name}", past, pairs, cosine_shade) if past.epochs else ""
    return Heatmap(
        name,
        tuple(map(part_name, conflict.parts)),
        tuple((pair, heat_cells(values, shares, cosine_shade)) for pair, values, shares in rows),
        drawing,
        ", ".join(f"{term} {length}" for term, length in lengths(conflict).items()),
    )


def overview_map(conflicts: Sequence[Conflict]) -> Heatmap | None:
    """Every watched stage against every pair, on all shared parameters; nothing for fewer than two stages."""
    if len(conflicts) < 2:
        return None
    pairs = tuple(dict.fromkeys(pair for conflict in conflicts for pair in conflict.pairs))
    several = len({conflict.learner for conflict in conflicts}) > 1
    rows = []
    for conflict in conflicts:
        whole = {pair: (x, y) for pair, x, y in on_part(conflict, "")}
        values, shares = zip(*(whole.get(pair, (None, None)) for pair in pairs), strict=True)
        name = f"{conflict.stage}, {conflict.learner}" if several else conflict.stage
        rows.append((name, heat_cells(values, shares, cosine_shade)))
    return Heatmap("all stages", tuple(map(pair_name, pairs)), tuple(rows))


def attention_heatmaps(group: Group) -> list[Heatmap]:
    """A map of the student's by the teacher's layers for every attention, its weights over epochs beside it."""
    every = attentions(group)
    return [_of_attention(group, attention, _whose(attention, every)) for attention in every]


def _whose(attention: Attention, every: Sequence[Attention]) -> str:
    learners, terms = ({getattr(other, side) for other in every} for side in ("learner", "term"))
    parts = (attention.stage, attention.learner * (len(learners) > 1), attention.term * (len(terms) > 1))
    return ", ".join(filter(None, parts))


def _of_attention(group: Group, attention: Attention, name: str) -> Heatmap:
    student, teacher = without_owner(attention.student), without_owner(attention.teacher)
    past = attention_over_time(group, attention)
    short = dict(zip((*attention.student, *attention.teacher), (*student, *teacher), strict=True))
    names = [f"{short[layer]} ← {short[other]}" for layer, other in past.names]
    rows_of = [layer for layer, _ in past.names]
    drawing = heatmap_over_time(f"Attention over training, {name}", past, names, weight_shade, rows_of)
    rows = zip(student, attention.weights, strict=True)
    tables = tuple((layer, heat_cells(weights, None, weight_shade)) for layer, weights in rows)
    return Heatmap(name, teacher, tables, drawing, at=f"epoch {attention.epoch}")


def pair_name(pair: Sequence[str]) -> str:
    return " | ".join(pair)


def part_name(part: str) -> str:
    return part or "whole"
