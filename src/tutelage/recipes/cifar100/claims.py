"""What was published for CIFAR-100, as claims beside what a comparison measured."""

from collections.abc import Mapping

from tutelage.recipes.cifar100 import published
from tutelage.results import Claim, Network
from tutelage.run import Run
from tutelage.study.own.networks import PairOfNetworks
from tutelage.study.settings import NetworkSettings

SOURCE = "Tian, Krishnan & Isola 2020, arXiv:1910.10699, and the methods' own papers: CIFAR-100"
FREE = (
    "methods",
    "images.cache_views",
    "teacher.seed",
    "teacher.name",
    "student.name",
    "student.lr",
)
"""Flags on which the published figures do not depend, or that ``unpublished`` looks at."""


def unpublished(teacher: NetworkSettings, student: NetworkSettings) -> str:
    """Why nothing that was published is about these two networks; nothing if it is."""
    if not published.column(teacher.name, student.name):
        return f"nothing is published for {teacher.name} → {student.name}"
    if student.training.lr != (rate := published.learning_rate(student.name)):
        return f"{student.name} was published with --student.lr {rate:g}"
    return ""


def claim_published(run: Run, pair: PairOfNetworks, networks: Mapping[str, Network], why: str) -> None:
    """The accuracy of each method, and its gain over the baseline, for the pair or else for the nearest one.

    ``why`` says, if it does, why the run cannot decide them.
    """
    teacher, student = pair.teacher.name, pair.student.name
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
