"""What Gu & Tresp show of students that are searched for, whatever the networks: directions, in plots."""

from collections.abc import Mapping

from tutelage.results import Claim, Metric, Network
from tutelage.run import Run
from tutelage.study.one_cost import FOUND, UNIFORM, distilled

PAPER = "Gu & Tresp 2020, arXiv:2001.11612"


def claim_directions(run: Run, networks: Mapping[str, Network], metric: Metric, reason: str, note: str = "") -> None:
    """That the found student is better than those made by hand or drawn, and better distilled than on labels.

    The paper's tables of errors could not be had, so that only directions are claimed.
    """
    scores = {
        name: network.scores[metric.name].value for name, network in networks.items() if metric.name in network.scores
    }
    rivals = [name for name in dict.fromkeys([UNIFORM, *networks]) if name != FOUND and distilled(name) in networks]
    pairs = [(f"the found student beats {name}, both distilled", distilled(FOUND), distilled(name)) for name in rivals]
    pairs.append(("distilled, the found student is better than on labels", distilled(FOUND), FOUND))
    said = "; ".join(filter(None, [note, "only the direction is published"]))
    unit = "points" if metric.unit == "%" else f"fewer {metric.name}"
    for words, better, worse in pairs:
        if better in scores and worse in scores:
            gain = round(metric.gain(scores[better], over=scores[worse]), 2)
            run.claim(Claim(words, 0.0, gain, unit, PAPER, low=0.01, note=said, reason=reason, paired=True))
