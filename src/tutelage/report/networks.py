"""What the networks cost: scores against size and latency, training time, and all of it as CSV."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean
from typing import Any, TypeAlias

from tutelage.report import plots
from tutelage.report.groups import Group, NetworkOverSeeds
from tutelage.report.numbers import byte_size, time_text
from tutelage.report.rows import ALL, batch_key, score_text, with_unit
from tutelage.results import Interval, Metric, StageRecord

ABOUT = ("network", "role", "label", "count", "seeds")
COST = ("agreement", "calibration_error", "parameters", "macs", "bytes")


def networks_csv(groups: Sequence[Group]) -> str:
    """The networks as CSV, one row a network, numbers in full.

    A metric has four columns: its mean over seeds, the standard deviation of one of them, and where the mean lies at
    95 %, ``low`` and ``high``: by the spread of the seeds or, of a single one, by the choice of its test samples.
    """
    flags, metrics = list(groups[0].by), list(dict.fromkeys(metric for group in groups for metric in group.metrics))
    batches = sorted({b for g in groups for n in g.networks for b in n.first.latency_ms or {}}, key=batch_key)
    names = [metric.name.replace(" ", "_") for metric in metrics]
    scores = [f"{name}{end}" for name in names for end in ("", "_sd", "_low", "_high")]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    headings = [*flags, *ABOUT, *scores, *COST, *(f"latency_ms_batch_{batch}" for batch in batches)]
    writer.writerow(map(_no_formula, headings))
    for group, network in [(g, n) for g in groups for n in g.networks]:
        latencies = [latency.median if (latency := network.latency(batch)) else "" for batch in batches]
        row = [*(group.by[flag] for flag in flags), *_cells(network, metrics), *latencies]
        writer.writerow(map(_no_formula, row))
    return buffer.getvalue()


def _no_formula(cell: Any) -> Any:
    """``cell``; a text that a spreadsheet would calculate gets the sign that says it is one.

    >>> [_no_formula(x) for x in ("=1+1", "-0.5", "wide", -2)]
    ["'=1+1", '-0.5', 'wide', -2]
    """
    formula = isinstance(cell, str) and cell.lstrip()[:1] in ("=", "+", "-", "@", "|", "%")
    return f"'{cell}" if formula and not re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell) else cell


def _cells(network: NetworkOverSeeds, metrics: Sequence[Metric]) -> list[Any]:
    one = network.first
    scores: list[Any] = []
    for metric in metrics:
        score, interval = network.score(metric), network.interval(metric)
        scores += [score and score.mean, score and score.sd, *(interval or (None, None))]
    calibration = network.over(lambda network: network.calibration.error if network.calibration else None)
    agreement = network.over(lambda network: network.agreement)
    means = [spread and spread.mean for spread in (agreement, calibration)]
    about = [one.name, one.role, network.label, one.count, len(network.networks)]
    return [*about, *scores, *means, one.parameters, one.macs, one.bytes]


@dataclass(frozen=True)
class Drawing:
    """A plot and the words below it."""

    svg: str
    caption: str


Cost: TypeAlias = Callable[[NetworkOverSeeds], tuple[float | None, Interval | None]]
"""What a network costs, and the quartiles of that where it was timed."""
COMPACT = 2.0
"""Times more bytes a parameter in one network than in another, from which on a file's size is drawn beside these."""


def scatters(groups: Sequence[Group]) -> list[Drawing]:
    """``shown_metric`` against parameters and bytes, where these differ, and against latency at every batch size.

    Bytes are drawn where they say something else than parameters do, as where some networks are in int8, or where
    nobody knows the parameters of a file.
    """
    metric = shown_metric(groups)
    networks = [network for group in groups for network in group.networks]
    batches = {batch for network in networks for batch in network.first.latency_ms or {}}
    costs: list[tuple[str, str, Cost]] = [("size", "parameters", _parameters)]
    costs += [("bytes", "bytes of the file", _bytes)] if _differ_in_precision(networks) else []
    costs += [
        (f"latency at batch {b}", f"ms a batch of {b}", partial(_clocked, batch=b))
        for b in sorted(batches, key=batch_key)
    ]
    drawings = []
    for cost, across, read in costs:
        spots, title = _spots(groups, read, metric), f"{metric.name[:1].upper()}{metric.name[1:]} against {cost}"
        if len(spots) > 1 and (cost.startswith("latency") or len({spot.x for spot in spots}) > 1):
            drawings.append(Drawing(plots.pareto_plot(spots, metric, title, across), title))
    return drawings


def _differ_in_precision(networks: Sequence[NetworkOverSeeds]) -> bool:
    sizes = [(x.first.bytes, x.first.parameters) for x in networks if x.first.bytes]
    each = [size / count for size, count in sizes if count]
    return len(each) < len(sizes) or (bool(each) and max(each) > COMPACT * min(each))


