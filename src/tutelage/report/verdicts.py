"""Whether a published claim holds, as far as what was measured can say."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import inf
from statistics import mean
from typing import Any

from tutelage.plurals import counted
from tutelage.report.numbers import exact
from tutelage.report.paired import mean_interval, paired_t
from tutelage.report.spread import Spread
from tutelage.results import Claim, Interval

SIGNS = {"holds": "✓", "does not hold": "✗", "not judged": "○", "undecided": "?"}
MEANINGS = {
    "holds": "it lies within the bounds",
    "does not hold": "it lies outside",
    "not judged": "the run is not what the claim is about",
    "undecided": "it reaches across a bound, or is not known",
}


@dataclass(frozen=True)
class Verdict:
    """A claim, the figure that was measured over seeds, and what the test samples leave of each (``own``, if known).

    ``p`` is the probability of so large a difference by chance, where the measured are differences over several seeds.
    """

    claim: Claim
    measured: Spread
    own: tuple[Interval | None, ...] = ()

    @cached_property
    def p(self) -> float | None:
        return paired_t(self.measured.values) if self.claim.paired else None

    @property
    def word(self) -> str:
        """``not judged`` where the claim has a reason; otherwise what all of the intervals say alike.

        Within the bounds a claim ``holds``, outside it ``does not hold``. It is ``undecided`` where an interval reaches
        across a bound, where none is known, and where they disagree.
        """
        if self.claim.reason:
            return "not judged"
        words = {_place(interval, self.claim) for interval in self._deciding}
        return words.pop() if len(words) == 1 else "undecided"

    @cached_property
    def _deciding(self) -> tuple[Interval | None, ...]:
        """The mean's interval over as many seeds as the claim asks for; with fewer, or all equal, each seed's own.

        What the test samples leave never decides a paired claim: both trainings have the same samples.
        """
        same = len(set(self.measured.values)) == 1  # one network that all seeds share, or a coarse count: no spread
        if self.measured.n >= self.claim.seeds and self.measured.n > 1 and not (same and any(self.own)):
            return (mean_interval(self.measured.values),)
        return (None,) if self.claim.paired or not self.own else self.own

    @property
    def interval(self) -> Interval | None:
        """What holds all intervals that decide; ``None`` where one of them is not known."""
        known = [interval for interval in self._deciding if interval is not None]
        if len(known) < len(self._deciding):
            return None
        return min(low for low, _ in known), max(high for _, high in known)

    @property
    def reason(self) -> str:
        """Why the claim is not judged, or how many seeds may decide it, where these are fewer."""
        if self.claim.reason or self.word != "undecided":
            return self.claim.reason
        needed = max(self.claim.seeds, 2)
        return f"takes {counted(needed, 'seed')} or more" if self.measured.n < needed else ""

    @property
    def sign(self) -> str:
        return SIGNS[self.word]

    @property
    def condition(self) -> str:
        """Where the measured must lie: ``≤ 95``, ``≥ 1.2``, ``130 to 170``."""
        low, high = self.claim.low, self.claim.high
        if low is not None and high is not None:
            return f"{exact(low)} to {exact(high)}"
        return f"≤ {exact(high)}" if high is not None else f"≥ {exact(low or 0)}"


def verdict_on(claims: Iterable[tuple[Any, Claim]]) -> Verdict:
    """The verdict on the claims of one name, each with its run's seed; a seed that was run twice counts once."""
    by_seed: dict[str, list[Claim]] = {}
    for seed, claim in claims:
        by_seed.setdefault(repr(seed), []).append(claim)
    every = [claim for some in by_seed.values() for claim in some]
    measured = Spread(tuple(mean(claim.measured for claim in some) for some in by_seed.values()))
    first = next((claim for claim in every if claim.reason), every[0])
    return Verdict(first, measured, tuple(claim.interval for claim in every))


def _place(interval: Interval | None, claim: Claim) -> str:
    low = -inf if claim.low is None else claim.low
    high = inf if claim.high is None else claim.high
    if interval is None:
        return "undecided"
    if low <= interval[0] and interval[1] <= high:
        return "holds"
    return "does not hold" if interval[1] < low or high < interval[0] else "undecided"
