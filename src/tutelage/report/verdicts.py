"""Whether a published claim holds, as far as what was measured can say."""

from dataclasses import dataclass
from functools import cached_property

from tutelage.report.numbers import plain
from tutelage.report.paired import LEVEL, paired_t
from tutelage.report.spread import Spread
from tutelage.results import Claim

SIGNS = {"holds": "✓", "does not hold": "✗", "not judged": "○", "undecided": "?"}


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
        """``holds``, ``does not hold``, ``undecided``, or ``not judged`` where the claim has a reason."""
        if self.claim.reason:
            return "not judged"
        if self.claim.paired and (self.p is None or self.p >= LEVEL):
            return "undecided"
        low, high = self.claim.low, self.claim.high
        if (low is None or self.measured.mean >= low) and (high is None or self.measured.mean <= high):
            return "holds"
        return "does not hold"

    @property
    def sign(self) -> str:
        return SIGNS[self.word]

    @property
    def condition(self) -> str:
        """Where the measured must lie: ``≤ 95``, ``≥ 1.2``, ``130 to 170``."""
        low, high = self.claim.low, self.claim.high
        if low is not None and high is not None:
            return f"{plain(low)} to {plain(high)}"
        return f"≤ {plain(high)}" if high is not None else f"≥ {plain(low or 0)}"
