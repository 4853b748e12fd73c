"""Several teachers of one student: any method from each of them, or one target that is made of all their answers.

A function ``joint(pairs: Sequence[Pair]) -> Objective`` gets a pair for each teacher, all with the same student. What
it reads of them is at ``teacher1.…``, ``teacher2.…``; a teacher that is alone is called ``teacher``, as everywhere.
"""

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import TypeAlias

from torch import Size

from tutelage.losses import kd as answers
from tutelage.losses.adaptive import adaptive_targets
from tutelage.losses.confident import ConfidentFeatures, confident_targets
from tutelage.losses.kd import Average, averaged_targets
from tutelage.losses.srrl import connector
from tutelage.methods.pair import STUDENT, Method, Pair
from tutelage.methods.response import kd
from tutelage.methods.sums import members
from tutelage.objective import Loss, Objective, Term

Joint: TypeAlias = Callable[[Sequence[Pair]], Objective]
"""What a student learns from several teachers at once, given the pair that it makes with each."""
TEACHER = "teacher"


def from_each(pairs: Sequence[Pair], *, method: Method) -> Objective:
    """The labels once, and what ``method`` adds to them at its published weights, from every teacher: their sum.

    ``L = L_label + Σ_i λ L_i``. Each teacher's terms have losses of their own, projectors and memories included, and
    names that end in the teacher's, such as ``contrast_teacher2``, so that a rule can tell them apart. Of one teacher
    it is ``method`` itself; a mean over n teachers is this at 1/n of the strength. Raises ``ValueError`` for no
    teacher, and for several with a method whose student borrows from its teacher.

    Tian, Krishnan & Isola, "Contrastive Representation Distillation", ICLR 2020, arXiv:1910.10699: ``CE + β Σ_i L_i``
    for CRD, with β = 0.8 whatever the number of teachers.
    """
    if len(pairs) > 1:
        refuse_borrowing(method)
    terms: dict[str, Term] = {}
    for name, pair in zip(called(len(pairs)), pairs, strict=True):
        for what, term in method(pair).terms.items():
            if what == "label":
                terms.setdefault(what, term)
            else:
                terms[what if name == TEACHER else f"{what}_{name}"] = _readdressed(term, name)
    return Objective(**terms)


def refuse_borrowing(method: Method, why: str = "can have one only") -> None:
    """Raise ``ValueError``, which says ``why``, for a method with a student of its own, made of a part of a teacher."""
    for one in members(method):
        function = getattr(one, "func", one)
        if hasattr(function, STUDENT):
            name = getattr(function, "__name__", "this method")
            raise ValueError(f"A student that learns by {name} borrows from its teacher, and {why}.")


def averaged(
    pairs: Sequence[Pair], *, average: Average = answers.arithmetic, weights: tuple[float, ...] | None = None
) -> Objective:
    """Soft targets, any mean of the teachers' at T = 4, each with its own of ``weights``: 0.1 CE + 0.9 KD.

    Of one teacher it is ``kd``. Raises ``ValueError`` unless there is a weight for each teacher, if there are any.
    """
    if weights is not None and len(weights) != len(pairs):
        raise ValueError(f"Weights are one for each of the {len(pairs)} teachers; got {list(weights)}.")
    return _targets(pairs, partial(averaged_targets, average=average, weights=weights))


def arithmetic(pairs: Sequence[Pair]) -> Objective:
    """Soft targets, the arithmetic mean of the teachers' at T = 4: 0.1 CE + 0.9 KD. Of one teacher it is ``kd``."""
    return averaged(pairs)


def geometric(pairs: Sequence[Pair]) -> Objective:
    """Soft targets, the geometric mean of the teachers' at T = 4: 0.1 CE + 0.9 KD. Of one teacher it is ``kd``."""
    return averaged(pairs, average=answers.geometric)


def adaptive(pairs: Sequence[Pair]) -> Objective:
    """AE-KD's weights of the teachers (C = 0.6) at the weights of ``kd``: 0.1 CE + 0.9 KD, T = 4; of one, ``kd``."""
    return _targets(pairs, adaptive_targets, "student.output", across=True)


