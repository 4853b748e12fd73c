"""What everybody gets to see in a step: teachers are asked, students play, peers are seen without a trace."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple, TypeAlias

import torch

from tutelage.checks import refuse_no_activations
from tutelage.data.batches import Batch
from tutelage.learner import LearnerState
from tutelage.loop import as_it_was, generators, leaving_no_trace, restore_generators, without_trace
from tutelage.objective import Scene
from tutelage.taps import OUTPUT, Activations
from tutelage.teachers.frozen import Teacher

Taught: TypeAlias = dict[str, dict[str, Activations]]
"""Learner -> its teachers -> what they showed."""
Kept: TypeAlias = dict[str, tuple[Activations, bool]]
"""Learner -> what it showed in an earlier turn of the step, true until it moves; and whether it can move by that."""
NOTHING: frozenset[str] = frozenset()


class Question(NamedTuple):
    """What a teacher is asked about in a step, and whose it is: the first of its names, and the learner's."""

    teacher: Teacher
    wanted: frozenset[str]
    who: str
    learner: str


class States(dict[str, LearnerState]):
    """The learners on stage, by name. Who reads what follows from the terms that count, and is worked out once."""

    def __init__(self, states: Mapping[str, LearnerState]) -> None:
        super().__init__(states)
        self._questions: dict[Any, list[Question]] = {}
        self._reads: dict[Any, frozenset[str]] = {}

    def questions(self) -> list[Question]:
        """Each teacher once, about all that any learner reads of it, even where learners share one."""
        key = tuple([state.active for state in self.values()])
        if (found := self._questions.get(key)) is None:
            wanted: dict[Teacher, Question] = {}
            for name, state in self.items():
                reads = state.reads(state.active)
                for who, teacher in state.learner.teachers.items():
                    if who in reads:
                        asked = wanted.get(teacher, Question(teacher, NOTHING, who, name))
                        wanted[teacher] = asked._replace(wanted=asked.wanted | reads[who])
            found = self._questions[key] = list(wanted.values())
        return found

    def reads(self, name: str, movers: Sequence[str]) -> frozenset[str]:
        """What of ``name`` the terms of ``movers`` look at that count in this step."""
        key = name, tuple([(me, self[me].active) for me in movers])
        if (found := self._reads.get(key)) is None:
            found = self._reads[key] = read_of(self, name, {me: self[me].active for me in movers})
        return found


def ask_teachers(states: States, batch: Batch) -> Taught:
    """What each teacher of each learner shows of ``batch``."""
    answers: dict[Teacher, Activations] = {}
    for teacher, wanted, who, name in states.questions():
        try:
            with torch.no_grad():
                answers[teacher] = teacher({"batch": batch}, wanted)
            refuse_no_activations(answers[teacher])
        except ValueError as error:
            raise ValueError(f"Teacher {who!r} of learner {name!r}: {error}") from error
    return {
        name: {who: answers[teacher] for who, teacher in state.learner.teachers.items() if teacher in answers}
        for name, state in states.items()
    }


def play(
    states: States,
    batch: Batch,
    taught: Taught,
    movers: Sequence[str],
    also: Sequence[str] = (),
    later: Sequence[Sequence[str]] = (),
    kept: Kept | None = None,
) -> dict[str, Scene]:
    """What each of ``movers`` gets to see; peers who do not move show themselves without leaving a trace.

    With ``later`` turns of the same step, ``kept`` carries on what stays true until its network moves.
    """
    activations: dict[str, Activations] = {}
    peers: dict[str, Activations] = {}  # the same, without gradient
    turns = [movers, *later]
    for name, state in states.items():
        wanted = states.reads(name, movers)
        if not wanted:
            continue
        try:
            scene = {"batch": batch, **taught[name], **peers}
            shown = None if kept is None else _kept(states, name, scene, turns, kept)
            if shown is None:
                with nullcontext() if name in movers else leaving_no_trace(state.learner.student):
                    shown = _called(state, scene, wanted.union(also))
        except ValueError as error:
            raise ValueError(f"Learner {name!r}: {error}") from error
        activations[name] = shown
        if name != "student":  # by that name everybody sees itself
            peers[name] = {what: x.detach() for what, x in shown.items()}
    return {me: {"batch": batch, **taught[me], **peers, "student": activations.get(me, {})} for me in movers}


def read_of(states: Mapping[str, LearnerState], name: str, terms: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """What of ``name`` the given terms of each learner look at, under its own name or as their ``student``."""
    own = states[name].reads(terms.get(name, ())).get("student", NOTHING)
    return own.union(*(states[me].reads(names).get(name, NOTHING) for me, names in terms.items()))


def _called(state: LearnerState, scene: Scene, wanted: frozenset[str]) -> Activations:
    if wanted != state.tapped.wanted:  # setting an attribute of a module is slow
        state.tapped.wanted = wanted
    return state.learner.call(state.forward, scene)


def _kept(states: States, name: str, scene: Scene, turns: Sequence[Sequence[str]], kept: Kept) -> Activations | None:
    """What ``name`` shows in the first of ``turns`` and again in others, of one pass; nothing where that needs two.

    One pass serves until it moves, and in that turn too if it has a gradient: each turn would need another otherwise.
    """
    state, movers = states[name], turns[0]
    if name in kept:
        shown, moves = kept.pop(name) if name in movers else kept[name]
        return shown if moves or name not in movers else None
    if name in movers or not state.repeats:
        return None
    until = next((at for at, moving in enumerate(turns) if name in moving), len(turns))
    own = states.reads(name, turns[until]) if until < len(turns) else NOTHING
    wanted = own.union(*(states.reads(name, moving) for moving in turns[:until]))
    moves = bool(own) and (OUTPUT in own or own == wanted)  # else its own pass would end before the others' does
    if not moves and not any(states.reads(name, moving) for moving in turns[1:until]):
        return None
    activations = _once(state, scene, wanted, moves=moves)
    if activations is not None:
        kept[name] = activations, moves
    return activations


def _once(state: LearnerState, scene: Scene, wanted: frozenset[str], *, moves: bool) -> Activations | None:
    """What a pass shows that a second one would show as well; else nothing, as if there had been no pass.

    A second one would not where random numbers are drawn or peers looked at, and where it is tried, the first time, and
    does not: an LSTM has kernels of its own without gradient.
    """
    before, put_back, watched = generators(), as_it_was(state.learner.student), _Watched(scene)
    tried: Activations = {}
    if moves not in state.repeated:
        with without_trace(state.learner.student):
            tried = _called(state, scene, wanted)
        torch.clear_autocast_cache()  # weights that were cast without gradient would be taken for the next pass
        state.repeated.add(moves)
    with torch.set_grad_enabled(moves):
        shown = _called(state, watched, wanted)
    alike = all(torch.equal(x, shown[what]) for what, x in tried.items())
    drawn = not all(torch.equal(x, before[which]) for which, x in generators().items() if which in before)
    state.repeats = alike and not drawn and watched.looked <= {"batch", *state.learner.teachers}
    if not (state.repeats and moves):
        put_back()
    if not state.repeats:
        restore_generators(before)
        return None
    return shown


class _Watched(Mapping[str, Mapping[str, Any]]):
    """A scene that remembers who was looked at."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.looked = scene, set[str]()

    def __getitem__(self, who: str) -> Mapping[str, Any]:
        self.looked.add(who)
        return self.scene[who]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scene)

    def __len__(self) -> int:
        return len(self.scene)
