"""Many runs as a few groups, each a setting of the flags that was run with one or more seeds."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import Any
from zlib import crc32

from tutelage.plurals import counted
from tutelage.report.numbers import exact
from tutelage.report.paired import mean_interval
from tutelage.report.read import FinishedRun
from tutelage.report.settings import setting, settings_of, usual_of
from tutelage.report.spread import Spread
from tutelage.report.statistics import Means, means
from tutelage.report.verdicts import Verdict, verdict_on
from tutelage.results import Calibration, Claim, Interval, Latency, Metric, Network

LONGEST = 80  # letters of a value
NONE: tuple[Any, ...] = (None, "", (), [])  # values without a text
UNKNOWN = Metric("score")  # of runs that measured no network


@dataclass(frozen=True)
class NetworkOverSeeds:
    """One network over the seeds of a group; what is not a spread comes from the first seed."""

    first: Network
    networks: tuple[Network, ...]

    @property
    def label(self) -> str:
        """What is said of it; where seeds differ, such as in a method that a pilot chose, how many it is said of."""
        said = Counter(network.label for network in self.networks)
        if len(said) == 1:
            return self.first.label
        return "; ".join(f"{label} ({n} of {counted(said.total(), 'seed')})" for label, n in said.most_common())

    def over(self, read: Callable[[Network], float | None]) -> Spread | None:
        """``read(network)`` over seeds, or ``None`` where some seed has no such number."""
        values = [read(network) for network in self.networks]
        known = tuple(value for value in values if value is not None)
        return Spread(known) if known and len(known) == len(values) else None

    def score(self, metric: Metric) -> Spread | None:
        """The metric on the test set over seeds, or ``None`` where some seed lacks it."""
        return self.over(lambda network: score.value if (score := network.scores.get(metric.name)) else None)

    def interval(self, metric: Metric) -> Interval | None:
        """Where the metric lies at 95 %: its mean over seeds, by their spread, or a single seed, by its test samples.

        Seeds that are all the same (one network that they share, a coarse count) have no spread: their own interval.
        """
        score = self.score(metric)
        if score is None:
            return None
        own = self.first.scores[metric.name].interval
        return (own if not score.sd else None) or mean_interval(score.values)

    def half(self, metric: Metric) -> float:
        """Half of the interval's length, 0 where it is not known."""
        low, high = self.interval(metric) or (0.0, 0.0)
        return (high - low) / 2

    def latency(self, batch: str) -> Latency | None:
        """Milliseconds at a batch size: means over seeds of median and quartiles; the threads, if always as many."""
        clocks = [times[batch] for network in self.networks if batch in (times := network.latency_ms or {})]
        if not clocks:
            return None
        threads = {clock.threads for clock in clocks}
        return Latency(
            mean(clock.median for clock in clocks),
            mean(clock.q1 for clock in clocks),
            mean(clock.q3 for clock in clocks),
            threads.pop() if len(threads) == 1 else None,
        )

    @property
    def calibration(self) -> Calibration | None:
        return self.first.calibration

    def confusion(self) -> list[tuple[int, int, float]]:
        """(target, predicted, count), summed over seeds, worst first."""
        total: dict[tuple[int, int], float] = {}
        for target, predicted, count in (pair for network in self.networks for pair in network.confusion):
            total[target, predicted] = total.get((target, predicted), 0) + count
        return sorted(((*pair, count) for pair, count in total.items()), key=lambda x: (-x[2], x[0], x[1]))


