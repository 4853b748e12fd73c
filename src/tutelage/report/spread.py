"""One number over several seeds."""

from dataclasses import dataclass
from functools import cached_property
from statistics import mean, stdev

from tutelage.report.numbers import plus_minus


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
