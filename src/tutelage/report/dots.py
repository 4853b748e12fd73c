"""A chart of one mark a row with its interval: methods or settings by the metric that decides, the best on top.

It is a table whose second column is drawn: read aloud it says the numbers, and it has room on a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from tutelage.report.groups import Group, NetworkOverSeeds
from tutelage.report.networks import shown_metric
from tutelage.report.numbers import measured
from tutelage.report.plots import possible
from tutelage.report.rows import score_text
from tutelage.report.svg import SHAPES, Axis, axis, mark, tick_label
from tutelage.results import Interval, Metric

HIGH = 30  # pixels of a row
REACH, USUAL = 0.6, 1.5  # of the marks' span, and of the median interval: one that goes further ends in an arrow
REFERENCES = ("teacher", "baseline")
MOST_MORE = 2
"""Places that values may have beyond those that chance leaves them."""


@dataclass(frozen=True)
class Dot:
    """A row: who, its numbers in words, and its drawing."""

    name: str
    role: str
    value: str
    interval: str
    drawing: str = ""


@dataclass(frozen=True)
class DotChart:
    """The rows, what they are measured in, the ticks below them as (per cent, text), and whether an arrow is drawn."""

    what: str
    metric: Metric
    rows: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]
    cut: bool
    seeds: int


@dataclass(frozen=True)
class _Spot:
    dot: Dot
    mean: float
    interval: Interval | None
    seeds: tuple[float, ...]


def students_chart(group: Group) -> DotChart | None:
    """Every student of a group beside its baseline and its teacher; nothing for fewer than two that were measured."""
    metric = shown_metric([group])
    some = [n for n in group.networks if n.first.role in ("teacher", "student", "baseline")]
    return dot_chart("network", [(n.first.name, n) for n in some], metric)


def settings_chart(groups: Sequence[Group]) -> DotChart | None:
    """The main network of every setting."""
    metric = shown_metric(groups)
    return dot_chart("setting", [(group.name, group.main) for group in groups if group.main is not None], metric)


def dot_chart(what: str, networks: Sequence[tuple[str, NetworkOverSeeds]], metric: Metric) -> DotChart | None:
    """The networks by their names, the best on top; nothing for fewer than two of which the metric is known."""
    known = [(name, network) for name, network in networks if network.score(metric) is not None]
    if len(known) < 2:
        return None
    more = _places_more([network for _, network in known], metric)
    spots = [_spot(name, network, metric, more) for name, network in known]
    spots.sort(key=lambda spot: -metric.gain(spot.mean, 0))
    low, high = _reach(spots)
    x = replace(axis([low, high], 0, 100), log=False)
    references = [next((s for s in spots if s.dot.role == role), None) for role in REFERENCES]
    lines = "".join(_reference(x, spot) for spot in references if spot is not None and what == "network")
    rows = tuple(replace(spot.dot, drawing=_track(x, spot, lines)) for spot in spots)
    cut = any(spot.interval and (spot.interval[0] < x.low or x.high < spot.interval[1]) for spot in spots)
    ticks = tuple((x.at(tick), tick_label(tick)) for tick in x.ticks(5))
    return DotChart(what, metric, rows, ticks, cut, max(len(spot.seeds) for spot in spots))


def _places_more(networks: Sequence[NetworkOverSeeds], metric: Metric) -> int:
    """The fewest places more that tell apart, in words, what marks tell apart."""

    def told(more: int) -> int:
        return len({score_text(network, metric, more=more).partition(" ")[0] for network in networks})

    return next(more for more in range(MOST_MORE + 1) if told(more) == told(MOST_MORE))


def _spot(name: str, network: NetworkOverSeeds, metric: Metric, more: int) -> _Spot:
    score = network.score(metric)
    assert score is not None
    found, half = network.interval(metric), network.half(metric)
    interval = (possible(found[0], metric), possible(found[1], metric)) if found else None
    words = ""
    if interval and interval[0] < interval[1]:
        words = " to ".join(measured(bound, half, like=score.mean, more=more) for bound in interval)
    dot = Dot(name, network.first.role, score_text(network, metric, more=more), words)
    return _Spot(dot, score.mean, interval, score.values)


def _reach(spots: Sequence[_Spot]) -> Interval:
    """What the axis holds: every mark and seed, and of the intervals as much as leaves the marks room."""
    marks = [value for spot in spots for value in (spot.mean, *spot.seeds)]
    lengths = [spot.interval[1] - spot.interval[0] for spot in spots if spot.interval]
    room = max(REACH * (max(marks) - min(marks)), USUAL * median(lengths or [0.0]))
    bounds = [bound for spot in spots for bound in spot.interval or ()]
    return max(min(*marks, *bounds), min(marks) - room), min(max(*marks, *bounds), max(marks) + room)


def _reference(x: Axis, spot: _Spot) -> str:
    at = f"{x.at(spot.mean):.2f}%"
    return f'<line x1="{at}" x2="{at}" y1="0" y2="100%" class="through {spot.dot.role}"/>'


def _track(x: Axis, spot: _Spot, lines: str) -> str:
    """The row's drawing, as wide as its cell: places are per cent."""
    middle, role = HIGH // 2, spot.dot.role
    parts = [lines]
    if spot.interval:
        low, high = (min(max(bound, x.low), x.high) for bound in spot.interval)
        ends = (f"{x.at(low):.2f}%", f"{x.at(high):.2f}%")
        parts.append(f'<line x1="{ends[0]}" x2="{ends[1]}" y1="{middle}" y2="{middle}" class="bar {role}"/>')
        if spot.interval[0] < x.low:
            parts.append(_at(ends[0], f'<path d="M5 -4L0 0L5 4" class="arrow {role}"/>', middle))
        if x.high < spot.interval[1]:
            parts.append(_at(ends[1], f'<path d="M-5 -4L0 0L-5 4" class="arrow {role}"/>', middle))
    if 1 < len(spot.seeds) <= 12:
        parts += [f'<circle cx="{x.at(v):.2f}%" cy="{middle}" r="2.5" class="one {role}"/>' for v in spot.seeds]
    parts.append(_at(f"{x.at(spot.mean):.2f}%", mark(0, 0, SHAPES[role], role), middle))
    return f'<svg class="track" height="{HIGH}" aria-hidden="true" focusable="false">{"".join(parts)}</svg>'


def _at(place: str, drawing: str, middle: int) -> str:
    return f'<svg x="{place}" y="{middle}" class="at">{drawing}</svg>'
