"""Many teachers, one student: what a committee knows, in a network of one member's size."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import nn

from tutelage.teachers import ensemble as side_by_side
from tutelage.teachers.frozen import Teacher

Teach: TypeAlias = Callable[[nn.Module, Teacher], nn.Module]
"""``(student, teacher) -> trained student``; ``partial(distill, batches=…, …)`` is one."""


def ensemble(members: Sequence[Teacher], student: nn.Module, teach: Teach) -> nn.Module:
    """``teach(student, …)`` with all ``members`` on stage as one teacher that shows (members, batch, classes).

    The objective says how they are averaged: ``losses.kd.averaged_targets``, with the arithmetic or the geometric mean.
    Raises ``ValueError`` for a committee of nobody.

    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531.
    """
    if not members:
        raise ValueError("An ensemble has at least one member; got none.")
    return teach(student, side_by_side.ensemble(members))