def confident(pairs: Sequence[Pair]) -> Objective:
    """CA-MKD's weights of the teachers at the weights of ``kd``: 0.1 CE + 0.9 KD, T = 4; of one teacher, ``kd``."""
    return _targets(pairs, confident_targets, "batch.target")


def aekd(pairs: Sequence[Pair]) -> Objective:
    """AE-KD as published: CE + 0.9 KD at T = 4, teachers weighed with the tolerance C = 0.6. Up to 8 of them.

    github.com/AnTuo1998/AE-KD.
    """
    soft = _soft(pairs, adaptive_targets, "student.output", weight=0.9, across=True)
    return Objective(label=_first(pairs).labels(), soft=soft)


def camkd(pairs: Sequence[Pair]) -> Objective:
    """CA-MKD as published: CE + 1/K KD at T = 4 + 50/K MSE at the last map, teachers weighed by the labels.

    The paper's weights are 1 and 50; its code divides by the number K of teachers once more. github.com/Rorozhl/CA-MKD.
    Raises ``ValueError`` for a teacher whose last layer is not fed one number for each channel of its last map.
    """
    first, count = _first(pairs), len(pairs)
    maps = [connector(Size([1, width, 1, 1]), Size([1, wanted])) for width, wanted in map(_judged, pairs)]
    loss = ConfidentFeatures([pair.head() for pair in pairs], maps)
    student, _ = first.last_maps()
    teachers = [_of(name, pair.last_maps()[1]) for name, pair in zip(called(count), pairs, strict=True)]
    soft = _soft(pairs, confident_targets, "batch.target", weight=1 / count)
    features = Term(loss, student, teachers, "batch.target", weight=50 / count)
    return Objective(label=first.labels(), soft=soft, features=features)


def _judged(pair: Pair) -> tuple[int, int]:
    """How many channels the last maps have, the student's first: what becomes of it the teacher's last layer reads."""
    student, teacher = (
        pair.shows(who, [layers.last])[layers.last].shape[1]
        for who, layers in zip(("student", "teacher"), reversed(pair.outlines), strict=True)
    )
    if teacher != (read := pair.head().in_features):
        raise ValueError(
            f"The last layer of the teacher reads {read} numbers, and its last map has {teacher} channels: it cannot "
            "judge the means of such a map; take a teacher that averages it, or targets of answers, such as confident."
        )
    return student, teacher


def alone(pair: Pair, *, joint: Joint) -> Objective:
    """A joint method with ``pair`` as its only one: whether it suits two networks is found out by this."""
    return joint([pair])


def called(count: int) -> list[str]:
    """What so many teachers are called in addresses. Raises ``ValueError`` for none.

    >>> called(1), called(3)
    (['teacher'], ['teacher1', 'teacher2', 'teacher3'])
    """
    if count < 1:
        raise ValueError("A student learns from one teacher or more; got none.")
    return [TEACHER] if count == 1 else [f"{TEACHER}{number}" for number in range(1, count + 1)]


def _targets(pairs: Sequence[Pair], loss: Loss, *more: str, across: bool = False) -> Objective:
    first = _first(pairs)
    if len(pairs) == 1:
        return kd(first)
    return Objective(label=first.labels(0.1), soft=_soft(pairs, loss, *more, weight=0.9, across=across))


def _soft(pairs: Sequence[Pair], loss: Loss, *more: str, weight: float, across: bool = False) -> Term:
    answered = [f"{name}.output" for name in called(len(pairs))]
    return Term(partial(loss, temperature=4.0), "student.output", answered, *more, weight=weight, across=across)


def _first(pairs: Sequence[Pair]) -> Pair:
    called(len(pairs))  # refuses none
    return pairs[0]


def _readdressed(term: Term, name: str) -> Term:
    """``term``, told that its teacher is called ``name``."""
    term = copy(term)
    term.addresses = tuple(
        _of(name, address) if isinstance(address, str) else [_of(name, one) for one in address]
        for address in term.addresses
    )
    return term


def _of(name: str, address: str) -> str:
    who, _, what = address.partition(".")
    return f"{name}.{what}" if who == TEACHER else address
