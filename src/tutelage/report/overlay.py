"""Teacher, baseline and students on one axis: the deciding metric on validation, by epoch and by training time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean

from tutelage.report.curves import best_epoch, thinned
from tutelage.report.groups import Group, NetworkOverSeeds
from tutelage.report.numbers import exact
from tutelage.report.read import FinishedRun
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
from tutelage.results import EpochRecord, Metric

ROLES = ("teacher", "baseline", "student")
WIDTH, HEIGHT, LONGEST = 400, 300, 20
NAMED = 6  # lines: of more, only the first of each role and the best student are named
STEEP = 4  # times the smallest value: from here on the axis is logarithmic, or nobody sees how lines end
UNITS = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


@dataclass(frozen=True)
class Line:
    """One network's way: (epoch, value) and (seconds, value), means over seeds; ``seeds`` are those of each seed."""

    name: str
    role: str
    epochs: tuple[Point, ...]
    times: tuple[Point, ...]
    seeds: tuple[tuple[Point, ...], ...]
    best: int = 0  # the epoch that was best on validation, of a single run


def overlays(group: Group) -> list[tuple[str, str]]:
    """(what it is over, drawing): one over epochs, one over time where a clock was read; none without validations."""
    lines = lines_of(group)
    if not lines:
        return []
    metric = group.metric
    drawn = [("epochs", _draw(lines, metric, "epoch", lambda line: line.epochs, 1.0))]
    if all(line.times for line in lines) and any(len(line.times) > 1 for line in lines):
        longest = max(line.times[-1][0] for line in lines)
        scale, unit = next(((s, u) for s, u in UNITS if longest >= 2 * s), UNITS[-1])
        drawn.append(("time", _draw(lines, metric, f"{unit} of training", lambda line: line.times, scale)))
    return drawn


def lines_of(group: Group) -> list[Line]:
    """A line for every teacher, baseline and student that was validated on its way; one for all that share a stage."""
    networks = {n.first.stage: n for n in reversed(group.networks) if n.first.role in ROLES and n.first.stage}
    found = [_line(group, network, stage) for stage, network in reversed(networks.items()) if stage]
    return sorted((line for line in found if line.epochs), key=lambda line: ROLES.index(line.role))


def _line(group: Group, network: NetworkOverSeeds, stage: str) -> Line:
    logs = [(run, [epoch for epoch in run.log if epoch.stage == stage]) for run in group.runs]
    some = [(run, log, _series(log, group.metric.name)) for run, log in logs]
    some = [each for each in some if each[2]]
    values = [dict(series) for _, _, series in some]
    clocks = [_clock(run, log, stage) for run, log, _ in some]
    shared = [epoch for epoch in (values[0] if values else ()) if all(epoch in table for table in values)]
    means = tuple((float(epoch), fmean(table[epoch] for table in values)) for epoch in shared)
    times: tuple[Point, ...] = ()
    if clocks and all(epoch in clock for clock in clocks for epoch in shared):
        times = tuple((fmean(c[e] for c in clocks), value) for e, (_, value) in zip(shared, means, strict=True))
    best = best_epoch([log for _, log, _ in some], group.metric.name)[0] if len(some) == 1 else 0
    name, role = network.first.name, network.first.role
    return Line(name, role, means, times, tuple(tuple(series) for _, _, series in some), best)


def _series(log: Sequence[EpochRecord], metric: str) -> list[Point]:
    return [(epoch.epoch, epoch.validation[metric]) for epoch in log if epoch.validation and metric in epoch.validation]


def _clock(run: FinishedRun, log: Sequence[EpochRecord], stage: str) -> dict[float, float]:
    """Epoch -> seconds since the stage began; in proportion where some epochs are not in the log."""
    numbers = [epoch.epoch for epoch in log]
    if numbers == list(range(1, len(log) + 1)) and all(epoch.seconds > 0 for epoch in log):
        return dict(zip(map(float, numbers), accumulate(epoch.seconds for epoch in log), strict=True))
    record = next((each for each in run.stages if each.name == stage), None)
    if record is None or record.seconds <= 0 or record.epochs < 1:
        return {}
    return {float(number): record.seconds * number / record.epochs for number in numbers if number > 0}


