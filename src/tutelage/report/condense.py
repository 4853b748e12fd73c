"""The statistics of a log in less room, for results that are kept in a repository."""

from collections.abc import Sequence
from statistics import fmean, median
from typing import Any

from tutelage.results import statistic

Parts = dict[str, Any]
GRADIENTS = ("cosine", "negative", "relative")


def condensed(parts: Parts, whole: Sequence[Parts]) -> Parts:
    """A run whose statistics are on each stage's last line alone: there they are means over all epochs in ``whole``.

    Weights, which a report shows as they were at the end, keep their last value, and relative lengths their median.
    """
    log = [{key: value for key, value in line.items() if key != "statistics"} for line in parts["log"]]
    last = {line["stage"]: line for line in log}
    for stage, line in last.items():
        means = _means([epoch.get("statistics", {}) for epoch in whole if epoch["stage"] == stage])
        line |= {"statistics": means} if means else {}
    return {**parts, "log": log}


def with_parts(parts: Parts, large: Sequence[str]) -> Parts:
    """A run with statistics of weights, and of gradients on the parts ``large`` alone; with none where it is empty."""
    log = []
    for line in parts["log"]:
        kept = {who: _of(values, large) for who, values in line.get("statistics", {}).items()} if large else {}
        rest = {key: value for key, value in line.items() if key != "statistics"}
        log.append(rest | {"statistics": kept} if kept else rest)
    return {**parts, "log": log}


def three_digits(line: Parts) -> Parts:
    """A line of a log whose statistics have three digits."""
    if "statistics" not in line:
        return line
    short = {who: {name: float(f"{x:.3g}") for name, x in some.items()} for who, some in line["statistics"].items()}
    return {**line, "statistics": short}


def _means(epochs: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    lists: dict[str, dict[str, list[float]]] = {}
    for epoch in epochs:
        for who, values in epoch.items():
            for name, value in values.items():
                lists.setdefault(who, {}).setdefault(name, []).append(value)
    return {who: {name: _merged(name, some) for name, some in values.items()} for who, values in lists.items()}


def _merged(name: str, values: Sequence[float]) -> float:
    about = statistic(name)
    what = "" if about is None else about.what
    if what == "weight":
        return values[-1]
    return median(values) if what == "relative" else fmean(values)


def _of(values: dict[str, float], large: Sequence[str]) -> dict[str, float]:
    """Those that ``only`` keeps; gradients without their path, which says nothing that a report needs."""
    kept = {}
    for name, value in values.items():
        about = statistic(name)
        if about is not None and about.what == "weight":
            kept[name] = value
        elif about is not None and about.what in GRADIENTS and about.part in large:
            kept[name.rpartition("/")[2]] = value
    return kept
