"""Whether one network is better than another by more than the choice of the samples leaves of such a difference."""

from math import hypot, inf

from tutelage.results import Score


def noise_of(one: Score | None, other: Score | None) -> float:
    """Half the width of the 95 % interval of a difference of the two; endless where one has none.

    As of two sets of samples, which is more than of one that both were measured on.

    >>> noise_of(Score(90.0, (87.0, 93.0)), Score(80.0, (76.0, 84.0))), noise_of(Score(1.0), Score(2.0, (1.0, 3.0)))
    (5.0, inf)
    """
    intervals = [None if score is None else score.interval for score in (one, other)]
    return hypot(*(inf if x is None else (x[1] - x[0]) / 2 for x in intervals))
