"""What the multi-knowledge proposal claims; no figure is published, more than nothing counts. See docs/conflicts.md."""

from collections.abc import Mapping, Sequence

from tutelage.methods import attention
from tutelage.methods.sums import members
from tutelage.results import Claim, Network
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.study.evaluated import validated
from tutelage.study.experiments.conflicts import SUM
from tutelage.study.sets import Sets
from tutelage.study.trials import Trained

CONFLICT = "the multi-knowledge proposal (docs/conflicts.md): removing conflict improves on the sum of losses"
SIZE = "the multi-knowledge proposal (docs/conflicts.md): too large a teacher makes a worse student"
LAYERS = (
    "the multi-knowledge proposal (docs/conflicts.md), and Chen et al. 2021, arXiv:2012.03236: students choose their "
    "teacher's layers"
)
DECIDING = ("pcgrad", "labels_first", "upgrad")
"""The rules that the question is about; the others are there to see what matters about them."""
ATTENTION = "attention"


def claim_conflicts(run: Run, networks: Mapping[str, Network], reason: str) -> None:
    """That removing conflict beats the weighted sum, of as many steps and of as much time, in points of accuracy."""
    rivals = [name for name in networks if name.startswith(SUM)]
    for name in (name for name in DECIDING if name in networks):
        for rival in rivals:
            gain = accuracy(networks, name) - accuracy(networks, rival)
            run.claim(_claim(f"{name} beats {rival}", gain, CONFLICT, reason))


def claim_layers(
    run: Run, data: Sets, students: Mapping[str, Trained], networks: Mapping[str, Network], reason: str
) -> None:
    """That choosing the teacher's layers on the way beats the fixed mapping that is best on validation."""
    fixed = [name for name, trained in students.items() if _is_fixed(trained)]
    if not fixed:
        return
    best = min(fixed, key=lambda name: validated(students[name].finished, data))
    for name, trained in students.items():
        if trained.trial.family == ATTENTION and name not in fixed:
            gain = accuracy(networks, name) - accuracy(networks, best)
            note = f"best of {', '.join(fixed)} on validation; no figure is published"
            run.claim(_claim(f"{name} beats the best fixed mapping", gain, LAYERS, reason, note))


def claim_size(
    run: Run, networks: Mapping[str, Network], teachers: Sequence[str], methods: Sequence[str], reason: str
) -> None:
    """That the largest teacher makes a worse student than the one before it.

    Not than the best of all smaller ones: the best of several equals would beat it by chance alone.
    """
    *_, smaller, largest = teachers
    for method in methods:
        one, other = (f"{method} from {teacher}" for teacher in (smaller, largest))
        if one in networks and other in networks:
            gain = accuracy(networks, one) - accuracy(networks, other)
            run.claim(_claim(f"{method}: {smaller} makes a better student than {largest}", gain, SIZE, reason))


def accuracy(networks: Mapping[str, Network], name: str) -> float:
    """Of the network of that name, on the test set, in %."""
    return networks[name].scores["accuracy"].value


def _claim(name: str, gain: float, source: str, reason: str, note: str = "no figure is published") -> Claim:
    measured = round(gain, 2)
    return Claim(name, 0.0, measured, "points", source, low=0.01, note=note, reason=reason, paired=True)


def _is_fixed(trained: Trained) -> bool:
    teaching = trained.trial.teaching
    return isinstance(teaching, Teaching) and all(member in attention.FIXED for member in members(teaching.method))
