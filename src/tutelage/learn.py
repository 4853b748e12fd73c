"""The training loop. There is one."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from itertools import islice
from types import MappingProxyType
from typing import Any
from warnings import warn

import torch
from torch import nn

from tutelage import checks
from tutelage.data.batches import Batch, Batches, as_batches, named_batch, num_samples, on_device
from tutelage.group import size as size_of_group
from tutelage.idle import Idle
from tutelage.learner import Learner, LearnerState
from tutelage.loop import Epoch as Epoch  # offered here: what ``train`` gives and takes
from tutelage.loop import Loop, Turns, as_it_is, generators, generators_of_rank, restore_generators, shares
from tutelage.loop import alternating as alternating
from tutelage.loop import never as never
from tutelage.loop import simultaneous as simultaneous
from tutelage.objective import Clock, Scene
from tutelage.ranks import among_several
from tutelage.rehearsal import refuse_unfit, rehearse, rehearse_alone, tapped
from tutelage.scenes import Kept, States, Taught, ask_teachers, play
from tutelage.sharing import refuse_shared_memory, refuse_shared_students
from tutelage.statistics import read_all


def train(
    learners: Mapping[str, Learner],
    batches: Batches | Iterable[Any],
    epochs: int,
    *,
    turns: Turns = simultaneous,
    accumulate: int = 1,
    size: Callable[[Batch], int] = num_samples,
    pause: Callable[[Clock], bool] = never,
    prepare: Callable[[nn.Module], nn.Module] = as_it_is,
    precision: torch.dtype = torch.float32,
) -> "Training":
    """Train all ``learners`` together. Iterate over the result: the caller evaluates, saves, logs or stops.

    Learners see each other under their names: ``"b.output"`` in the objective of ``a`` is mutual learning. A step takes
    ``accumulate`` batches, each weighing its share of their ``size``; in a term whose loss is a mean over something
    else, its share of that: of the valid tokens where the loss is ``masked``. So a step is that of one large batch.
    After a step for which ``pause`` holds, an ``Epoch(finished=False)`` is yielded. ``prepare``, such as
    ``torch.compile``, is applied to every tapped student; with rules that want one gradient a loss, set
    ``torch._functorch.config.donated_buffer = False`` before. ``precision=torch.bfloat16`` runs teachers, students and
    objectives under autocast; see ``tutelage.machine.gains_from_bfloat16`` before choosing it. Batches go to the device
    of the first student.

    Raises ``ValueError`` before the first step for whatever cannot work: no epochs, addresses that nobody answers,
    names that mean two things; after an epoch that has no batch, or in which a learner learnt nothing and is not going
    to, where it says why; and ``FloatingPointError`` when a loss or gradient is not finite, naming term, epoch,
    batch and step, with the learner's weights from before that step.
    """
    return Training(learners, batches, epochs, Loop(turns, accumulate, size, pause, prepare, precision))


class Training:
    """A training under way: iterable, and restorable to the same bits from ``state_dict()`` taken between two yields.

    ``state_dict`` holds the live tensors: save or copy it before going on. ``load_state_dict`` wants a training that
    was built alike and is not yet being iterated over. Random numbers drawn by the caller between yields do not matter.
    """

    def __init__(
        self, learners: Mapping[str, Learner], batches: Batches | Iterable[Any], epochs: int, loop: Loop
    ) -> None:
        checks.refuse_no_learners(learners)
        checks.refuse_too_few(epochs=epochs, accumulate=loop.accumulate, learners=len(learners))
        checks.refuse_ambiguous(learners)
        checks.refuse_halves(learners, loop.accumulate)
        checks.refuse_shared_rules(learners)
        refuse_shared_students(learners)
        checks.refuse_precision(loop.precision)
        self._states = States({name: LearnerState(name, learner) for name, learner in learners.items()})
        self.batches, self.epochs, self.loop = as_batches(batches), epochs, loop
        self.epoch = self.step = self.batch = 0
        self.device = next(iter(self._states.values())).device
        first = rehearse(self._states, self.batches, loop, self.device)
        for state in self._states.values():
            state.build_optimizer()
        refuse_shared_memory(self._states, first, loop, self.device)
        if (alone := checks.single_sample(batches, loop.size, first)) is not None:
            rehearse_alone(self._states, alone, loop, self.device)
        self._alone = alone is not None
        self._idle = Idle(self._states, int(epochs))
        self._own_draws = size_of_group() > 1
        self._generators = generators_of_rank(self.device) if self._own_draws else generators()
        self._beside = generators()
        self._looked_at = loop.pause is not never  # whoever pauses it has plans with it

    @property
    def accumulate(self) -> int:
        return int(self.loop.accumulate)

    def __del__(self) -> None:
        if not getattr(self, "_looked_at", True):
            warn("Nothing was trained: go through it, for epoch in train(…): …", RuntimeWarning, stacklevel=2)

    @property
    def states(self) -> dict[str, LearnerState]:
        self._looked_at = True
        return self._states

    @property
    def clock(self) -> Clock:
        return Clock(self.epoch, self.step, self.epoch / self.epochs, self.epochs)

    def __iter__(self) -> Generator[Epoch, None, None]:
        self._looked_at, accumulate = True, self.accumulate
        with tapped(self._states, self.loop.prepare):
            self._resume()
            while self.epoch < self.epochs:
                if not self.batch:
                    self._idle.begin()
                stream = iter(self.batches(self.epoch, self.batch))
                while group := list(islice(stream, accumulate)):
                    try:
                        self._take_step(group)
                    except (IndexError, RuntimeError, TypeError, ValueError):
                        self._look_again(group)
                        raise
                    if self.loop.pause(self.clock):
                        yield self._report(finished=False)
                        self._resume()
                checks.refuse_used_up(self.epoch, self.batch)
                report = self._report(finished=True)
                self._idle.refuse(self.clock, self.batch)
                self.epoch, self.batch = self.epoch + 1, 0
                for state in self._states.values():
                    state.forget_means()
                yield report
                self._resume()
            self._pause()

    def state_dict(self) -> dict[str, Any]:
        self._looked_at = True
        self._refuse_not_finite()
        return {
            "position": {"epoch": self.epoch, "step": self.step, "batch": self.batch},
            "generators": self._generators,
            "learners": {name: state.state_dict() for name, state in self._states.items()},
        }

    def load_state_dict(self, kept: Mapping[str, Any]) -> None:
        self._looked_at = True
        self.epoch, self.step, self.batch = (kept["position"][x] for x in ("epoch", "step", "batch"))
        self._generators = kept["generators"]
        if self.epoch:  # the first epoch was judged by whoever saved this
            self._idle = Idle({}, self.epochs)
        for name, state in self._states.items():
            state.load_state_dict(kept["learners"][name])

    def _take_step(self, group: list[Batch]) -> None:
        states, step, clock = self._states, self.step, self.clock
        group = [on_device(self.device, named_batch(batch)) for batch in group]
        sizes = [self.loop.size(batch) for batch in group]
        checks.refuse_empty(sizes, self.epoch, self.batch)
        for state in states.values():
            state.begin(clock)
        whole = len(group) == 1 and not among_several()
        parts = {
            me: [dict.fromkeys(state.active, 1.0)] if whole else shares(state.counting, group, sizes, self.device)
            for me, state in states.items()
        }
        turns = self.loop.turns(list(states))
        # Of several batches, what is kept from one turn to the next would take as much memory as one large batch.
        kept: Kept | None = {} if len(group) == 1 and len(turns) > 1 else None
        answers: dict[int, Taught] = {}  # teachers are asked once a batch; with only one turn nothing is held
        for turn, movers in enumerate(turns, 1):
            later = turns[turn:]
            for at, batch in enumerate(group):
                with self.autocast():
                    taught = answers[at] if at in answers else ask_teachers(states, batch)
                    scenes = play(states, batch, taught, movers, later=later, kept=kept)
                    losses = {me: states[me].losses(scenes[me]) for me in movers}
                if later:
                    answers[at] = taught
                for me in movers:
                    states[me].add(losses[me], scenes[me], parts[me][at], step)
            for me in movers:
                states[me].settle(step)
            if self.device.type == "cpu":  # elsewhere it would make the host wait: then when a number is read anyway
                self._refuse_not_finite(scenes)
            for me in movers:
                states[me].move()
        self.step += 1
        self.batch += len(group)

    def _look_again(self, group: list[Any]) -> None:
        """After a failed step: says which batch is to blame and why, as far as that can be seen."""
        alone = self._alone or among_several()  # the others would not wait for a loss that one tries by itself
        for at, batch in enumerate(group, self.batch + 1):
            which = f"Batch {at} of epoch {self.epoch + 1}"
            refuse_unfit(self._states, batch, which, self.loop, self.device, alone=alone)

    def autocast(self) -> AbstractContextManager[None]:
        """In which a network answers as it does in this training."""
        return self.loop.autocast(self.device.type)

    def _resume(self) -> None:
        for state in self._states.values():
            state.train_mode()
        restore_generators(self._generators)

    def _pause(self) -> None:
        """Several ranks draw alike again what is drawn beside the training, such as the weights of a next network."""
        self._generators = generators()
        if self._own_draws:
            restore_generators(self._beside)

    def _refuse_not_finite(self, scenes: Mapping[str, Scene] = MappingProxyType({})) -> None:
        for name, state in self._states.items():
            if state.spoilt is not None:
                what, step = state.spoilt
                steps = -(-self.batch // self.accumulate) - (self.step - step)  # in this epoch, before the bad one
                batch = steps * self.accumulate + 1  # counted from 1, as people do
                cause = checks.cause_of_not_finite(state, what, scenes.get(name, {}))
                what = "The gradient" if what == "gradient" else f"Loss {what!r}"
                raise FloatingPointError(
                    f"{what} of learner {name!r} was not finite in epoch {self.epoch + 1}, batch {batch} "
                    f"(step {step + 1}){cause}; its weights are those from before that step."
                )

    def _report(self, *, finished: bool) -> Epoch:
        self._pause()
        self._refuse_not_finite()
        losses = {name: state.means() for name, state in self._states.items()}
        weights = {name: state.weights for name, state in self._states.items()}
        found = {name: read_all(state.owned) for name, state in self._states.items()} if finished else {}
        return Epoch(self.epoch, losses, weights, finished, {name: means for name, means in found.items() if means})
