"""The training loop. There is one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import islice, tee
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.data.batches import Batch, Batches, as_batches, num_samples
from tutelage.learner import Learner, LearnerState
from tutelage.objective import Clock, Scene
from tutelage.statistics import read_all
from tutelage.taps import OUTPUT, Activations
from tutelage.teachers.frozen import Teacher

Turns: TypeAlias = Callable[[Sequence[str]], list[list[str]]]
Taught: TypeAlias = dict[str, dict[str, Activations]]
"""Learner -> its teachers -> what they showed."""


class Epoch(NamedTuple):
    """What ``Training`` yields. ``losses`` are raw means over the epoch so far, ``weights`` those of the last step.

    ``statistics`` are the running means that a learner's modules kept over a finished epoch, by their path.
    """

    number: int
    losses: dict[str, dict[str, float]]  # learner -> term -> mean
    weights: dict[str, dict[str, float]]
    finished: bool = True
    statistics: Mapping[str, Mapping[str, float]] = MappingProxyType({})


def simultaneous(learners: Sequence[str]) -> list[list[str]]:
    """All look, then all step."""
    return [list(learners)]


def alternating(learners: Sequence[str]) -> list[list[str]]:
    """One steps after the other, and each sees its peers as they are by then."""
    return [[name] for name in learners]


def never(_clock: Clock) -> bool:
    return False


def as_it_is(network: nn.Module) -> nn.Module:
    return network


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
    ``accumulate`` batches, each weighing its share of their ``size``. After a step for which ``pause`` holds, an
    ``Epoch(finished=False)`` is yielded. ``prepare``, such as ``torch.compile``, is applied to every tapped student;
    with rules that want one gradient a loss, set ``torch._functorch.config.donated_buffer = False`` before.
    ``precision=torch.bfloat16`` runs teachers, students and objectives under autocast; see
    ``tutelage.machine.gains_from_bfloat16`` before choosing it. Batches go to the device of the first student.

    Raises ``ValueError`` before the first step for whatever cannot work: no epochs, addresses that nobody answers,
    names that mean two things; and ``FloatingPointError`` when a loss or gradient is not finite, naming term, epoch,
    batch and step, with the learner's weights from before that step.
    """
    return Training(learners, as_batches(batches), epochs, turns, accumulate, size, pause, prepare, precision)


