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
    """What each of ``members`` shows of ``wanted``, along a new first dimension.

    Raises ``ValueError`` where members show tensors of different shapes.
    """
    answers = [member(scene, wanted) for member in members]
    for what in wanted:
        if len({answer[what].shape for answer in answers}) > 1:
            shapes = ", ".join(str(tuple(answer[what].shape)) for answer in answers)
            raise ValueError(
                f"The members of an ensemble answer alike, in as many numbers; {what!r} of these is {shapes}: leave "
                f"out those that do not."
            )
    return {what: torch.stack([answer[what] for answer in answers]) for what in wanted}
