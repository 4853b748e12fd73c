"""Whose memory is whose: what a learner moves belongs to nobody else on stage, be it a peer or a teacher."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, combinations, permutations
from warnings import warn

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from tutelage.data.batches import Batch
from tutelage.learner import Learner, LearnerState
from tutelage.loop import Loop, as_it_is, generators, restore_generators, without_trace
from tutelage.rehearsal import tapped
from tutelage.scenes import States, ask_teachers, play
from tutelage.teachers.frozen import Teacher, networks_of
from tutelage.teachers.referred import referred_networks

COPY = "give it a network of its own, such as copy.deepcopy(student), or requires_grad_(False) to what they share"


def refuse_shared_students(learners: Mapping[str, Learner]) -> None:
    """Raises ``ValueError`` for one network as two students."""
    for me, other in combinations(learners, 2):
        if learners[me].student is learners[other].student:
            raise ValueError(
                f"Learners {me!r} and {other!r} are one network, which both would move and which would see itself as "
                f"its peer; give each a network of its own, or one learner the terms of both."
            )


def refuse_shared_memory(states: States, batch: Batch, loop: Loop, device: torch.device) -> None:
    """Raises ``ValueError`` where a peer or a teacher has parameters or buffers that a learner moves.

    A function that is a teacher may ask the very student on purpose, about another view of a sample: where a network
    is only found in what it refers to, that is a warning.
    """
    moved = {name: _moved_by(state) for name, state in states.items()}
    for me, other in permutations(states, 2):
        for part in moved[me]:
            if own := part.found_in(_named(states[other].owned)):
                raise ValueError(
                    f"Learners {me!r} and {other!r} share {len(own)} {part.of(repr(me))} ({own[0]!r} first), so that "
                    f"each would change what the other has learnt; give each a network of its own, or "
                    f"requires_grad_(False) to what they share."
                )
    for me, who, teacher in _read_teachers(states):
        for learner, part in ((learner, part) for learner, parts in moved.items() for part in parts):
            _refuse_moved_teacher(me, who, teacher, learner, part)
    _refuse_moved_in_passing(states, batch, loop, device)


def _refuse_moved_teacher(me: str, who: str, teacher: Teacher, learner: str, part: "_Moved") -> None:
    own_student = learner == me
    whose = part.of("this learner" if own_student else f"learner {learner!r}")
    if own := part.found_in(chain.from_iterable(map(_named, networks_of(teacher)))):
        student = "student" if own_student else f"student of learner {learner!r}"
        cure = COPY if own_student else f"read '{learner}.output' where the teacher is read, or {COPY}"
        raise ValueError(
            f"Teacher {who!r} of learner {me!r} has {len(own)} {whose} ({own[0]!r} first), so it would say what the "
            f"{student} says; {cure}."
        )
    if own := part.found_in(chain.from_iterable(map(_named, referred_networks(teacher)))):
        warn(
            f"Teacher {who!r} of learner {me!r} refers to a network with {len(own)} {whose} ({own[0]!r} first): unless "
            f"that is meant, {COPY}.",
            RuntimeWarning,
            stacklevel=2,
        )


@dataclass(frozen=True)
class _Moved:
    """Memory that a learner writes to: spans of bytes by the storage that they lie in, and what to call it."""

    words: str
    spans: dict[int, list[tuple[int, int]]]

    def of(self, learner: str) -> str:
        return self.words.format(learner)

    def found_in(self, named: Iterable[tuple[str, Tensor]]) -> list[str]:
        return [name for name, x in named if _meets(x, self.spans)]


def _moved_by(state: LearnerState) -> list[_Moved]:
    return [
        _Moved("parameters that {} trains", _spans(state.parameters.values())),
        _Moved("buffers that the BatchNorms of {} move", _spans(_moving_buffers(state))),
    ]


def _read_teachers(states: States) -> Iterator[tuple[str, str, Teacher]]:
    for name, state in states.items():
        read = state.reads(state.possible).keys()
        yield from ((name, who, teacher) for who, teacher in state.learner.teachers.items() if who in read)


def _named(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()


def _moving_buffers(state: LearnerState) -> Iterator[Tensor]:
    """What batch norms measure on their way: of those that will be in train mode."""
    trained = set(map(id, state.parameters.values()))
    for module in state.owned.modules():
        own = [id(p) in trained for p in module.parameters()]
        if isinstance(module, _NormBase) and module.track_running_stats and (any(own) or not own):
            yield from module.buffers()


@torch.no_grad()
def _refuse_moved_in_passing(states: States, batch: Batch, loop: Loop, device: torch.device) -> None:
    """Of other modules nobody knows which buffers they write to: where any is shared, a pass in train mode tells."""
    shared = list(_shared_buffers(states))
    if not shared:
        return
    before, kept = generators(), [x.clone() for *_, x in shared]
    with tapped(states, as_it_is), ExitStack() as stack:
        for state in states.values():
            stack.enter_context(without_trace(state.owned))
            state.train_mode()
        with loop.autocast(device.type):
            play(states, batch, ask_teachers(states, batch), list(states))
        changed = [one for one, old in zip(shared, kept, strict=True) if not torch.equal(one[-1], old)]
    restore_generators(before)
    for name, other, buffer, _ in changed:
        raise ValueError(
            f"Learner {name!r} writes to its buffer {buffer!r} as it runs, which is a buffer of {other} too; give each "
            f"a network of its own, such as copy.deepcopy(…)."
        )


def _shared_buffers(states: States) -> Iterator[tuple[str, str, str, Tensor]]:
    """Learner, who else has it, its name there and the tensor."""
    others: list[tuple[str, str, Iterable[Tensor]]] = [
        *((me, f"learner {other!r}", states[other].owned.buffers()) for me, other in permutations(states, 2)),
        *(
            (me, f"teacher {who!r} of learner {owner!r}", [x for net in nets for _, x in _named(net)])
            for owner, who, teacher in _read_teachers(states)
            for nets in [[*networks_of(teacher), *referred_networks(teacher)]]
            for me in states
        ),
    ]
    for me, other, tensors in others:
        taken = _spans(tensors)
        yield from ((me, other, name, x) for name, x in states[me].owned.named_buffers() if taken and _meets(x, taken))


def _span(x: Tensor) -> tuple[int, int, int] | None:
    """The storage that ``x`` lies in, its first byte and the one after its last; None where it has no memory."""
    try:
        storage = 0 if is_lazy(x) or not x.numel() else x.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):  # a sparse tensor, or one that wraps others
        return None
    if not storage:
        return None
    last = sum((size - 1) * stride for size, stride in zip(x.shape, x.stride(), strict=True))
    return storage, x.data_ptr(), x.data_ptr() + (last + 1) * x.element_size()


def _spans(tensors: Iterable[Tensor]) -> dict[int, list[tuple[int, int]]]:
    spans: dict[int, list[tuple[int, int]]] = {}
    for span in map(_span, tensors):
        if span is not None:
            spans.setdefault(span[0], []).append(span[1:])
    return spans


def _meets(x: Tensor, taken: Mapping[int, list[tuple[int, int]]]) -> bool:
    span = _span(x)
    return span is not None and any(span[1] < end and start < span[2] for start, end in taken.get(span[0], []))
