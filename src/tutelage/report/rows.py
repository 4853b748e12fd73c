"""Networks and settings as rows of texts: the same for the page, the terminal and Markdown."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tutelage.report.compare import Difference
from tutelage.report.groups import Group, NetworkOverSeeds, sort_key
from tutelage.report.numbers import (
    MINUS,
    byte_size,
    decimal_places,
    decimals,
    exact,
    measured,
    plus_minus,
    probability,
    rounded,
    scaled,
    significant,
)
from tutelage.report.spread import Spread
from tutelage.report.tables import in_order
from tutelage.results import Metric

ALL = "all settings"
Row = TypeVar("Row", "ClaimRow", "NetworkRow")


@dataclass(frozen=True)
class ClaimRow:
    """A published figure beside the measured one."""

    group: str
    name: str
    unit: str
    published: str
    measured: str
    interval: str
    n: int
    p: str
    condition: str
    sign: str
    verdict: str
    reason: str
    note: str
    source: str


@dataclass(frozen=True)
class NetworkRow:
    """One network's numbers; ``scores`` are in the order of the story's metrics, the first with its interval.

    ``latency`` (batch size -> ms) is the clock's.
    """

    group: str
    name: str
    role: str
    label: str
    n: int
    scores: tuple[str, ...]
    parameters: str
    macs: str
    bytes: str
    agreement: str
    calibration: str
    best: str
    validation: str
    notes: tuple[str, ...] = ()
    latency: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class GroupRow:
    """One setting of the flags against the first one; ``scores`` are of the deciding metric, by network."""

    name: str
    values: tuple[str, ...]
    n: int
    scores: dict[str, str]
    difference: str
    t: str
    flips: str
    reason: str


def network_row(group: Group, network: NetworkOverSeeds, metrics: Sequence[Metric]) -> NetworkRow:
    """A network as the tables show it; an empty text where it was not measured."""
    one = network.first
    calibration = network.over(lambda network: network.calibration.error if network.calibration else None)
    agreement = network.over(lambda network: network.agreement)
    batches = sorted(one.latency_ms or {}, key=batch_key)
    latencies = {batch: latency for batch in batches if (latency := network.latency(batch)) is not None}
    return NetworkRow(
        group.name,
        one.name,
        one.role,
        network.label,
        len(network.networks),
        tuple(score_text(network, metric, certain=not i) for i, metric in enumerate(metrics)),
        exact(one.parameters) if one.parameters is not None else "",
        scaled(one.macs) if one.macs is not None else "",
        byte_size(one.bytes) if one.bytes is not None else "",
        percent(agreement, one.count) if agreement else "",
        _calibration(calibration),
        _best(network, metrics[0]) if metrics else "",
        _validation(network, metrics[0]) if metrics else "",
        tuple(dict.fromkeys(note for each in network.networks for note in each.notes)),
        {batch: significant(x.median) for batch, x in latencies.items()},
    )


def score_text(network: NetworkOverSeeds, metric: Metric, *, certain: bool = False, more: int = 0) -> str:
    """A metric as mean ± sd over seeds, or a single run's to the digits of its interval, which is ``certain``ly told.

    Nothing where it was not measured. With ``more`` places than that, where it does not tell one from another.
    """
    score, half = network.score(metric), network.half(metric)
    if score is None or score.n > 1:
        return "" if score is None else plus_minus(score.mean, score.sd, more=more)
    bounds = network.interval(metric) or (score.mean, score.mean)
    low, high = (measured(bound, half, like=score.mean, more=more) for bound in bounds)
    value = measured(score.mean, half, more=more)
    return f"{value} ({low} to {high})" if certain and network.interval(metric) else value


def with_unit(words: str, metric: Metric) -> str:
    """A number with its metric's unit: ``98.7 %``."""
    return f"{words} {metric.unit}".strip()


