"""What the choice of the samples leaves of a figure, and of a difference of two; and how few decide nothing.

No torch here: reports need it too.
"""

from math import hypot, inf

from tutelage.plurals import counted
from tutelage.results import Metric, Score

FEWEST = 30
"""Samples below which no verdict is passed: intervals take a mean to be normal, and of fewer it need not be."""
FEW = 100
"""Samples below which no figure is told without what they leave of it: of a share, ten points to either side."""
TOO_FEW = "too few for a verdict"


def decide(count: int) -> bool:
    """Whether so many samples may decide anything at all."""
    return count >= FEWEST


def noise_of(one: Score | None, other: Score | None, count: int) -> float:
    """Half the width of the 95 % interval of a difference of the two, both measured on ``count`` samples.

    Endless where one has none, and where these are fewer than ``FEWEST``. As of two sets of samples, which is more than
    of one that both were measured on.

    >>> both = Score(90.0, (87.0, 93.0)), Score(80.0, (76.0, 84.0))
    >>> noise_of(*both, 500), noise_of(*both, 29), noise_of(Score(1.0), both[0], 500)
    (5.0, inf, inf)
    """
    intervals = [None if score is None else score.interval for score in (one, other)]
    return hypot(*(inf if x is None else (x[1] - x[0]) / 2 for x in intervals)) if decide(count) else inf


def left_open(score: Score | None, metric: Metric, count: int, whose: str = "its") -> str:
    """What so few test samples leave of a figure, in words; nothing of ``FEW`` or more.

    >>> left_open(Score(97.5, (87.1, 99.6)), Metric("accuracy", "%", "higher"), 40)
    '40 test samples leave its accuracy anywhere from 87.1 to 99.6 %'
    >>> left_open(Score(3.0), Metric("errors"), 12), left_open(Score(3.0), Metric("errors"), 100)
    ('12 test samples are too few for a verdict', '')
    """
    if count >= FEW:
        return ""
    verdict = "" if decide(count) else TOO_FEW
    if score is None or score.interval is None:
        return f"{counted(count, 'test sample', 'is', 'are')} {verdict}" if verdict else ""
    low, high = (f"{bound:.4g}" for bound in score.interval)
    leave = counted(count, "test sample", "leaves", "leave")
    words = f"{leave} {whose} {metric.name} anywhere from {low} to {high} {metric.unit}".rstrip()
    return f"{words}, {verdict}" if verdict else words
