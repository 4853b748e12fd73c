"""Small SVG plots with real text, coloured by the page's style sheet alone, so that light and dark are one drawing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from tutelage.report.numbers import exact

Point = tuple[float, float]
SHAPES = {"teacher": "square", "student": "disc", "baseline": "triangle", "member": "ring", "other": "diamond"}
TINIEST, LARGEST = 1e-100, 1e100  # what lies beyond is drawn there: its logarithm or its sum would be infinite
LETTER = 7.0  # pixels: a safe average width of a letter at 12 px


@dataclass(frozen=True)
class Axis:
    """Values ``low`` to ``high`` on pixels ``start`` to ``end``, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high, value = (math.log10(max(v, TINIEST)) if self.log else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """At most ``most`` round values inside the axis."""
        ticks = _log_ticks(self.low, self.high, most) if self.log else []
        return ticks if len(ticks) > 1 else _linear_ticks(self.low, self.high, most)


def axis(values: Sequence[float], start: float, end: float, *, log: bool = False, zero: bool = False) -> Axis:
    """An axis that holds ``values`` with a little room on both sides; from 0 on where ``zero`` is true."""
    low, high = max(min(values), -LARGEST), min(max(values), LARGEST)
    if log:
        low, high = max(low, TINIEST), max(high, TINIEST)
        room = max((high / low) ** 0.08, 1.02)
        return Axis(low / room, high * room, start, end, log=True)
    room = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(0.0 if zero and low >= 0 else low - room, high + room, start, end)


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10, 20) if power * m >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3), (1,)):
        ticks = [d * 10.0**p for p in powers for d in digits if low <= d * 10.0**p <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


def tick_label(value: float) -> str:
    """A tick's text: ``0.05``, ``500``, ``20 k``, ``2 M``."""
    for power, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= max(power, 1e4):
            return f"{value / power:g} {letter}"
    return exact(value)


def svg_text(x: float, y: float, words: str, style: str, anchor: str = "start") -> str:
    """One line of text; ``style`` names classes of the style sheet."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>'


def svg_line(a: Point, b: Point, style: str) -> str:
    return f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" class="{style}"/>'


def svg_path(points: Sequence[Point], style: str) -> str:
    if len(points) == 1:
        return f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="1.5" class="dot {style}"/>'
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}" class="{style}"/>'


def mark(x: float, y: float, shape: str, style: str, tip: str = "") -> str:
    """A point whose shape says its role, so that colour is never alone; ``tip`` is its tool tip."""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    if shape == "dot":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="mark {style}">{title}</circle>'
    if shape in ("disc", "ring"):
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="mark {shape} {style}">{title}</circle>'
    corners = {
        "square": ((-4.5, -4.5), (4.5, -4.5), (4.5, 4.5), (-4.5, 4.5)),
        "triangle": ((0, -5.8), (5.4, 4), (-5.4, 4)),
        "diamond": ((0, -6), (6, 0), (0, 6), (-6, 0)),
    }[shape]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" class="mark {style}">{title}</polygon>'


def bottom_axis(x: Axis, y: float, title: str, most: int = 5, step: float = 0.0) -> str:
    """The horizontal axis below ``y``: its line, its title, and ticks with texts at multiples of ``step`` (0: any)."""
    parts = [svg_line((x.start, y), (x.end, y), "axis")]
    for tick in (tick for tick in x.ticks(most) if not step or tick % step == 0):
        parts.append(svg_line((x.at(tick), y), (x.at(tick), y + 4), "axis"))
        parts.append(svg_text(x.at(tick), y + 17, tick_label(tick), "t", "middle"))
    return "".join([*parts, svg_text((x.start + x.end) / 2, y + 35, title, "at", "middle")])


def left_axis(y: Axis, x: Axis, most: int = 4, words: Callable[[float], str] = tick_label) -> str:
    """The vertical axis: thin lines across the plot with their values, as ``words`` has them, at the left."""
    parts = []
    for tick in y.ticks(most):
        parts.append(svg_line((x.start, y.at(tick)), (x.end, y.at(tick)), "zero" if tick == 0 else "grid"))
        parts.append(svg_text(x.start - 6, y.at(tick) + 4, words(tick), "t", "end"))
    return "".join(parts)


def svg_drawing(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    """The whole drawing; ``title`` is what a screen reader says."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def spaced(heights: Sequence[float], gap: float) -> list[float]:
    """The same heights in the same order, moved as little as a sweep can so that neighbours are ``gap`` apart.

    >>> spaced([10.0, 12.0, 40.0], 10)
    [6.0, 16.0, 40.0]
    """
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    blocks: list[tuple[float, list[int]]] = []
    for i in order:
        centre, members = heights[i], [i]
        while blocks and blocks[-1][0] + gap * (len(blocks[-1][1]) + len(members)) / 2 > centre:
            other, more = blocks.pop()
            centre = (other * len(more) + centre * len(members)) / (len(more) + len(members))
            members = more + members
        blocks.append((centre, members))
    moved = list(heights)
    for centre, members in blocks:
        for place, i in enumerate(members):
            moved[i] = centre + gap * (place - (len(members) - 1) / 2)
    return moved
