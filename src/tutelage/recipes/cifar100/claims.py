"""What was published for CIFAR-100, as claims beside what a comparison measured."""

from collections.abc import Mapping

from tutelage.recipes.cifar100 import published
from tutelage.results import Claim, Network
from tutelage.run import Run
from tutelage.study.claims import cannot_decide
from tutelage.study.networks import PairOfNetworks

SOURCE = "Tian, Krishnan & Isola 2020, arXiv:1910.10699, and the methods' own papers: CIFAR-100"
FREE = (
    "methods",
    "images.cache_views",
    "teacher.seed",
    "teacher.name",
    "teacher.weights",
    "student.name",
    "student.lr",
)
"""Flags on which the published figures do not depend, or that ``why_undecided`` looks at."""


def why_undecided(run: Run, pair: PairOfNetworks) -> str:
    """Why the run cannot decide what was published for its pair of networks; nothing if it can."""
    teacher, student = pair.teacher.name, pair.student.name
    if not published.column(teacher, student):
        return f"nothing is published for {teacher} → {student}"
    if pair.student.training.lr != (rate := published.learning_rate(student)):
        return f"{student} was published with --student.lr {rate:g}"
    return cannot_decide(run, FREE)


def claim_published(run: Run, pair: PairOfNetworks, networks: Mapping[str, Network]) -> None:
    """The accuracy of each method, and its gain over the baseline, for the pair or else for the nearest one."""
    why, teacher, student = why_undecided(run, pair), pair.teacher.name, pair.student.name
    for name, value in published.column(teacher, student).items():
        if name in networks:
            score = networks[name].scores["accuracy"]
            run.claim(Claim(f"{name}: accuracy", value, round(score.value, 2), "%", SOURCE, reason=why,
                            low=round(value - published.BAND, 2), interval=score.interval))  # fmt: skip
    of = "" if published.column(teacher, student) else f" ({' → '.join(published.NEAREST)} as published)"
    for name, gain in published.gains(teacher, student).items():
        if name in networks and abs(gain) >= published.BAND:
            over = networks[name].scores["accuracy"].value - networks["baseline"].scores["accuracy"].value
            run.claim(Claim(f"{name} {'beats' if gain > 0 else 'falls behind'} the baseline{of}", gain, round(over, 2),
                            "points", SOURCE, low=0.01 if gain > 0 else None, high=-0.01 if gain < 0 else None,
                            reason=why, paired=True))  # fmt: skip
