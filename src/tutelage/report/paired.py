"""What chance leaves of a mean over seeds, and of differences between trainings that share their seed."""

from collections.abc import Sequence
from importlib import import_module
from itertools import product
from statistics import mean, stdev
from typing import Any

from tutelage.results import Interval

LEVEL = 0.95
"""Of every interval that decides a claim."""
LIMIT = 12
"""Pairs: up to here all 2^n sign flips are counted."""


def paired_t(differences: Sequence[float]) -> float | None:
    """Two-sided p-value of Student's t test that the mean of ``differences`` is 0; ``None`` where they do not differ.

    With fewer than two there is no test either.

    >>> round(paired_t([1.0, 2.0, 3.0]) or 1, 4), paired_t([2.0]), paired_t([2.0, 2.0])
    (0.0742, None, None)
    """
    if len(set(differences)) < 2:
        return None
    return float(_scipy_stats().ttest_1samp(differences, 0.0).pvalue)


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Where the mean lies at 95 %, by Student's t: ``mean ± t · sd / √n``; a point where all values are equal.

    ``None`` for fewer than two. It is on one side of 0 exactly where ``paired_t`` is below 0.05.

    >>> [round(bound, 2) for bound in mean_interval([1.0, 2.0, 3.0]) or ()], mean_interval([2.0, 2.0])
    ([-0.48, 4.48], (2.0, 2.0))
    """
    if len(values) < 2:
        return None
    middle, sd = mean(values), stdev(values)
    if not sd:
        return middle, middle
    reach = float(_scipy_stats().t.ppf((1 + LEVEL) / 2, len(values) - 1)) * sd / len(values) ** 0.5
    return middle - reach, middle + reach


def sign_flips(differences: Sequence[float]) -> float | None:
    """Two-sided p-value of the exact permutation test that flips signs; ``None`` beyond 12 pairs.

    >>> sign_flips([1.0, 2.0, 3.0])
    0.25
    """
    if len(differences) > LIMIT:
        return None
    seen = abs(sum(differences)) - 1e-9
    all_signs = product((1, -1), repeat=len(differences))
    sums = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in all_signs]
    return sum(total >= seen for total in sums) / len(sums)


def _scipy_stats() -> Any:
    try:
        return import_module("scipy.stats")
    except ImportError:
        raise ImportError("Comparing over seeds needs scipy: pip install 'tutelage[report]'") from None
