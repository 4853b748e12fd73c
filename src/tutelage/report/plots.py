"""The report's other plots: scores against cost, and a recipe's own curves."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from tutelage.report.numbers import scaled
from tutelage.report.svg import (
    LETTER,
    SHAPES,
    Axis,
    Point,
    axis,
    bottom_axis,
    left_axis,
    mark,
    spaced,
    svg_drawing,
    svg_line,
    svg_path,
    svg_text,
)
from tutelage.results import Interval, Metric

Box = tuple[float, float, float, float]  # left, top, right, bottom
PLACES = (  # of a name beside its point, the best first
    *((11, 4, "start"), (-11, 4, "end"), (8, -10, "start"), (-8, -10, "end"), (8, 19, "start"), (-8, 19, "end")),
    *((0, -14, "middle"), (0, 24, "middle"), (22, 4, "start"), (-22, 4, "end")),
    *((12, 34, "start"), (-12, 34, "end"), (12, -26, "start"), (-12, -26, "end"), (34, 19, "start"), (-34, 19, "end")),
)
FIRST = ("student", "teacher", "baseline")  # roles whose first network is always named
CROWD = 8  # points: of more, only these and the front's are named
FAR = Metric("distance from the best")


@dataclass(frozen=True)
class Spot:
    """One network on a plot of a metric's ``y`` against cost ``x``, with the interval of ``y``."""

    x: float
    y: float
    low: float
    high: float
    role: str
    name: str
    tip: str
    across: Interval | None = None  # of ``x``


def pareto_front(spots: Sequence[Spot], metric: Metric) -> list[Spot]:
    """The Pareto front: the spots that no other one equals or beats in both cost and metric, by cost."""
    best: list[Spot] = []
    for spot in sorted(spots, key=lambda spot: (spot.x, -metric.gain(spot.y, 0))):
        if not best or metric.gain(spot.y, best[-1].y) > 0:
            best.append(spot)
    return best


def pareto_plot(spots: Sequence[Spot], metric: Metric, title: str, across: str) -> str:
    """Every network as a point with its interval and its name, and the Pareto front as a staircase; up is better.

    Heights are distances from the best value that there can be: 100 for a share in %, else 0 where less is better.
    Where these differ more than threefold, the scale is logarithmic in them, and the axis says so.
    """
    width, height = 340, 310
    x = axis([spot.x for spot in spots], 46, width - 12, log=True)
    if max(s.x for s in spots) / min(s.x for s in spots) < 1.5:
        middle = math.sqrt(max(s.x for s in spots) * min(s.x for s in spots))
        x = Axis(middle / 2, middle * 2, x.start, x.end, log=True)
    best = 100.0 if metric.unit == "%" and metric.better == "higher" else 0.0
    spots = [replace(s, low=possible(s.low, metric), high=possible(s.high, metric)) for s in spots]
    far = [
        replace(s, y=metric.gain(best, s.y), low=metric.gain(best, s.low), high=metric.gain(best, s.high))
        for s in spots
    ]
    values = [value for spot in far for value in (spot.low, spot.y, spot.high)]
    log = min(values) > 0 and max(values) / min(values) > 3
    y, floor = axis(values, 34, height - 48, log=log), height - 48
    y = replace(y, low=max(y.low, 0.0)) if min(values) >= 0 else y
    y = replace(y, high=min(y.high, 100.0)) if metric.unit == "%" and max(values) <= 100 else y
    unit = f", {metric.unit}" if metric.unit else ""
    up = f"{metric.name}{unit}" + log * (" (log scale)" if best == 0 else f" (log scale of the distance to {best:g})")
    steps: list[Point] = []
    for spot in pareto_front(far, FAR):
        at = (x.at(spot.x), y.at(spot.y))
        steps += [(at[0], steps[-1][1]), at] if steps else [at]
    steps.append((x.end, steps[-1][1]))
    label = _label(metric, best)
    parts = [svg_text(4, 13, up, "at"), left_axis(y, x, 6, label), bottom_axis(x, floor, f"{across} (log scale)", 4)]
    parts.append(svg_path(steps, "front"))
    points = [(x.at(spot.x), y.at(spot.y)) for spot in far]
    lines: list[Box] = []
    for spot, (a, b) in zip(far, points, strict=True):
        lines.append((a - 1, y.at(spot.low), a + 1, y.at(spot.high)))
        parts.append(svg_line((a, y.at(spot.low)), (a, y.at(spot.high)), f"bar {spot.role}"))
        if spot.across is not None and len(spots) <= CROWD:
            left, right = (max(x.start, min(x.end, x.at(bound))) for bound in spot.across)
            lines.append((left, b - 1, right, b + 1))
            parts.append(svg_line((left, b), (right, b), f"bar {spot.role}"))
    for spot, (a, b) in zip(far, points, strict=True):
        parts.append(mark(a, b, SHAPES[spot.role], spot.role, spot.tip))
    lines += [(min(a, c) - 1, min(b, d) - 3, max(a, c) + 1, max(b, d) + 3) for (a, b), (c, d) in pairwise(steps)]
    return svg_drawing(
        title, width, height, [*parts, *_names(far, points, lines, (x.start, y.start - 18, x.end, floor))]
    )


