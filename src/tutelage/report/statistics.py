"""What the statistics of a log are about, by their names, and their means over seeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple, TypeAlias

from tutelage.report.schema import Epoch

KINDS = {"cosine": (2,), "negative": (2,), "norm": (1,), "relative": (1,), "weight": (1, 2)}  # how many each is about


class Named(NamedTuple):
    """What one statistic is about: ``cosine`` and ``negative`` of two terms, ``norm`` and ``relative`` of one.

    ``weight`` is about one term, whose weight was learned, or about a layer of the student and one of the teacher.
    ``part`` of the network is empty for all shared parameters; ``path`` says which module kept the statistic.
    """

    what: str
    about: tuple[str, ...]
    part: str = ""
    path: str = ""


Row: TypeAlias = tuple[float | None, ...]
Learner: TypeAlias = str
Means: TypeAlias = dict[tuple[Learner, Named], dict[int, float]]  # epoch -> mean over seeds


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


def named(statistic: str) -> Named | None:
    """What the statistic of that name is about; nothing if it is of a kind that the report does not draw.

    >>> named("combine.means/cosine label | soft @ head")
    Named(what='cosine', about=('label', 'soft'), part='head', path='combine.means')
    >>> named("objective.layers.loss.means/weight student.layer2 | teacher.layer1").about
    ('student.layer2', 'teacher.layer1')
    """
    path, _, name = statistic.rpartition("/")
    what, _, rest = name.partition(" ")
    about, _, part = (rest, "", "") if what == "weight" else rest.partition(" @ ")
    found = Named(what, tuple(about.split(" | ")), part, path)
    return found if rest and len(found.about) in KINDS.get(what, ()) else None


def means(logs: Iterable[Sequence[Epoch]]) -> dict[str, Means]:
    """Stage -> its statistics over epochs: means over the logs that have them, at the epochs that these share."""
    abouts: dict[str, Named | None] = {}
    found: dict[str, dict[tuple[Learner, Named], list[dict[int, float]]]] = {}
    for log in logs:
        lines: dict[tuple[str, Learner, Named], dict[int, float]] = {}
        for epoch in log:
            values = [(who, *pair) for who, some in epoch.statistics.items() for pair in some.items()]
            for learner, name, value in values:
                about = abouts[name] if name in abouts else abouts.setdefault(name, named(name))
                if about is not None:
                    lines.setdefault((epoch.stage, learner, about), {})[epoch.epoch] = value
        for (stage, learner, about), line in lines.items():
            found.setdefault(stage, {}).setdefault((learner, about), []).append(line)
    merged = {stage: {key: _shared(seeds) for key, seeds in some.items()} for stage, some in found.items()}
    return {stage: {key: line for key, line in some.items() if line} for stage, some in merged.items()}


def _shared(seeds: Sequence[Mapping[int, float]]) -> dict[int, float]:
    epochs = [epoch for epoch in seeds[0] if all(epoch in seed for seed in seeds)]
    return {epoch: fmean([seed[epoch] for seed in seeds]) for epoch in epochs}