def _parameters(network: NetworkOverSeeds) -> tuple[float | None, Interval | None]:
    return network.first.parameters, None


def _bytes(network: NetworkOverSeeds) -> tuple[float | None, Interval | None]:
    return network.first.bytes, None


def _clocked(network: NetworkOverSeeds, batch: str) -> tuple[float | None, Interval | None]:
    latency = network.latency(batch)
    return (latency.median, (latency.q1, latency.q3)) if latency else (None, None)


def shown_metric(groups: Sequence[Group]) -> Metric:
    """The metric that charts show: the deciding one, or a share in % that ranks all networks as it does.

    So accuracy stands for a count of errors.
    """
    metrics = [metric for group in groups for metric in group.metrics]
    decides = groups[0].metric
    return next((m for m in metrics if m.unit == "%" and _ranks(groups, m) == _ranks(groups, decides)), decides)


def _ranks(groups: Sequence[Group], metric: Metric) -> list[int]:
    """The place of every network by the metric."""
    scores = [network.score(metric) for group in groups for network in group.networks]
    gains = [None if score is None else metric.gain(score.mean, 0) for score in scores]
    best = sorted({gain for gain in gains if gain is not None}, reverse=True)
    return [-1 if gain is None else best.index(gain) for gain in gains]


def _spots(groups: Sequence[Group], read: Cost, metric: Metric) -> list[plots.Spot]:
    """A spot for every network; one that is the same in several settings, once."""
    spots: dict[tuple[str, tuple[float, ...]], plots.Spot] = {}
    for group in groups:
        for network in group.networks:
            (cost, across), score = read(network), network.score(metric)
            name = ", ".join(group.values) if len(groups) > 1 and network is group.main else network.first.name
            if cost and score is not None:
                words = with_unit(score_text(network, metric), metric)
                tip = f"{name}: {words} test {metric.name}, {network.label}"
                low, high = network.interval(metric) or (score.mean, score.mean)
                spot = plots.Spot(float(cost), score.mean, low, high, network.first.role, name, tip, across)
                spots.setdefault((network.first.name, score.values), spot)
    return list(spots.values())


@dataclass(frozen=True)
class StageCost:
    """What a stage took: seconds are means over the runs of its group; ``epochs`` says what was not trained."""

    group: str
    stage: str
    epochs: str
    seconds: float
    share: float
    peak: str
    role: str = "other"


def stage_costs(groups: Sequence[Group]) -> list[StageCost]:
    """The stages of every group with their mean seconds, and their share of the longest one for a bar."""
    stages: dict[tuple[str, str], list[StageRecord]] = {}
    for group in groups:
        for stage in (stage for run in group.runs for stage in run.stages):
            everywhere = len(groups) > 1 and all(stage.key in _keys(other) for other in groups)
            stages.setdefault((ALL if everywhere else group.name, stage.name), []).append(stage)
    means = {at: mean(stage.seconds for stage in some) for at, some in stages.items()}
    longest = max(means.values(), default=0) or 1
    peaks = {at: max((stage.peak_bytes or 0) for stage in some) for at, some in stages.items()}
    roles = {n.stage: n.role for g in groups for run in g.runs for n in reversed(run.results.networks) if n.stage}
    return [
        StageCost(*at, _epochs(some[0]), means[at], means[at] / longest, byte_size(peaks[at]) if peaks[at] else "",
                  roles.get(at[1], "other"))
        for at, some in stages.items()
    ]  # fmt: skip


def cost_in_words(costs: Sequence[StageCost]) -> str:
    """What took the time: ``Of 46 min 47 s of training, the teacher took 56 % (26 min 19 s) and …``."""
    total = sum(cost.seconds for cost in costs)
    if total <= 0 or len(costs) < 2:
        return ""
    parts: list[str] = []
    for role in ("teacher", "baseline", "student"):
        some = [cost.seconds for cost in costs if cost.role == role and cost.seconds > 0]
        shortest, longest = (time_text(bound(some)) for bound in (min, max)) if some else ("", "")
        if some:
            share = f"{100 * sum(some) / total:.0f} %"
            each = shortest if shortest == longest else f"{shortest} to {longest}"
            who = f"the {role}" if len(some) == 1 else f"{len(some)} {role}s"
            parts.append(f"{who}{'' if parts else ' took'} {share} ({each}{' each' if len(some) > 1 else ''})")
    if not parts:
        return ""
    *first, last = parts
    joined = f"{', '.join(first)} and {last}" if first else last
    return f"Of {time_text(total)} of training, {joined}."


def _keys(group: Group) -> set[str]:
    return {stage.key for run in group.runs for stage in run.stages}


def _epochs(stage: StageRecord) -> str:
    return str(stage.epochs) if stage.kind == "trained" else stage.kind
