"""Whether differences of trainings that share their seed are more than chance."""

from collections.abc import Sequence
from importlib import import_module
from itertools import product

LEVEL = 0.05
"""Probability below which a difference decides a claim."""
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
    try:
        stats = import_module("scipy.stats")
    except ImportError:
        raise ImportError("Comparing over seeds needs scipy: pip install 'tutelage[report]'") from None
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


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
