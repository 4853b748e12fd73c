"""Methods by which a network learns from one of its own kind, as published: no temperature, and often no labels."""

from functools import partial

from tutelage.losses.born_again import confidence_weighted, soft_cross_entropy, with_permuted_teacher
from tutelage.losses.kd import soft_targets
from tutelage.methods.pair import Pair
from tutelage.objective import Loss, Objective, Term

DIVERGENCE = partial(soft_targets, temperature=1.0)


def ban(pair: Pair) -> Objective:  # noqa: ARG001  (a method is handed the pair)
    """Born again: the teacher's answers alone, without labels. Furlanello et al. 2018, arXiv:1805.04770."""
    return Objective(soft=_answers(soft_cross_entropy))


def ban_labels(pair: Pair) -> Objective:
    """Born again with labels (BAN+L): CE + the cross entropy with the teacher, which weigh the same."""
    return Objective(label=pair.labels(), soft=_answers(soft_cross_entropy))


def cwtm(pair: Pair) -> Objective:  # noqa: ARG001
    """A control of born again: labels alone, weighed within a batch by how sure the teacher is of a sample."""
    seen = "student.output", "teacher.output", "batch.target"
    return Objective(confidence=Term(confidence_weighted, *seen, across=True))


def dkpp(pair: Pair) -> Objective:  # noqa: ARG001
    """A control of born again: the teacher's answers, all but the largest of them given to other classes."""
    return Objective(permuted=_answers(with_permuted_teacher(soft_cross_entropy)))


def refinery(pair: Pair) -> Objective:
    """The label refinery: the divergence from the teacher's answers, alone. Bagherinezhad et al., arXiv:1805.02641."""
    return Objective(soft=pair.soft(temperature=1.0))


def refinery_both_ways(pair: Pair) -> Objective:  # noqa: ARG001
    """The label refinery with the divergence in both directions, KL(t‖s) + KL(s‖t)."""
    back = Term(DIVERGENCE, "teacher.output", "student.output")
    return Objective(soft=_answers(DIVERGENCE), back=back)


def _answers(loss: Loss) -> Term:
    return Term(loss, "student.output", "teacher.output")
