"""Many runs as a few groups, each a setting of the flags that was run with one or more seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean, stdev
from typing import Any

from tutelage.report.numbers import plain, plus_minus
from tutelage.report.paired import LEVEL, paired_t
from tutelage.report.read import Run
from tutelage.report.schema import Calibration, Claim, Latency, Network
from tutelage.report.statistics import Means, means


@dataclass(frozen=True)
class Spread:
    """One number over seeds; ``sd`` is the sample standard deviation, ``None`` for a single value."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.values)

    @cached_property
    def mean(self) -> float:
        return mean(self.values)

    @cached_property
    def sd(self) -> float | None:
        return stdev(self.values) if self.n > 1 else None

    def __str__(self) -> str:
        return plus_minus(self.mean, self.sd)


@dataclass(frozen=True)
class Verdict:
    """A claim over the seeds of a group: ``word`` says whether the mean of the measured lies where it should.

    ``p`` is the probability of so large a difference by chance, where the measured are differences over several seeds.
    """

    claim: Claim
    measured: Spread

    @cached_property
    def p(self) -> float | None:
        return paired_t(self.measured.values) if self.claim.paired else None

    @property
    def word(self) -> str:
        """``holds``, ``not at this scale`` (the claim says which scale would decide) or ``does not hold``.

        A paired difference that chance explains as well, or that a single seed shows, is ``undecided``.
        """
        if self.claim.paired and (self.p is None or self.p >= LEVEL):
            return "undecided"
        low, high = self.claim.low, self.claim.high
        if (low is None or self.measured.mean >= low) and (high is None or self.measured.mean <= high):
            return "holds"
        return "not at this scale" if self.claim.scale else "does not hold"

    @property
    def sign(self) -> str:
        return {"holds": "✓", "does not hold": "✗", "not at this scale": "○", "undecided": "?"}[self.word]

    @property
    def condition(self) -> str:
        """Where the measured must lie: ``≤ 95``, ``≥ 1.2``, ``130 to 170``."""
        low, high = self.claim.low, self.claim.high
        if low is not None and high is not None:
            return f"{plain(low)} to {plain(high)}"
        if high is not None:
            return f"≤ {plain(high)}"
        return f"≥ {plain(low)}" if low is not None else "always"


@dataclass(frozen=True)
class Measured:
    """One network over the seeds of a group; what is not a spread comes from the first seed."""

    first: Network
    networks: tuple[Network, ...]

    def over(self, read: Callable[[Network], float | None]) -> Spread | None:
        """``read(network)`` over seeds, or ``None`` where some seed has no such number."""
        values = [read(network) for network in self.networks]
        found = tuple(value for value in values if value is not None)
        return Spread(found) if found and len(found) == len(values) else None

    @cached_property
    def errors(self) -> Spread:
        return Spread(tuple(network.errors for network in self.networks))

    @cached_property
    def interval(self) -> tuple[float, float]:
        """What the errors' mean may be: ± one standard deviation over seeds, or the single run's own interval."""
        if self.errors.sd is None:
            return self.first.interval
        return self.errors.mean - self.errors.sd, self.errors.mean + self.errors.sd

    def latency(self, batch: str) -> Latency | None:
        """Milliseconds at a batch size: means over seeds of median and quartiles."""
        found = [times[batch] for network in self.networks if batch in (times := network.latency_ms or {})]
        if not found:
            return None
        return Latency(mean(x.median for x in found), mean(x.q1 for x in found), mean(x.q3 for x in found))

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
    runs: tuple[Run, ...]

    @property
    def name(self) -> str:
        return ", ".join(f"{flag} {value}" for flag, value in zip(self.by, self.values, strict=True))

    @property
    def values(self) -> tuple[str, ...]:
        """The flags' values as texts: ``4``, not ``4.0``."""
        return tuple(
            str(v) if isinstance(v, bool) or not isinstance(v, int | float) else plain(v) for v in self.by.values()
        )

    @property
    def seeds(self) -> tuple[Any, ...]:
        return tuple(run.seed for run in self.runs)

    @cached_property
    def networks(self) -> tuple[Measured, ...]:
        """Every network of the group, by name, in the order of the first run."""
        found: dict[str, list[Network]] = {}
        for network in (network for run in self.runs for network in run.results.networks):
            found.setdefault(network.name, []).append(network)
        return tuple(Measured(networks[0], tuple(networks)) for networks in found.values())

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        found: dict[str, list[Claim]] = {}
        for claim in (claim for run in self.runs for claim in run.results.claims):
            found.setdefault(claim.name, []).append(claim)
        return tuple(Verdict(claims[0], Spread(tuple(c.measured for c in claims))) for claims in found.values())

    @cached_property
    def statistics(self) -> dict[str, Means]:
        """Stage -> what was measured on its way, means over seeds; the stage of the main network comes first."""
        main = self.main.first.stage if self.main else None
        found = means(run.log for run in self.runs)
        return {stage: found[stage] for stage in sorted(found, key=lambda stage: stage != main)}

    def role(self, role: str) -> Measured | None:
        """The first network with this role: the one that the sentence is about."""
        return next((network for network in self.networks if network.first.role == role), None)

    @property
    def main(self) -> Measured | None:
        """The network that the report is about: the student, or else the first."""
        return self.role("student") or next(iter(self.networks), None)


def groups(runs: Sequence[Run], by: Sequence[str] = ()) -> tuple[Group, ...]:
    """The runs by the flags in ``by``, or by every flag but the seed that differs between them; sorted by value.

    Raises ``ValueError`` if there are no runs, if they are of several recipes, or if one has no such flag.
    """
    if not runs:
        raise ValueError("A report needs at least one run, but none was given.")
    recipes = sorted({run.asked.recipe for run in runs})
    if len(recipes) > 1:
        raise ValueError(f"A report is about one recipe, but the runs are of {len(recipes)}: {', '.join(recipes)}.")
    by = tuple(by) or differing(runs)
    for run in runs:
        missing = [flag for flag in by if flag not in run.asked.arguments]
        if missing:
            raise ValueError(f"{run.asked.recipe} has no flag {missing[0]!r}; it has {sorted(run.asked.arguments)}.")
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: [*(rank(run.asked.arguments[flag]) for flag in by), rank(run.seed)]):
        found.setdefault(repr([run.asked.arguments[flag] for flag in by]), []).append(run)
    return tuple(Group({flag: some[0].asked.arguments[flag] for flag in by}, tuple(some)) for some in found.values())


def differing(runs: Sequence[Run], but: Sequence[str] = ("seed",)) -> tuple[str, ...]:
    """The flags, ``but`` for these, that have more than one value among the runs."""
    flags = dict.fromkeys(flag for run in runs for flag in run.asked.arguments if flag not in but)
    return tuple(flag for flag in flags if len({repr(run.asked.arguments.get(flag)) for run in runs}) > 1)


def rank(value: Any) -> tuple[int, float, str]:
    """A sort key that puts numbers in order before everything else."""
    number = isinstance(value, int | float)
    return (0, float(value), "") if number else (1, 0.0, str(value))