class Training:
    """A training under way: iterable, and restorable to the same bits from ``state_dict()`` taken between two yields.

    ``state_dict`` holds the live tensors: save or copy it before going on. ``load_state_dict`` wants a training that
    was built alike and is not yet being iterated over. Random numbers drawn by the caller between yields do not matter.
    """

    def __init__(
        self,
        learners: Mapping[str, Learner],
        batches: Batches,
        epochs: int,
        turns: Turns,
        accumulate: int,
        size: Callable[[Batch], int],
        pause: Callable[[Clock], bool],
        prepare: Callable[[nn.Module], nn.Module],
        precision: torch.dtype,
    ) -> None:
        _refuse_too_few(epochs=epochs, accumulate=accumulate, learners=len(learners))
        _refuse_ambiguous(learners)
        _refuse_halves(learners, accumulate)
        _refuse_shared_rules(learners)
        _refuse_precision(precision)
        self.states = {name: LearnerState(name, learner) for name, learner in learners.items()}
        self.batches, self.epochs, self.turns = batches, epochs, turns
        self.accumulate, self.size, self.pause, self.prepare = accumulate, size, pause, prepare
        self.epoch = self.step = self.batch = 0
        self.device = next(iter(self.states.values())).device
        self.autocast = nullcontext if precision == torch.float32 else partial(_autocast, self.device.type, precision)
        self._rehearse()
        for state in self.states.values():
            state.build_optimizer()
        self._generators = _generators()

    @property
    def clock(self) -> Clock:
        return Clock(self.epoch, self.step, self.epoch / self.epochs)

    def __iter__(self) -> Iterator[Epoch]:
        with self._tapped(self.prepare):
            self._resume()
            while self.epoch < self.epochs:
                stream = iter(self.batches(self.epoch, self.batch))
                while group := list(islice(stream, self.accumulate)):
                    self._take_step(group)
                    if self.pause(self.clock):
                        yield self._report(finished=False)
                        self._resume()
                report = self._report(finished=True)
                self.epoch, self.batch = self.epoch + 1, 0
                for state in self.states.values():
                    state.forget_means()
                yield report
                self._resume()

    def state_dict(self) -> dict[str, Any]:
        self._refuse_not_finite()
        return {
            "position": {"epoch": self.epoch, "step": self.step, "batch": self.batch},
            "generators": self._generators,
            "learners": {name: state.state_dict() for name, state in self.states.items()},
        }

    def load_state_dict(self, kept: Mapping[str, Any]) -> None:
        self.epoch, self.step, self.batch = (kept["position"][x] for x in ("epoch", "step", "batch"))
        self._generators = kept["generators"]
        for name, state in self.states.items():
            state.load_state_dict(kept["learners"][name])

    def _take_step(self, group: list[Batch]) -> None:
        group = [_on(self.device, batch) for batch in group]
        sizes = [self.size(batch) for batch in group]
        if 0 in sizes:
            at = self.batch + sizes.index(0) + 1
            raise ValueError(f"Batch {at} of epoch {self.epoch + 1} is empty; every batch needs a sample or more.")
        shares = [size / sum(sizes) for size in sizes]
        for state in self.states.values():
            state.begin(self.clock)
        turns = self.turns(list(self.states))
        # Teachers are asked once a batch: with a second turn, tee keeps their answers, with only one it does not.
        for movers, answers in zip(turns, tee(map(self._ask_teachers, group), len(turns)), strict=True):
            for batch, share, taught in zip(group, shares, answers, strict=True):
                with self.autocast():
                    scenes = self._play(batch, taught, movers)
                    losses = {me: self.states[me].losses(scenes[me]) for me in movers}
                for me in movers:
                    self.states[me].add(losses[me], scenes[me], share, self.step)
            for me in movers:
                self.states[me].settle(self.step)
            if self.device.type == "cpu":  # elsewhere it would make the host wait: then when a number is read anyway
                self._refuse_not_finite()
            for me in movers:
                self.states[me].move()
        self.step += 1
        self.batch += len(group)

    def _ask_teachers(self, batch: Batch) -> Taught:
        wanted: dict[Teacher, set[str]] = {}
        for state in self.states.values():
            for who, what in state.reads(state.active):
                if who in state.learner.teachers:
                    wanted.setdefault(state.learner.teachers[who], set()).add(what)
        with torch.no_grad(), self.autocast():
            shown = {ask: ask({"batch": batch}, frozenset(what)) for ask, what in wanted.items()}
        return {
            name: {who: shown[ask] for who, ask in state.learner.teachers.items() if ask in shown}
            for name, state in self.states.items()
        }

    def _play(self, batch: Batch, taught: Taught, movers: Sequence[str], also: Sequence[str] = ()) -> dict[str, Scene]:
        """What each of ``movers`` gets to see; peers who do not move show themselves without leaving a trace."""
        shown: dict[str, Activations] = {}
        peers: dict[str, Activations] = {}  # the same, without gradient
        for name, state in self.states.items():
            wanted = self._read_of(name, {me: self.states[me].active for me in movers})
            if not wanted:
                continue
            if (wanted := wanted.union(also)) != state.tapped.wanted:  # setting an attribute of a module is slow
                state.tapped.wanted = frozenset(wanted)
            scene = {"batch": batch, **taught[name], **peers}
            if name in movers:
                shown[name] = state.learner.call(state.forward, scene)
            else:
                with torch.no_grad(), _buffers_kept(state.learner.student):
                    shown[name] = state.learner.call(state.forward, scene)
            peers[name] = {what: x.detach() for what, x in shown[name].items()}
        return {me: {"batch": batch, **taught[me], **peers, "student": shown.get(me, {})} for me in movers}

    def _read_of(self, name: str, terms: Mapping[str, Sequence[str]]) -> set[str]:
        """What of ``name`` the given terms of each learner look at, under its own name or as their ``student``."""
        reads = [(me, who, what) for me, names in terms.items() for who, what in self.states[me].reads(names)]
        return {what for me, who, what in reads if who == name or (who == "student" and me == name)}

    @torch.no_grad()
    def _rehearse(self) -> None:
        """One batch through everything, unheard: finds misspelt addresses, materialises lazy modules, checks taps."""
        generators = _generators()
        with self._tapped(as_it_is):
            for state in self.states.values():
                state.owned.eval()
            batch = next(iter(self.batches(0, 0)), None)
            if batch is None:
                raise ValueError("There is nothing to learn from: the first epoch has no batch.")
            batch = _on(self.device, batch)
            with self.autocast():
                scenes = self._play(batch, self._ask_teachers(batch), list(self.states), also=[OUTPUT])
                for name, state in self.states.items():
                    state.losses(scenes[name])
        _restore(generators)

    @contextmanager
    def _tapped(self, prepare: Callable[[nn.Module], nn.Module]) -> Iterator[None]:
        possible = {name: state.possible for name, state in self.states.items()}
        with ExitStack() as stack:
            for name, state in self.states.items():
                state.tap(self._read_of(name, possible))
                stack.callback(state.tapped.untap)
                state.forward = prepare(state.tapped)
            yield

    def _resume(self) -> None:
        for state in self.states.values():
            state.train_mode()
        _restore(self._generators)

    def _refuse_not_finite(self) -> None:
        for name, state in self.states.items():
            if state.spoilt is not None:
                what, step = state.spoilt
                steps = -(-self.batch // self.accumulate) - (self.step - step)  # in this epoch, before the bad one
                batch = steps * self.accumulate + 1  # counted from 1, as people do
                what = "The gradient" if what == "gradient" else f"Loss {what!r}"
                raise FloatingPointError(
                    f"{what} of learner {name!r} was not finite in epoch {self.epoch + 1}, batch {batch} "
                    f"(step {step + 1}); its weights are those from before that step."
                )

    def _report(self, *, finished: bool) -> Epoch:
        self._generators = _generators()
        self._refuse_not_finite()
        losses = {name: state.means() for name, state in self.states.items()}
        weights = {name: state.weights for name, state in self.states.items()}
        found = {name: read_all(state.owned) for name, state in self.states.items()} if finished else {}
        return Epoch(self.epoch, losses, weights, finished, {name: means for name, means in found.items() if means})


def _autocast(device: str, precision: torch.dtype) -> AbstractContextManager[None]:
    return torch.autocast(device, precision)


def _on(device: torch.device, batch: Batch) -> Batch:
    if all(x.device == device for x in batch.values()):
        return batch
    return {what: x.to(device, non_blocking=True) for what, x in batch.items()}


def _refuse_too_few(**counts: int) -> None:
    for what, count in counts.items():
        if count < 1:
            raise ValueError(f"A training needs 1 or more {what}; got {count}.")


def _refuse_ambiguous(learners: Mapping[str, Learner]) -> None:
    for name, learner in learners.items():
        peers = [peer for peer in learners if peer != "student" or len(learners) > 1]
        stage = ["batch", "student", *learner.teachers, *peers]
        if twice := sorted({who for who in stage if stage.count(who) > 1}):
            raise ValueError(f"On the stage of learner {name!r}, {twice} would mean two things; choose other names.")


def _refuse_halves(learners: Mapping[str, Learner], accumulate: int) -> None:
    across = [f"{me}: {name}" for me, x in learners.items() for name, term in x.objective.terms.items() if term.across]
    if across and accumulate > 1:
        raise ValueError(f"Terms {across} look across the batch, which accumulation cuts into {accumulate} pieces.")


def _refuse_shared_rules(learners: Mapping[str, Learner]) -> None:
    if len({id(learner.combine) for learner in learners.values()}) < len(learners):
        raise ValueError(f"Learners {sorted(learners)} share one Combine, which would mix their gradients; one each.")


def _refuse_precision(precision: torch.dtype) -> None:
    if precision not in (torch.float32, torch.bfloat16):
        raise ValueError(f"precision is torch.float32 (no autocast) or torch.bfloat16; got {precision}.")


@contextmanager
def _buffers_kept(model: nn.Module) -> Iterator[None]:
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)


def _generators() -> dict[str, Tensor]:
    """Of the CPU, and of this process's accelerator if it has woken one."""
    cuda = {"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_initialized() else {}
    return {"cpu": torch.get_rng_state(), **cuda}


def _restore(generators: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(generators["cpu"])
    if "cuda" in generators:
        torch.cuda.set_rng_state(generators["cuda"])
