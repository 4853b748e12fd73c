"""How many epochs fit into the minutes that somebody has, all else included."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from tutelage.schemes.plan import LOOKS

MOST = 10**5
"""Epochs that nobody trains for."""
OVERHEAD = 1.03
"""What the ends of epochs take beside validation: the log, the best weights so far, checkpoints."""


@dataclass(frozen=True)
class Pace:
    """Seconds of one training: of a ``step``, of a ``validation``; there are ``steps`` in an epoch.

    In the first ``views`` epochs the teacher is asked about every batch as well, and views are made, ``ask`` seconds
    each; later they are there. Where they are not kept, ``step`` holds that time. Of many epochs ``LOOKS`` are
    validated. What comes after the last epoch takes ``last``.
    """

    steps: int
    step: float
    validation: float
    ask: float = 0.0
    views: int = 0
    last: float = 0.0

    def seconds(self, epochs: int) -> float:
        """Of so many epochs.

        >>> Pace(10, 0.1, 1.0, ask=0.1, views=2).seconds(4) / OVERHEAD
        10.0
        """
        asking = min(epochs, self.views) * self.steps * self.ask
        looking = min(epochs, LOOKS) * self.validation
        return OVERHEAD * (epochs * self.steps * self.step + looking + asking + self.last)


def seconds_of(paces: Sequence[Pace], epochs: int) -> float:
    """Of all trainings, so many epochs each."""
    return sum(pace.seconds(epochs) for pace in paces)


def epochs_within(seconds: float, paces: Sequence[Pace]) -> int:
    """The most epochs of all trainings that end within ``seconds``; 0 where not even one does.

    >>> epochs_within(100 * OVERHEAD, [Pace(10, 0.1, 1.0), Pace(20, 0.1, 1.0)])
    20
    """
    return bisect_right(range(1, MOST + 1), seconds + 1e-9, key=lambda epochs: seconds_of(paces, epochs))


def refuse_too_short(minutes: float, elsewhere: float, paces: Sequence[Pace]) -> None:
    """Raise ``ValueError`` where one epoch of each training, and the seconds ``elsewhere``, are more than ``minutes``.

    The sentence says how long one takes, and what would do.
    """
    one = seconds_of(paces, 1)
    if elsewhere + one > 60 * minutes:
        each = " and ".join(in_words(pace.seconds(1)) for pace in paces)
        raise ValueError(
            f"One epoch takes {each}{', student and baseline' * (len(paces) > 1)}, and all else {in_words(elsewhere)}, "
            f"which --minutes {minutes:g} does not hold; give --minutes {enough(elsewhere + one):g} or more, "
            "or fewer samples."
        )


def enough(seconds: float) -> float:
    """Minutes that hold ``seconds``, half as much again for a pilot that takes more of more time, and for the clock.

    >>> enough(4.0), enough(80.0)
    (0.1, 2)
    """
    minutes = 1.5 * seconds / 60
    return ceil(10 * minutes) / 10 if minutes < 1 else ceil(minutes)


def in_words(seconds: float) -> str:
    """A length of time as people say it.

    >>> in_words(0.31), in_words(75), in_words(7260)
    ('0.3 s', '1.2 min', '2.0 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
