"""Learning curves: one column of small plots a stage, every term's raw loss on an axis of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from tutelage.report.groups import Group
from tutelage.report.numbers import rounded, significant
from tutelage.report.svg import (
    LETTER,
    Axis,
    Point,
    axis,
    bottom_axis,
    left_axis,
    svg_drawing,
    svg_line,
    svg_path,
    svg_text,
)
from tutelage.results import EpochRecord

WIDTH, LEFT, RIGHT, HEAD, BODY, GAP = 256, 46, 12, 22, 72, 14
POINTS = 160  # a line of more is thinned: a screen shows no more


@dataclass(frozen=True)
class Panel:
    """One quantity over epochs: a line a seed."""

    title: str
    seeds: tuple[tuple[Point, ...], ...]
    remark: str = ""
    log: bool = False
    validation: bool = False

    @property
    def mean(self) -> list[Point]:
        """The mean over seeds, at the epochs that all of them reached."""
        tables = [dict(seed) for seed in self.seeds]
        shared = [epoch for epoch in tables[0] if all(epoch in table for table in tables)]
        return [(epoch, mean(table[epoch] for table in tables)) for epoch in shared]


def logged_stages(group: Group) -> tuple[str, ...]:
    """The stages that left numbers in a log, in the order of training."""
    stages = dict.fromkeys(epoch.stage for run in group.runs for epoch in run.log)
    return tuple(stage for stage in stages if panels(group, stage))


def panels(group: Group, stage: str) -> tuple[Panel, ...]:
    """What a stage logged: the deciding metric on validation (where there is one), then each learner's terms."""
    runs = [[epoch for epoch in run.log if epoch.stage == stage] for run in group.runs]
    runs = [epochs for epochs in runs if epochs]
    terms: dict[str, dict[str, float]] = {}
    for learner, losses in (pair for epoch in runs[0] for pair in epoch.losses.items()):
        terms.setdefault(learner, {}).update(losses)
    every = []
    name = group.metric.name
    if any(name in (epoch.validation or {}) for epoch in runs[0]):
        seeds = _series(runs, lambda epoch: (epoch.validation or {}).get(name))
        every.append(Panel(f"validation {name}", seeds, _best(runs, name), _wide(seeds), validation=True))
    for learner, losses in terms.items():
        for term in losses:
            seeds = _series(runs, lambda epoch, a=learner, b=term: epoch.losses.get(a, {}).get(b))  # type: ignore[misc]
            title = f"{term} loss" if len(terms) == 1 else f"{learner}: {term} loss"
            every.append(Panel(title, seeds, _weight(runs[0], learner, term), _wide(seeds)))
    return tuple(panel for panel in every if panel.seeds)


def _series(
    runs: Sequence[Sequence[EpochRecord]], read: Callable[[EpochRecord], float | None]
) -> tuple[tuple[Point, ...], ...]:
    lines = (tuple((e.epoch, value) for e in run if (value := read(e)) is not None) for run in runs)
    return tuple(line for line in lines if line)


def _wide(seeds: Sequence[Sequence[Point]]) -> bool:
    return is_wide([y for seed in seeds for _, y in seed])


def is_wide(values: Sequence[float]) -> bool:
    """Whether the values want a logarithmic axis: the largest is more than twelve times the smallest."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > 12


def best_epoch(runs: Sequence[Sequence[EpochRecord]], name: str) -> tuple[int, float | None]:
    """The epoch of the first run that was best on validation, and the metric there; (0, None) where none is known."""
    marked = [(epoch.epoch, epoch.validation.get(name)) for epoch in runs[0] if epoch.best and epoch.validation]
    return marked[-1] if marked else (0, None)


def _best(runs: Sequence[Sequence[EpochRecord]], name: str) -> str:
    number, value = best_epoch(runs, name)
    return "" if value is None or len(runs) > 1 else f"best {rounded(value, 0)}, epoch {number}"


def _weight(epochs: Sequence[EpochRecord], learner: str, term: str) -> str:
    weights = [epoch.weights.get(learner, {}).get(term) for epoch in epochs]
    known = [weight for weight in weights if weight is not None]
    if not known or set(known) == {1.0}:
        return ""
    if known[0] == known[-1]:
        return f"weight {significant(known[0], 2)}"
    return f"weight {significant(known[0], 2)} to {significant(known[-1], 2)}"


def stage_curves(group: Group, name: str, role: str, *, validation: bool = True) -> str:
    """One stage's column of plots; thin lines are seeds, the thick one their mean. Nothing where none is left.

    Without ``validation`` its panel is left out: where it is drawn elsewhere.
    """
    rows = [panel for panel in panels(group, name) if validation or not panel.validation]
    if not rows:
        return ""
    epochs = [x for panel in rows for seed in panel.seeds for x, _ in seed]
    x = Axis(min(0, *epochs), max(*epochs, 1), LEFT, WIDTH - RIGHT)
    parts, top = [], 0.0
    for panel in rows:
        parts.append(_panel(panel, x, top, role))
        top += HEAD + BODY + GAP
    parts.append(bottom_axis(x, top - GAP, "epoch", step=1))
    return svg_drawing(f"Learning curves of the stage {name}", WIDTH, top - GAP + 42, parts)


def _panel(panel: Panel, x: Axis, top: float, role: str) -> str:
    values = [y for seed in panel.seeds for _, y in seed]
    y = axis(values, top + HEAD + BODY, top + HEAD, log=panel.log, zero=not panel.log)
    title = panel.title + (" (log)" if panel.log else "")
    remark = panel.remark if LETTER * (len(title) + len(panel.remark) + 2) < x.end - x.start else ""
    parts = [svg_text(LEFT, top + 13, title, "pt"), svg_text(x.end, top + 13, remark, "t", "end")]
    parts += [left_axis(y, x, 4), svg_line((x.start, y.start), (x.end, y.start), "axis")]
    if len(panel.seeds) > 1:
        parts += [svg_path(_screen(seed, x, y), f"seed {role}") for seed in panel.seeds]
    return "".join([*parts, svg_path(_screen(panel.mean, x, y), f"curve {role}")])


def _screen(points: Sequence[Point], x: Axis, y: Axis) -> list[Point]:
    return [(x.at(a), y.at(b)) for a, b in thinned(points)]


def thinned(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """At most ``most`` of the points, evenly spaced, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]