def possible(bound: float, metric: Metric) -> float:
    """A bound of an interval, cut where no value of the metric can be: a share lies between 0 and 100 %."""
    return min(max(bound, 0.0), 100.0) if metric.unit == "%" and metric.better == "higher" else bound


def _label(metric: Metric, best: float) -> Callable[[float], str]:
    """The metric's value at a distance from the best there can be."""
    return lambda far: f"{best - far if metric.better == 'higher' else far:.6g}".replace("-", "−")


def _names(spots: Sequence[Spot], points: Sequence[Point], lines: Sequence[Box], frame: Box) -> list[str]:
    """The spots' names beside their points, where they cover least; one that finds no free place is left out.

    To cover a name or a mark is worse than to cover a line.
    """
    marks: list[Box] = [(a - 7, b - 7, a + 7, b + 7) for a, b in points]
    parts = []
    ahead = pareto_front(spots, FAR)
    first = {role: next((i for i, spot in enumerate(spots) if spot.role == role), -1) for role in FIRST}
    order = sorted(range(len(spots)), key=lambda i: (i not in first.values(), spots[i] not in ahead, i))
    for i in order if len(spots) <= CROWD else [i for i in order if i in first.values() or spots[i] in ahead]:
        (a, b), wide = points[i], LETTER * len(spots[i].name)
        options = [(a + dx, b + dy, anchor) for dx, dy, anchor in PLACES]
        starts = [u - wide * ("start", "middle", "end").index(anchor) / 2 for u, _, anchor in options]
        boxes = [(u, v - 11, u + wide, v + 3) for u, (_, v, _) in zip(starts, options, strict=True)]
        costs = [
            4 * sum(_overlap(box, other) for other in marks)
            + sum(_overlap(box, other) for other in lines)
            + 50 * _outside(box, frame)
            for box in boxes
        ]
        best = min(range(len(boxes)), key=costs.__getitem__)
        if costs[best] > 25 and i not in first.values():
            continue
        marks.append(boxes[best])
        u, v, anchor = options[best]
        parts.append(svg_text(u, v, spots[i].name, "name", anchor))
    return parts


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _outside(box: Box, frame: Box) -> float:
    return sum(max(0.0, d) for d in (frame[0] - box[0], frame[1] - box[1], box[2] - frame[2], box[3] - frame[3]))


@dataclass(frozen=True)
class Series:
    """A named line of (x, y, half height of the interval at y, 0 for none); ``style`` is a role or ``k0`` to ``k4``."""

    name: str
    style: str
    shape: str
    points: tuple[tuple[float, float, float], ...]


def line_plot(series: Sequence[Series], title: str, across: str, up: str, *, log_x: bool = False) -> str:
    """Lines over a flag or a column, each named at its end."""
    wide = LETTER * max(len(one.name) for one in series) + 14
    width, height = 420, 290
    xs = sorted({x for one in series for x, _, _ in one.points})
    log_x = log_x and xs[0] > 0 and len(xs) > 1
    x = axis(xs, 46, width - wide, log=log_x)
    spans = [v for one in series for _, y, d in one.points for v in (y - d, y + d)]
    log_y = min(spans) > 0 and max(spans) / min(spans) > 12
    y = axis(spans, height - 48, 26, log=log_y)
    up, across = up + log_y * " (log scale)", across + log_x * " (log scale)"
    parts = [svg_text(4, 13, up, "at"), left_axis(y, x, 5), _values(x, xs, y.start, across)]
    ends = spaced([y.at(one.points[-1][1]) for one in series], 15)
    for one, end in zip(series, ends, strict=True):
        spots = [(x.at(a), y.at(b)) for a, b, _ in one.points]
        parts.append(svg_path(spots, f"curve {one.style}") if len(spots) > 1 else "")
        for (a, b, d), spot in zip(one.points, spots, strict=True):
            tip = f"{one.name}: {up} {b:g} at {across} {a:g}"
            parts.append(svg_line((spot[0], y.at(b - d)), (spot[0], y.at(b + d)), f"bar {one.style}") if d else "")
            parts.append(mark(*spot, one.shape, one.style, tip))
        if abs(end - spots[-1][1]) > 4 or spots[-1][0] < x.end - 40:
            parts.append(svg_line((spots[-1][0] + 7, spots[-1][1]), (x.end + 5, end), "lead"))
        parts.append(svg_text(x.end + 8, end + 4, one.name, "name"))
    return svg_drawing(title, width, height, parts)


def _values(x: Axis, values: Sequence[float], y: float, title: str) -> str:
    """An axis that is marked where the values are, if there are few of them."""
    places = [x.at(value) for value in values]
    if len(values) > 9 or any(b - a < 17 for a, b in pairwise(places)):
        return bottom_axis(x, y, title, 6)
    parts = [svg_line((x.start, y), (x.end, y), "axis"), svg_text((x.start + x.end) / 2, y + 35, title, "at", "middle")]
    for value, place in zip(values, places, strict=True):
        parts += [svg_line((place, y), (place, y + 4), "axis"), svg_text(place, y + 17, _short(value), "t", "middle")]
    return "".join(parts)


def _short(value: float) -> str:
    return scaled(value) if abs(value) >= 1e4 else f"{value:g}"
