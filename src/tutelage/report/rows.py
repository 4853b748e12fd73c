"""Claims, networks and settings as rows of texts: the same for the page, the terminal and Markdown."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tutelage.report.compare import Difference
from tutelage.report.numbers import decimals, places, plain, plus_minus, probability, rounded, scaled, significant, size
from tutelage.report.seeds import Group, Measured, Spread, Verdict, rank

MINUS = "−"
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
    n: int
    p: str
    condition: str
    sign: str
    verdict: str
    scale: str
    note: str
    source: str


@dataclass(frozen=True)
class NetworkRow:
    """One network's numbers; ``latency`` (batch size -> ms) is the clock's."""

    group: str
    name: str
    role: str
    label: str
    n: int
    errors: str
    accuracy: str
    parameters: str
    macs: str
    bytes: str
    agreement: str
    calibration: str
    best: str
    validation: str
    latency: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class GroupRow:
    """One setting of the flags against the first one."""

    name: str
    values: tuple[str, ...]
    n: int
    errors: dict[str, str]  # name of a network -> test errors
    difference: str
    t: str
    flips: str
    reason: str


def claim_row(group: Group, verdict: Verdict) -> ClaimRow:
    """A claim as the table shows it; a single measurement as finely as the published figure and the bounds are."""
    claim, measured = verdict.claim, verdict.measured
    given = (x for x in (claim.published, claim.low, claim.high) if x is not None)
    places = max(len(plain(x).partition(".")[2]) for x in given)
    one = plain(measured.mean) if measured.mean.is_integer() else f"{measured.mean:,.{places}f}"
    if float(one.replace(",", "")) == 0 and measured.mean:
        one = significant(measured.mean, 2)
    return ClaimRow(
        group.name,
        claim.name,
        claim.unit,
        plain(claim.published),
        one if measured.n == 1 else str(measured),
        measured.n,
        "" if verdict.p is None else probability(verdict.p),
        verdict.condition,
        verdict.sign,
        verdict.word,
        claim.scale or "" if verdict.word == "not at this scale" else "",
        claim.note,
        claim.source,
    )


def network_row(group: Group, network: Measured) -> NetworkRow:
    """A network as the tables show it; an empty text where it was not measured."""
    one, errors, spread = network.first, network.errors, half(network)
    low, high = (rounded(bound, spread) for bound in one.interval)
    accuracy = 100 * (1 - errors.mean / one.count)
    noise = 100 * (spread if errors.sd is None else errors.sd) / one.count
    calibration = network.over(lambda network: network.calibration.error if network.calibration else None)
    agreement = network.over(lambda network: network.agreement)
    best = network.over(lambda network: network.best.errors if network.best else None)
    validation = network.over(lambda network: network.validation.errors if network.validation else None)
    found = sorted(one.latency_ms or {}, key=rank_of)
    latencies = {batch: latency for batch in found if (latency := network.latency(batch)) is not None}
    return NetworkRow(
        group.name,
        one.name,
        one.role,
        one.label,
        errors.n,
        f"{errors} ({low} to {high})" if errors.n == 1 else str(errors),
        plus_minus(accuracy, noise) if errors.n > 1 else f"{accuracy:.{places(noise)}f}",
        plain(one.parameters) if one.parameters is not None else "",
        scaled(one.macs) if one.macs is not None else "",
        size(one.bytes) if one.bytes is not None else "",
        share(agreement, one.count) if agreement else "",
        _calibration(calibration),
        "" if best is None else f"{best} (epoch {one.best.epoch})" if best.n == 1 and one.best else str(best),
        "" if validation is None or one.validation is None else f"{validation} of {plain(one.validation.count)}",
        {batch: rounded(x.median, x.q3 - x.q1) for batch, x in latencies.items()},
    )


def _calibration(error: Spread | None) -> str:
    if error is None:
        return ""
    return significant(100 * error.mean, 2) if error.sd is None else plus_minus(100 * error.mean, 100 * error.sd)


def group_row(group: Group, difference: Difference) -> GroupRow:
    """A setting's test errors and its difference to the first setting."""
    shown = [network for network in (group.main, group.role("alone"), group.role("teacher")) if network is not None]
    first = difference.difference is not None and not any(difference.difference.values) and difference.flips == 1
    delta = "" if difference.difference is None else _delta(difference.difference)
    return GroupRow(
        group.name,
        group.values,
        len(group.runs),
        {network.first.name: str(network.errors) for network in shown},
        "" if first else delta,
        "" if first or difference.t is None else probability(difference.t),
        "" if first or difference.flips is None else probability(difference.flips),
        "" if first else difference.reason,
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


def share(spread: Spread, count: int) -> str:
    """A share of ``count`` samples in per cent, to the digits that so many samples (or the seeds) carry."""
    p = spread.mean
    noise = spread.sd if spread.sd is not None else (max(p * (1 - p), 1 / count) / count) ** 0.5
    if spread.sd is not None:
        return plus_minus(100 * p, 100 * spread.sd)
    return f"{100 * p:.{places(100 * noise)}f}"


def half(network: Measured) -> float:
    return (network.interval[1] - network.interval[0]) / 2


def rank_of(batch: str) -> tuple[int, float, str]:
    """A sort key for batch sizes, which JSON writes as texts."""
    return rank(float(batch)) if re.fullmatch(r"[\d.]+", batch) else rank(batch)


def claim_rows(groups: Sequence[Group]) -> list[ClaimRow]:
    """Every claim of every setting; one that is the same in all settings, once."""
    return _shared([claim_row(group, verdict) for group in groups for verdict in group.verdicts], len(groups))


def network_rows(groups: Sequence[Group]) -> list[NetworkRow]:
    """Every network of every setting; one that is the same in all settings, once, its latency a mean over all runs."""
    rows = [network_row(group, network) for group in groups for network in group.networks]
    runs = Group({}, tuple(run for group in groups for run in group.runs))
    clocks = {network.first.name: network_row(runs, network).latency for network in runs.networks}
    found = _shared([replace(row, latency={}) for row in rows], len(groups))
    own = {(row.group, row.name): row.latency for row in rows}
    return [replace(row, latency=own.get((row.group, row.name), clocks[row.name])) for row in found]


def _shared(rows: Sequence[Row], settings: int) -> list[Row]:
    """The rows, but one with the group ``all`` for those that are equal in every one of several settings."""
    count = Counter(replace(row, group="") for row in rows)
    found: dict[Row, None] = {}
    for row in rows:
        everywhere = settings > 1 and count[replace(row, group="")] == settings
        found.setdefault(replace(row, group=ALL) if everywhere else row)
    return list(found)


def by_claim(rows: Sequence[ClaimRow]) -> list[list[ClaimRow]]:
    """The rows of each claim together, whatever setting they are of."""
    found: dict[str, list[ClaimRow]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return list(found.values())