def _best(network: NetworkOverSeeds, metric: Metric) -> str:
    best = network.over(lambda network: network.best.scores.get(metric.name) if network.best else None)
    if best is None or network.first.best is None:
        return ""
    return f"{best} (epoch {network.first.best.epoch})" if best.n == 1 else str(best)


def _validation(network: NetworkOverSeeds, metric: Metric) -> str:
    score = network.over(lambda network: (network.validation or {}).get(metric.name))
    count = (network.first.validation or {}).get("count")
    return "" if score is None else str(score) if count is None else f"{score} on {exact(count)}"


def _calibration(error: Spread | None) -> str:
    if error is None:
        return ""
    return significant(100 * error.mean, 2) if error.sd is None else plus_minus(100 * error.mean, 100 * error.sd)


def group_row(group: Group, difference: Difference, first: Group, *, ranked: bool = True) -> GroupRow:
    """A setting's deciding metric and, if settings are ranked, its difference to the first one."""
    networks = [each for each in (group.main, group.role("baseline"), group.role("teacher")) if each is not None]
    delta = "" if difference.difference is None else _delta(difference.difference)
    tested = [
        delta,
        *("" if p is None else probability(p) for p in (difference.t, difference.flips)),
        difference.reason,
    ]
    if group is first:
        tested = ["–", "–", "–", ""]
    return GroupRow(
        group.name,
        group.values,
        len(group.runs),
        {network.first.name: score_text(network, group.metric) for network in networks},
        *(tested if ranked else [""] * 4),
    )


def _delta(difference: Spread) -> str:
    if not difference.sd:
        return signed(difference.mean, 0)
    digits = decimals(difference.sd)
    sign = "+" if difference.mean > 0 else MINUS
    return f"{sign}{abs(difference.mean):,.{digits}f} ± {difference.sd:,.{digits}f}"


def signed(value: float, spread: float) -> str:
    """A difference with its sign: ``+19``, ``−48``, ``±0``."""
    text = rounded(abs(value), spread)
    if not text.strip("0."):
        return f"±{text}"
    return f"{'+' if value > 0 else MINUS}{text}"


def percent(spread: Spread, count: int) -> str:
    """A share of ``count`` samples in per cent, to the digits that so many samples (or the seeds) carry."""
    p = spread.mean
    noise = spread.sd if spread.sd is not None else (max(p * (1 - p), 1 / count) / count) ** 0.5
    if spread.sd is not None:
        return plus_minus(100 * p, 100 * spread.sd)
    return f"{100 * p:.{decimal_places(100 * noise)}f}"


def batch_key(batch: str) -> tuple[int, float, str]:
    """A sort key for batch sizes, which JSON writes as texts."""
    return sort_key(float(batch)) if re.fullmatch(r"[\d.]+", batch) else sort_key(batch)


def network_rows(groups: Sequence[Group], metrics: Sequence[Metric]) -> list[NetworkRow]:
    """Every network of every setting; one that is the same in all settings, once, its latency a mean over all runs."""
    rows = [network_row(group, network, metrics) for group in groups for network in in_order(group)]
    runs = Group({}, tuple(run for group in groups for run in group.runs))
    clocks = {network.first.name: network_row(runs, network, metrics).latency for network in runs.networks}
    once = once_if_shared([replace(row, latency={}) for row in rows], len(groups))
    own = {(row.group, row.name): row.latency for row in rows}
    return [replace(row, latency=own.get((row.group, row.name), clocks[row.name])) for row in once]


def once_if_shared(rows: Sequence[Row], settings: int) -> list[Row]:
    """The rows, but one with the group ``all`` for those that are equal in every one of several settings."""
    count = Counter(replace(row, group="") for row in rows)
    once: dict[Row, None] = {}
    for row in rows:
        everywhere = settings > 1 and count[replace(row, group="")] == settings
        once.setdefault(replace(row, group=ALL) if everywhere else row)
    return list(once)
