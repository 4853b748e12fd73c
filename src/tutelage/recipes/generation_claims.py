"""What was published of generations, as claims beside what was measured."""

from collections.abc import Mapping, Sequence

from tutelage.results import Claim, Network, Score
from tutelage.run import Run
from tutelage.study.comparison import BASELINE

BORN_AGAIN = "Furlanello et al. 2018, arXiv:1805.04770, table 2: CIFAR-100, DenseNet-112-33"
REFINERY = "Bagherinezhad et al. 2018, arXiv:1805.02641: ImageNet, AlexNet"
TEACHER, STATIC, STRONGER = "teacher", "static labels", "stronger"
REFINED = "refined by stronger"
"""What networks are called of which something is claimed; generations are called ``generation 1``, …."""


def claim_born_again(run: Run, found: Mapping[str, Score], names: Sequence[str], reason: str) -> None:
    """What holds for all four DenseNets of the paper's table, with the gains of DenseNet-112-33, in points.

    Of one of them the third member of the ensemble is its teacher.
    """
    pairs = {
        ("generation 1 beats its teacher", names[0], TEACHER): 18.25 - 17.61,
        ("without labels beats with labels", names[0], "ban_labels"): 17.68 - 16.95,
        ("generation 1 beats labels weighed by confidence", names[0], "cwtm"): 17.84 - 16.95,
        ("generation 1 beats permuted dark knowledge", names[0], "dkpp"): 17.84 - 16.95,
        ("permuted dark knowledge beats the teacher", "dkpp", TEACHER): 18.25 - 17.84,
    }
    for n, published in ((2, 17.22 - 15.77), (3, 16.59 - 15.68)):
        best = max(names[:n], key=lambda name: found[name].value)
        pairs[f"{n} generations together beat the best of them", _first(n), best] = published
    _claim_gains(run, found, pairs, BORN_AGAIN, reason, "a direction, the same for all four DenseNets of the table")


def claim_table(run: Run, found: Mapping[str, Score], reason: str) -> None:
    """The row of DenseNet-112-33: each accuracy at most half a point below the published one."""
    published = {TEACHER: 18.25, "generation 1": 17.61, "generation 2": 17.22, "generation 3": 16.59,
                 "ban_labels": 17.68, "cwtm": 17.84, "dkpp": 17.84, _first(2): 15.77, _first(3): 15.68}  # fmt: skip
    for name, error in published.items():
        if name in found:
            accuracy = round(100 - error, 2)
            run.claim(Claim(f"{name}: accuracy", accuracy, round(found[name].value, 2), "%", BORN_AGAIN, reason=reason,
                            low=round(accuracy - 0.5, 2), interval=found[name].interval))  # fmt: skip


def claim_refinery(run: Run, found: Mapping[str, Score], names: Sequence[str], reason: str) -> None:
    """What was published for AlexNet on ImageNet, as directions, in points.

    Of generations whose numbers are fixed before anything is trained: of several, the one that is best on validation
    would be compared with a single network on labels, and would owe a part of its lead to the choice.
    """
    note = "a direction, published for ImageNet"
    pairs = {
        ("one refinement beats the labels", names[0], BASELINE): 59.97 - 57.93,
        ("the last generation beats the labels", names[-1], BASELINE): 61.37 - 57.93,
        ("a stronger refinery beats one of the same kind", REFINED, names[0]): 66.28 - 59.97,
    }
    for k, published in ((2, 60.87 - 57.93), (3, 61.22 - 57.93)):
        if k <= len(names):
            pairs[f"generation {k} beats the labels", names[k - 1], BASELINE] = published
    _claim_gains(run, found, pairs, REFINERY, reason, note)
    note = "the paper says that static labels lose most of the gain; no figure is taken from it"
    _claim_gains(run, found, {("labels of the view beat static ones", names[0], STATIC): 0.0}, REFINERY, reason, note)


def _claim_gains(
    run: Run,
    found: Mapping[str, Score],
    pairs: Mapping[tuple[str, str, str], float],
    source: str,
    reason: str,
    note: str,
) -> None:
    """That the first of two networks is better than the second, wherever both are there."""
    for (words, one, other), published in pairs.items():
        if one in found and other in found:
            gain = round(found[one].value - found[other].value, 2)
            run.claim(Claim(words, round(published, 2), gain, "points", source, low=0.01, note=note, reason=reason,
                            paired=True))  # fmt: skip


def _first(n: int) -> str:
    return f"the first {n} together"


def accuracies(networks: Mapping[str, Network], scores: Sequence[Mapping[str, Score]]) -> dict[str, Score]:
    """Of each network, and of the first two, three, … generations together, whose ``scores`` are given."""
    alone = {name: network.scores["accuracy"] for name, network in networks.items()}
    return alone | {_first(n): score["accuracy"] for n, score in enumerate(scores, 2)}
