"""What Cho & Hariharan claim of bigger teachers and of stopping early; only directions could be read, no figures."""

from collections.abc import Mapping, Sequence

from tutelage.results import Claim, Metric, Network
from tutelage.run import Run
from tutelage.study.experiments.efficacy import kd_for, method_for

PAPER = "Cho & Hariharan 2019, arXiv:1910.01348"


def claim_size(
    run: Run, networks: Mapping[str, Network], teachers: Sequence[str], metric: Metric, reason: str, note: str = ""
) -> None:
    """That the largest teacher makes a worse student than the one before it, taught throughout.

    Not than the best of all smaller ones: the best of several equals would beat it by chance alone.
    """
    if len(teachers) > 1:
        *_, smaller, largest = teachers
        words = f"{smaller} makes a better student than {largest}"
        _claim(run, networks, words, f"kd from {smaller}", f"kd from {largest}", metric, reason, note)


def claim_stops(
    run: Run,
    networks: Mapping[str, Network],
    teacher: str,
    stops: Sequence[int],
    early: Sequence[str],
    metric: Metric,
    reason: str,
    note: str = "",
) -> None:
    """That KD that is switched off, and a teacher that stops early, beat those that go on to the end: each stop alone.

    ``early`` are teachers of complete shorter schedules. Not that the best of several does, as ``claim_size`` has it.
    """
    full = f"kd from {teacher}"
    for stop in stops:
        words = f"{method_for(stop)} beats kd throughout"
        _claim(run, networks, words, kd_for(stop, teacher), full, metric, reason, note)
    for name in early:
        words = f"{name} makes a better student than {teacher} after all of its epochs"
        _claim(run, networks, words, f"kd from {name}", full, metric, reason, note)


def _claim(
    run: Run,
    networks: Mapping[str, Network],
    words: str,
    one: str,
    other: str,
    metric: Metric,
    reason: str,
    note: str,
) -> None:
    if one in networks and other in networks:
        gain = metric.gain(*(networks[name].scores[metric.name].value for name in (one, other)))
        measured, unit = round(gain, 2), "points" if metric.unit == "%" else f"fewer {metric.name}"
        said = "; ".join(filter(None, [one, note, "only the direction is published here"]))
        run.claim(Claim(words, 0.0, measured, unit, PAPER, low=0.01, note=said, reason=reason, paired=True))
