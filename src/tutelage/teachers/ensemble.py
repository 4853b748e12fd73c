"""Many teachers, side by side."""

from collections.abc import Sequence
from functools import partial

import torch

from tutelage.objective import Scene
from tutelage.taps import Activations
from tutelage.teachers.frozen import Teacher, asking, networks_of, refuse_no_teacher


def ensemble(teachers: Sequence[Teacher]) -> Teacher:
    """Everything the members show, stacked: logits become (members, batch, classes). Nothing is averaged here.

    Whether probabilities or logits are averaged, and at which temperature, is the loss's choice. To cache an ensemble,
    cache its members.

    Raises ``ValueError`` for no members, and for a member that is a network and not a teacher.
    """
    if not teachers:
        raise ValueError("An ensemble has at least 1 member; got none.")
    for number, teacher in enumerate(teachers):
        refuse_no_teacher(f"Member {number} of the ensemble", teacher)
    return asking(partial(stacked, tuple(teachers)), [net for teacher in teachers for net in networks_of(teacher)])


def stacked(members: Sequence[Teacher], scene: Scene, wanted: frozenset[str]) -> Activations:
    """What each of ``members`` shows of ``wanted``, along a new first dimension."""
    answers = [member(scene, wanted) for member in members]
    return {what: torch.stack([answer[what] for answer in answers]) for what in wanted}