@dataclass(frozen=True)
class Group:
    """The runs of one setting, ``by`` (flag -> value; empty if there is only one), ordered by seed."""

    by: dict[str, Any]
    runs: tuple[FinishedRun, ...]

    @property
    def name(self) -> str:
        pairs = zip(self.by.items(), self.values, strict=True)
        return ", ".join(f"no {flag}" if value in NONE else f"{flag} {text}" for (flag, value), text in pairs)

    @property
    def values(self) -> tuple[str, ...]:
        """The flags' values as texts, long lists cut short."""
        return tuple(_cut(value_text(value)) for value in self.by.values())

    @property
    def seeds(self) -> tuple[Any, ...]:
        return tuple(run.seed for run in self.runs)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """All that was measured of networks; the first decides."""
        return tuple(dict.fromkeys(metric for run in self.runs for metric in run.results.metrics))

    @property
    def metric(self) -> Metric:
        """The one that decides."""
        return self.metrics[0] if self.metrics else UNKNOWN

    @cached_property
    def networks(self) -> tuple[NetworkOverSeeds, ...]:
        """Every network of the group, by name, in the order of the first run; once a seed."""
        by_name: dict[str, dict[str, Network]] = {}
        for seed, network in ((repr(run.seed), network) for run in self.runs for network in run.results.networks):
            by_name.setdefault(network.name, {}).setdefault(seed, network)
        return tuple(NetworkOverSeeds(next(iter(some.values())), tuple(some.values())) for some in by_name.values())

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        by_name: dict[str, list[tuple[Any, Claim]]] = {}
        for seed, claim in ((run.seed, claim) for run in self.runs for claim in run.results.claims):
            by_name.setdefault(claim.name, []).append((seed, claim))
        return tuple(verdict_on(claims) for claims in by_name.values())

    @cached_property
    def statistics(self) -> dict[str, Means]:
        """Stage -> what was measured on its way, means over seeds; the stage of the main network comes first."""
        main = self.main.first.stage if self.main else None
        by_stage = means(run.log for run in self.runs)
        return {stage: by_stage[stage] for stage in sorted(by_stage, key=lambda stage: stage != main)}

    def role(self, role: str) -> NetworkOverSeeds | None:
        """The first network with this role: the one that the sentence is about."""
        return next((network for network in self.networks if network.first.role == role), None)

    @property
    def main(self) -> NetworkOverSeeds | None:
        """The network that the report is about: the student, or else the first."""
        return self.role("student") or next(iter(self.networks), None)


def group_runs(runs: Sequence[FinishedRun], by: Sequence[str] = ()) -> tuple[Group, ...]:
    """The runs by the flags in ``by``, or by what else differs between them but the seed; sorted by value.

    Raises ``ValueError`` if there are no runs, if they are of several recipes, or if one has no such flag.
    """
    if not runs:
        raise ValueError("A report needs at least one run, but none was given.")
    recipes = sorted({run.request.recipe for run in runs})
    if len(recipes) > 1:
        raise ValueError(f"A report is about one recipe, but the runs are of {len(recipes)}: {', '.join(recipes)}.")
    by, usual = settings_of(runs, by), usual_of(runs)
    settings: dict[str, tuple[dict[str, Any], list[FinishedRun]]] = {}
    for run in sorted(runs, key=lambda run: sort_key(run.seed)):
        values = {flag: setting(run, flag, usual) for flag in by}
        settings.setdefault(repr(values), (values, []))[1].append(run)
    ordered = sorted(settings.values(), key=lambda one: [sort_key(value) for value in one[0].values()])
    return tuple(Group(values, tuple(some)) for values, some in ordered)


def sort_key(value: Any) -> tuple[int, float, str]:
    """A sort key that puts numbers in order before everything else."""
    number = isinstance(value, int | float)
    return (0, float(value), "") if number else (1, 0.0, str(value))


def value_text(value: Any, between: str = ", ") -> str:
    """A flag's value: ``4``, not ``4.0``; ``kd, dkd`` of a list; ``none`` where there is none.

    >>> value_text(4.0), value_text(["kd", 0.5]), value_text(True), value_text(None), value_text([])
    ('4', 'kd, 0.5', 'True', 'none', 'none')
    """
    if value in NONE:
        return "none"
    if isinstance(value, list | tuple):
        return between.join(value_text(item, between) for item in value)
    return exact(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _cut(words: str) -> str:
    """At most ``LONGEST`` letters; a checksum tells apart what begins alike."""
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 12]}… ({crc32(words.encode()):08x})"
