"""What a search for a student minimises beside its penalty, and what is tried in its place."""

from functools import partial

from tutelage.losses.held import held_soft_targets
from tutelage.losses.reverse_kl import reverse_kl
from tutelage.methods.pair import Pair
from tutelage.objective import Objective, Term


def divergence(pair: Pair, *, temperature: float = 4.0) -> Objective:
    """The soft loss of the task alone, ``T² · KL(teacher ‖ student)`` of classes: no labels.

    Gu & Tresp, 2020, arXiv:2001.11612, whose text distils so; its formula has ``reverse_divergence``.
    """
    return Objective(soft=pair.soft(1.0, temperature))


def reverse_divergence(_pair: Pair, *, temperature: float = 4.0) -> Objective:
    """``T² · KL(student ‖ teacher)``."""
    loss = partial(reverse_kl, temperature=temperature)
    return Objective(soft=Term(loss, "student.output", "teacher.output"))


def held_divergence(_pair: Pair, *, temperature: float = 4.0, kl0: float) -> Objective:
    """``T² · |KL(teacher ‖ student) - kl0|`` of each sample: how good is a student found that is kept away so far?"""
    loss = partial(held_soft_targets, temperature=temperature, kl0=kl0)
    return Objective(soft=Term(loss, "student.output", "teacher.output"))


def labels_alone(pair: Pair, *, weight: float = 1.0) -> Objective:
    """The labels' loss: plain pruning, which knows of no teacher."""
    return Objective(label=pair.labels(weight))