def _draw(
    lines: Sequence[Line], metric: Metric, across: str, of: Callable[[Line], Sequence[Point]], scale: float
) -> str:
    named = _named(lines, metric)
    at = {line.name: thinned([(x / scale, y) for x, y in of(line)]) for line in lines}
    xs, ys = zip(*(point for line in lines for point in at[line.name]), strict=True)
    log_x = scale > 0 and across != "epoch" and min(xs) > 0 and max(xs) / min(xs) > 20
    log_y = min(ys) > 0 and max(ys) / min(ys) > STEEP
    last = max(xs)
    late = [min(len(line.name), LONGEST) for line in named if at[line.name][-1][0] > 0.55 * last or log_x]
    right = WIDTH - LETTER * max(late, default=2) - 14
    x = axis(xs, 46, right, log=True) if log_x else Axis(0.0, last * 1.02, 46, right)
    y = axis(ys, HEIGHT - 48, 26, log=log_y, zero=metric.better == "lower" and not log_y)
    unit = f", {metric.unit}" if metric.unit else ""
    up = f"validation {metric.name}{unit}" + " (log scale)" * log_y
    parts = [svg_text(4, 13, up, "at"), left_axis(y, x, 5)]
    parts.append(bottom_axis(x, y.start, across + " (log scale)" * log_x, 5, 0.0 if across != "epoch" else 1.0))
    parts.append(svg_line((x.start, y.start), (x.end, y.start), "axis"))
    for line in sorted(lines, key=lambda line: line in named):
        screen = [(x.at(a), y.at(b)) for a, b in at[line.name]]
        if across == "epoch" and len(line.seeds) > 1 and len(lines) <= NAMED:
            thin = (thinned(seed) for seed in line.seeds)
            parts += [svg_path([(x.at(a), y.at(b)) for a, b in seed], f"seed {line.role}") for seed in thin]
        parts.append(svg_path(screen, f"curve {line.role}" + " faint" * (line not in named)))
        ring = [(a, b) for (e, _), (a, b) in zip(thinned(list(line.epochs)), screen, strict=True) if e == line.best]
        if ring and line in named and line.best != line.epochs[-1][0]:
            parts.append(mark(*ring[0], "ring", line.role, f"{line.name}: best on validation, epoch {line.best}"))
    ends = [(x.at(at[line.name][-1][0]), y.at(at[line.name][-1][1])) for line in named]
    words = f"Validation {metric.name} over {across}: " + ", ".join(_told(line) for line in named)
    return svg_drawing(words, WIDTH, HEIGHT, [*parts, *_labels(named, ends)])


def _told(line: Line) -> str:
    return f"{line.name} ends at {exact(round(line.epochs[-1][1], 2))}"


def _named(lines: Sequence[Line], metric: Metric) -> list[Line]:
    """All of a few lines; of many the first of each role, and the student that ends best."""
    if len(lines) <= NAMED:
        return list(lines)
    firsts = [next((line for line in lines if line.role == role), None) for role in ROLES]
    students = [line for line in lines if line.role == "student"]
    best = max(students, key=lambda line: metric.gain(line.epochs[-1][1], 0), default=None)
    return [line for line in dict.fromkeys((*firsts, best)) if line is not None]


def _labels(lines: Sequence[Line], ends: Sequence[Point]) -> list[str]:
    """The names at the lines' ends, moved apart where these are close to each other."""
    parts: list[str] = []
    rest = sorted(range(len(lines)), key=lambda i: ends[i][0])
    while rest:
        near = [i for i in rest if ends[i][0] - ends[rest[0]][0] < 70]
        rest = [i for i in rest if i not in near]
        for i, height in zip(near, spaced([ends[i][1] for i in near], 15), strict=True):
            (a, b), line = ends[i], lines[i]
            height = min(height, HEIGHT - 52.0)
            parts.append(svg_line((a, b), (a + 9, height), f"lead {line.role}") if abs(height - b) > 5 else "")
            parts.append(mark(a, b, SHAPES[line.role], line.role))
            name = line.name if len(line.name) <= LONGEST else f"{line.name[: LONGEST - 1]}…"
            parts.append(svg_text(a + 11, height + 4, name, "name"))
    return parts
