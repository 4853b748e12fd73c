"""What Gu & Tresp show of students that are searched for, whatever the networks: directions, in plots."""

from collections.abc import Mapping, Sequence
from functools import partial
from math import isfinite

from tutelage.results import Claim, Metric, Network
from tutelage.run import Run
from tutelage.study.experiments.one_cost import FOUND, UNIFORM, distilled
from tutelage.study.experiments.searches import Searched, pearson
from tutelage.study.experiments.untrained import rank_correlation

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


def claim_blocks(run: Run, drops: Sequence[float], reason: str) -> None:
    """That a later block loses fewer of its connections: the paper's maps show hardly anything gone of the last one."""
    found = rank_correlation([*range(len(drops))], drops)
    if isfinite(found):
        words = "the later a block, the fewer of its connections are gone"
        run.claim(Claim(words, -1.0, round(found, 2), "rank correlation", PAPER, high=-0.5, reason=reason))


def claim_losses(run: Run, students: Searched, reason: str, note: str) -> None:
    """That a search by the divergence finds no worse students than pruning does, and by cost no worse than alike."""
    pairs = [
        ("a search by the divergence is no worse than pruning, both with α", "KD, α", "NP, α"),
        ("by the divergence, α is no worse than gates all alike", "KD, α", "KD, all alike"),
        ("by the labels, α is no worse than gates all alike", "NP, α", "NP, all alike"),
    ]
    values = {name: students.value(distilled(name)) for name in students.found}
    claims = [(words, values[better], values[worse]) for words, better, worse in pairs]
    claims += [
        (f"{name}: distilled, the student is no worse than on labels", values[name], students.value(name))
        for name in ("KD, α", "NP, α")
    ]
    metric = students.metric
    unit = "points" if metric.unit == "%" else f"fewer {metric.name}"
    for words, better_value, worse_value in claims:
        if better_value is not None and worse_value is not None:
            gain = round(metric.gain(better_value, over=worse_value), 2)
            run.claim(Claim(words, 0.0, gain, unit, PAPER, low=0.0, note=note, reason=reason, paired=True))


def claim_kl0(run: Run, students: Searched, held: Mapping[str, float], reason: str, note: str) -> None:
    """How the test errors of distilled students go with the divergence that they were held at."""
    found = pearson(*_known(students, held))
    if found is not None:
        words = "correlation of KL₀ with the test error of the distilled student"
        run.claim(Claim(words, 0.88, round(found, 2), "", PAPER, low=0.5, note=note, reason=reason))


def claim_strength(run: Run, students: Searched, strengths: Mapping[str, float], reason: str, note: str) -> None:
    """That a stronger penalty takes fewer epochs, and that its student is worse."""
    epochs = rank_correlation(list(strengths.values()), [students.found[name].epochs for name in strengths])
    losses = rank_correlation(*_known(students, strengths))
    claim = partial(Claim, unit="rank correlation", source=PAPER, reason=reason)
    if isfinite(epochs):
        run.claim(claim("the stronger the penalty, the fewer epochs", -1.0, round(epochs, 2), high=-0.5, note=note))
    if isfinite(losses):
        run.claim(claim("the stronger the penalty, the worse the student", 1.0, round(losses, 2), low=0.5, note=note))


def _known(students: Searched, numbers: Mapping[str, float]) -> tuple[list[float], list[float]]:
    """The numbers of searches, and how bad their distilled students are, where that is a number."""
    pairs = [(x, students.value(distilled(name))) for name, x in numbers.items()]
    known = [(x, -students.metric.gain(y, over=0.0)) for x, y in pairs if y is not None]
    return [x for x, _ in known], [y for _, y in known]
