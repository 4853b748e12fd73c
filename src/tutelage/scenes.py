"""What everybody gets to see in a step: teachers are asked, students play, peers are seen without a trace."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TypeAlias

import torch

from tutelage.checks import named_in_errors, refuse_no_activations
from tutelage.data.batches import Batch
from tutelage.learner import LearnerState
from tutelage.loop import leaving_no_trace
from tutelage.objective import Scene
from tutelage.taps import Activations
from tutelage.teachers.frozen import Teacher

States: TypeAlias = Mapping[str, LearnerState]
Taught: TypeAlias = dict[str, dict[str, Activations]]
"""Learner -> its teachers -> what they showed."""


@torch.no_grad()
def ask_teachers(states: States, batch: Batch) -> Taught:
    """Each teacher once, about all that any learner reads of it, even where learners share one."""
    wanted: dict[Teacher, set[str]] = {}
    owners: dict[Teacher, str] = {}
    for name, state in states.items():
        for who, what in state.reads(state.active):
            if who in state.learner.teachers:
                teacher = state.learner.teachers[who]
                wanted.setdefault(teacher, set()).add(what)
                owners.setdefault(teacher, f"Teacher {who!r} of learner {name!r}")
    answers: dict[Teacher, Activations] = {}
    for teacher, addresses in wanted.items():
        with named_in_errors(owners[teacher]):
            answers[teacher] = teacher({"batch": batch}, frozenset(addresses))
            refuse_no_activations(answers[teacher])
    return {
        name: {who: answers[teacher] for who, teacher in state.learner.teachers.items() if teacher in answers}
        for name, state in states.items()
    }


def play(
    states: States, batch: Batch, taught: Taught, movers: Sequence[str], also: Sequence[str] = ()
) -> dict[str, Scene]:
    """What each of ``movers`` gets to see; peers who do not move show themselves without leaving a trace."""
    activations: dict[str, Activations] = {}
    peers: dict[str, Activations] = {}  # the same, without gradient
    for name, state in states.items():
        wanted = read_of(states, name, {me: states[me].active for me in movers})
        if not wanted:
            continue
        if (wanted := wanted.union(also)) != state.tapped.wanted:  # setting an attribute of a module is slow
            state.tapped.wanted = frozenset(wanted)
        scene = {"batch": batch, **taught[name], **peers}
        with (
            named_in_errors(f"Learner {name!r}"),
            nullcontext() if name in movers else leaving_no_trace(state.learner.student),
        ):
            activations[name] = state.learner.call(state.forward, scene)
        peers[name] = {what: x.detach() for what, x in activations[name].items()}
    return {me: {"batch": batch, **taught[me], **peers, "student": activations.get(me, {})} for me in movers}


def read_of(states: States, name: str, terms: Mapping[str, Sequence[str]]) -> set[str]:
    """What of ``name`` the given terms of each learner look at, under its own name or as their ``student``."""
    reads = [(me, who, what) for me, names in terms.items() for who, what in states[me].reads(names)]
    return {what for me, who, what in reads if who == name or (who == "student" and me == name)}
