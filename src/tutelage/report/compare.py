"""Whether a setting differs from the first one: paired over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import product

from tutelage.report.seeds import Group, Spread

LIMIT = 12  # pairs: up to here all 2^n sign flips are counted


@dataclass(frozen=True)
class Difference:
    """A group's main network against the first group's, over the seeds that both have."""

    difference: Spread | None
    t: float | None
    flips: float | None
    reason: str = ""


def against(group: Group, first: Group) -> Difference:
    """Test errors of ``group``'s main network minus ``first``'s, paired over seeds.

    ``t`` is the two-sided p-value of the paired t test, ``flips`` that of the exact sign-flip permutation test (its
    smallest possible value is ``2 / 2^n``). Neither exists for fewer than two pairs; ``reason`` says why then.
    """
    mine, theirs = _by_seed(group), _by_seed(first)
    if mine is None or theirs is None:
        return Difference(None, None, None, "a seed was run twice: no pairs")
    pairs = [seed for seed in theirs if seed in mine]
    if not pairs:
        return Difference(None, None, None, "no seed in common")
    difference = Spread(tuple(mine[seed] - theirs[seed] for seed in pairs))
    if len(pairs) < 2:
        return Difference(difference, None, None, "one pair of seeds: no test")
    if difference.sd == 0:
        return Difference(difference, None, sign_flips(difference.values), "equal differences: no t test")
    return Difference(difference, paired_t(difference.values), sign_flips(difference.values))


def _by_seed(group: Group) -> dict[str, float] | None:
    found: dict[str, float] = {}
    for run in group.runs:
        network = Group({}, (run,)).main
        if repr(run.seed) in found:
            return None
        if network is not None:
            found[repr(run.seed)] = network.errors.mean
    return found


def paired_t(differences: Sequence[float]) -> float:
    """Two-sided p-value of Student's t test that the mean of ``differences`` is 0.

    >>> round(paired_t([1.0, 2.0, 3.0]), 4)
    0.0742
    """
    try:
        stats = import_module("scipy.stats")
    except ImportError:
        raise ImportError("Comparing settings needs scipy: pip install 'tutelage[report]'") from None
    spread = Spread(tuple(differences))
    assert spread.sd
    statistic = abs(spread.mean) / (spread.sd / math.sqrt(spread.n))
    return float(2 * stats.t.sf(statistic, spread.n - 1))


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
