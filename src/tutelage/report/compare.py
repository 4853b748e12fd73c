"""Whether a setting differs from the first one: paired over seeds."""

from dataclasses import dataclass

from tutelage.report.groups import Group
from tutelage.report.paired import paired_t, sign_flips
from tutelage.report.settings import why_unranked
from tutelage.report.spread import Spread
from tutelage.results import Metric


@dataclass(frozen=True)
class Difference:
    """A group's main network against the first group's, over the seeds that both have."""

    difference: Spread | None
    t: float | None
    flips: float | None
    reason: str = ""


def against(group: Group, first: Group) -> Difference:
    """The deciding metric of ``group``'s main network minus ``first``'s, paired over seeds.

    ``t`` is the two-sided p-value of the paired t test, ``flips`` that of the exact sign-flip permutation test (its
    smallest possible value is ``2 / 2^n``). Neither exists for fewer than two pairs; ``reason`` says why then. There is
    no difference between networks on different test samples, or between different networks.
    """
    if reason := why_unranked([*group.runs, *first.runs]):
        return Difference(None, None, None, reason)
    mine, theirs = _by_seed(group, first.metric), _by_seed(first, first.metric)
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


def _by_seed(group: Group, metric: Metric) -> dict[str, float] | None:
    values: dict[str, float] = {}
    for run in group.runs:
        network = Group({}, (run,)).main
        if repr(run.seed) in values:
            return None
        if network is not None and (score := network.score(metric)) is not None:
            values[repr(run.seed)] = score.mean
    return values
