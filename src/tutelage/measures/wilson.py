"""How sure a number of errors is. No torch here: reports need it too."""

from math import ceil, floor, sqrt
from statistics import NormalDist


def wilson(errors: int, count: int, level: float = 0.95) -> tuple[int, int]:
    r"""The errors among ``count`` that a net as good as this one would make, between two whole numbers, at ``level``.

    Wilson's score interval, ``(k + z²/2 ± z √(k (n − k)/n + z²/4)) · n / (n + z²)``, rounded outwards. It speaks of
    the choice of the test samples only: another seed of the training is another matter.
    Raises ``ValueError`` unless 0 ≤ errors ≤ count, 0 < count and 0 < level < 1.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927; chosen after Brown,
    Cai & DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science 16, 2001.

    >>> wilson(67, 10000)
    (52, 85)
    """
    if not 0 <= errors <= count or count < 1:
        raise ValueError(f"Errors are a number from 0 to the number of samples, at least 1; got {errors} of {count}.")
    if not 0 < level < 1:
        raise ValueError(f"A confidence level is between 0 and 1, such as 0.95; got {level}.")
    z = NormalDist().inv_cdf((1 + level) / 2)
    scale = count / (count + z * z)
    middle, reach = errors + z * z / 2, z * sqrt(errors * (count - errors) / count + z * z / 4)
    return max(0, floor((middle - reach) * scale + 1e-9)), min(count, ceil((middle + reach) * scale - 1e-9))
