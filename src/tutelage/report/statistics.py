"""What the statistics of a log are about, by their names, and their means over seeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

from tutelage.results import EpochRecord, Statistic, statistic

Row: TypeAlias = tuple[float | None, ...]
Learner: TypeAlias = str
Means: TypeAlias = dict[tuple[Learner, Statistic], dict[int, float]]  # epoch -> mean over seeds


@dataclass(frozen=True)
class History:
    """A number over epochs: a row for each thing that it is about, ``None`` where an epoch has none."""

    names: tuple[tuple[str, ...], ...]
    epochs: tuple[int, ...]
    rows: tuple[Row, ...]


def history(lines: Mapping[tuple[str, ...], Mapping[int, float]]) -> History:
    """Lines over epochs as rows over the same epochs: all that one of the lines has."""
    epochs = tuple(sorted({epoch for line in lines.values() for epoch in line}))
    return History(tuple(lines), epochs, tuple(tuple(line.get(epoch) for epoch in epochs) for line in lines.values()))


def means(logs: Iterable[Sequence[EpochRecord]]) -> dict[str, Means]:
    """Stage -> its statistics over epochs: means over the logs that have them, at the epochs that these share."""
    abouts: dict[str, Statistic | None] = {}
    stages: dict[str, dict[tuple[Learner, Statistic], list[dict[int, float]]]] = {}
    for log in logs:
        lines: dict[tuple[str, Learner, Statistic], dict[int, float]] = {}
        for epoch in log:
            values = [(who, *pair) for who, some in epoch.statistics.items() for pair in some.items()]
            for learner, name, value in values:
                about = abouts[name] if name in abouts else abouts.setdefault(name, statistic(name))
                if about is not None:
                    lines.setdefault((epoch.stage, learner, about), {})[epoch.epoch] = value
        for (stage, learner, about), line in lines.items():
            stages.setdefault(stage, {}).setdefault((learner, about), []).append(line)
    merged = {stage: {key: _shared(seeds) for key, seeds in some.items()} for stage, some in stages.items()}
    return {stage: {key: line for key, line in some.items() if line} for stage, some in merged.items()}


def _shared(seeds: Sequence[Mapping[int, float]]) -> dict[int, float]:
    epochs = [epoch for epoch in seeds[0] if all(epoch in seed for seed in seeds)]
    return {epoch: fmean([seed[epoch] for seed in seeds]) for epoch in epochs}
