"""How far a stage is and when it will be done, in numbers and in words."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tutelage.report.numbers import scaled

Clock: TypeAlias = Callable[[], float]
SHORT = 1e4
"""Numbers from here on are said in thousands and millions."""


class Pace:
    """How far a stage is, and how long the rest will take at the pace of this process."""

    def __init__(self, name: str, epochs: int, done: int, clock: Clock) -> None:
        self.name, self.epochs, self.done, self.clock = name, epochs, float(done), clock
        self.start, self.first = clock(), float(done)
        self.validation = ""
        self.steps: float | None = None  # an epoch

    def within(self, step: int, steps: int | None) -> None:
        """``step`` steps of the stage are done; how many an epoch has is known after the first one at the latest."""
        if per_epoch := steps or self.steps:
            epoch = int(self.done)
            self.done = min(max(step / per_epoch, epoch), epoch + 0.999)

    def over(self, record: Mapping[str, Any]) -> None:
        self.done = float(record["epoch"])
        self.steps = record["step"] / record["epoch"]
        self.validation = validation_in_words(record.get("validation")) or self.validation

    @property
    def eta(self) -> str:
        """Hours, minutes and seconds to go, ``-:--`` before anything is done."""
        if self.done <= self.first:
            return "-:--"
        return duration((self.clock() - self.start) / (self.done - self.first) * (self.epochs - self.done))


def validation_in_words(validation: Mapping[str, Any] | None) -> str:
    """The metric that decides, which comes first in a log record; as a share where it counts some of all.

    >>> validation_in_words({"errors": 71, "count": 5000, "loss": 0.05})
    'validation errors 1.42 % (71 of 5000)'
    >>> validation_in_words({"perplexity": 23.07, "count": 5000})
    'validation perplexity 23.07'
    >>> validation_in_words({"MACs": 2293000.0})
    'validation MACs 2.29 M'
    """
    name = next((name for name in validation or () if name != "count"), None)
    if not validation or name is None:
        return ""
    value, count = validation[name], validation.get("count")
    if count and isinstance(value, int):
        return f"validation {name} {100 * value / count:.2f} % ({value} of {count})"
    return f"validation {name} {scaled(value) if value >= SHORT else f'{value:.4g}'}"


def terms_of(record: Mapping[str, Any]) -> str:
    """Every term of every learner with its raw loss."""
    losses = record.get("losses", {})
    return ", ".join(f"{who}.{term} {value:.4g}" for who, terms in losses.items() for term, value in terms.items())


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(75.4), duration(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
