"""What the networks cost: accuracy against size and latency, training time, and all of it as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from tutelage.report import plots
from tutelage.report.numbers import size
from tutelage.report.rows import ALL, rank_of
from tutelage.report.schema import Stage
from tutelage.report.seeds import Group, Measured

COLUMNS = (
    *("network", "role", "label", "count", "seeds", "errors", "sd", "low", "high"),
    *("agreement", "calibration_error", "parameters", "macs", "bytes"),
)


def table(found: Sequence[Group]) -> str:
    """The networks as CSV, one row a network, numbers in full; ``low`` and ``high`` bound the errors."""
    flags = list(found[0].by)
    batches = sorted({b for g in found for n in g.networks for b in n.first.latency_ms or {}}, key=rank_of)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*flags, *COLUMNS, *(f"latency_ms_batch_{batch}" for batch in batches)])
    for group, network in [(g, n) for g in found for n in g.networks]:
        latencies = [latency.median if (latency := network.latency(batch)) else "" for batch in batches]
        writer.writerow([*(group.by[flag] for flag in flags), *_cells(network), *latencies])
    return buffer.getvalue()


def _cells(network: Measured) -> list[Any]:
    one, errors = network.first, network.errors
    calibration = network.over(lambda network: network.calibration.error if network.calibration else None)
    agreement = network.over(lambda network: network.agreement)
    spreads = [spread.mean if spread else "" for spread in (agreement, calibration)]
    numbers = [one.count, errors.n, errors.mean, "" if errors.sd is None else errors.sd, *network.interval, *spreads]
    return [one.name, one.role, one.label, *numbers, one.parameters, one.macs, one.bytes]


@dataclass(frozen=True)
class Drawing:
    """A plot and the words below it."""

    svg: str
    caption: str


def scatters(found: Sequence[Group]) -> list[Drawing]:
    """Accuracy against parameters and against the latency at every batch size, as far as they were measured."""
    batches = {batch for group in found for network in group.networks for batch in network.first.latency_ms or {}}
    drawings = []
    spots = _spots(found, None)
    if len(spots) > 1:
        drawings.append(Drawing(plots.pareto(spots, "Accuracy against size", "parameters"), "Accuracy against size"))
    for batch in sorted(batches, key=rank_of):
        spots = _spots(found, batch)
        title = f"Accuracy against latency at batch {batch}"
        if len(spots) > 1:
            drawings.append(Drawing(plots.pareto(spots, title, f"ms a batch of {batch}"), title))
    return drawings


def _spots(found: Sequence[Group], batch: str | None) -> list[plots.Spot]:
    """A spot for every network; one that is the same in several settings, once."""
    spots: dict[tuple[str, tuple[float, ...]], plots.Spot] = {}
    for group in found:
        for network in group.networks:
            latency = network.latency(batch) if batch else None
            cost = network.first.parameters if batch is None else latency.median if latency else None
            name = ", ".join(group.values) if len(found) > 1 and network is group.main else network.first.name
            if cost:
                spots.setdefault((network.first.name, network.errors.values), _spot(network, float(cost), name))
    return list(spots.values())


def _spot(network: Measured, cost: float, name: str) -> plots.Spot:
    count = network.first.count
    y, low, high = (100 * max(v, 0) / count for v in (network.errors.mean, *network.interval))
    tip = f"{name}: {network.errors} test errors, {network.first.label}"
    return plots.Spot(cost, y, low, high, network.first.role, name, tip)


@dataclass(frozen=True)
class Cost:
    """What a stage took: seconds are means over the runs of its group."""

    group: str
    stage: str
    epochs: int
    seconds: float
    share: float
    peak: str


def costs(found: Sequence[Group]) -> list[Cost]:
    """The stages of every group with their mean seconds, and their share of the longest one for a bar."""
    stages: dict[tuple[str, str], list[Stage]] = {}
    for group in found:
        for stage in (stage for run in group.runs for stage in run.stages):
            everywhere = len(found) > 1 and all(stage.key in _keys(other) for other in found)
            stages.setdefault((ALL if everywhere else group.name, stage.name), []).append(stage)
    means = {at: mean(stage.seconds for stage in some) for at, some in stages.items()}
    longest = max(means.values(), default=0) or 1
    peaks = {at: max((stage.peak_bytes or 0) for stage in some) for at, some in stages.items()}
    return [
        Cost(*at, some[0].epochs, means[at], means[at] / longest, size(peaks[at]) if peaks[at] else "")
        for at, some in stages.items()
    ]


def _keys(group: Group) -> set[str]:
    return {stage.key for run in group.runs for stage in run.stages}
