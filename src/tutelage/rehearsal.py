"""A batch through everything, unheard: before the first step, and once more where a step has failed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import torch
from torch import nn

from tutelage import checks
from tutelage.data.batches import Batch, Batches, named_batch, on_device
from tutelage.loop import Loop, as_it_is, generators, restore_generators, without_trace
from tutelage.objective import Scene
from tutelage.scenes import States, ask_teachers, play, read_of
from tutelage.taps import OUTPUT


@contextmanager
def tapped(states: States, prepare: Callable[[nn.Module], nn.Module]) -> Iterator[None]:
    """Every student behind the taps that any term may ever read, and prepared; plain again at the end."""
    possible = {name: state.possible for name, state in states.items()}
    with ExitStack() as stack:
        for name, state in states.items():
            state.tap(read_of(states, name, possible))
            stack.callback(state.tapped.untap)
            state.forward = prepare(state.tapped)
        yield


@torch.no_grad()
def rehearse(states: States, batches: Batches, loop: Loop, device: torch.device) -> Batch:
    """The first batch: finds misspelt addresses, materialises lazy modules, checks taps."""
    before = generators()
    with tapped(states, as_it_is):
        for state in states.values():
            state.owned.eval()
        batch = next(iter(batches(0, 0)), None)
        if batch is None:
            raise ValueError(
                "There is nothing to learn from: the first epoch has no batch; one that drops the last batch "
                "(drop_last=True) needs as many samples as a batch holds."
            )
        batch = on_device(device, named_batch(batch))
        sizes: list[int] = []
        with suppress(ValueError):  # what else is wrong with a batch that has no size says more
            sizes.append(loop.size(batch))
        checks.refuse_empty(sizes, 0, 0)
        with loop.autocast(device.type):
            versions = checks.versions_of(batch)
            taught = ask_teachers(states, batch)
            teachers = ", ".join(map(repr, sorted({who for x in states.values() for who in x.learner.teachers})))
            checks.refuse_overwritten(batch, versions, f"A teacher ({teachers})")
            scenes = play(states, batch, taught, list(states), also=[OUTPUT])
            checks.refuse_overwritten(batch, versions, f"A learner ({', '.join(map(repr, states))})")
            for name, state in states.items():
                checks.try_terms(state, scenes[name])
        loop.size(batch)
    restore_generators(before)
    return batch


@torch.no_grad()
def rehearse_alone(states: States, batch: Batch, loop: Loop, device: torch.device) -> None:
    """A batch of one sample in train mode: a BatchNorm makes nothing of it, nor what compares samples."""
    before, batch = generators(), on_device(device, batch)
    with tapped(states, as_it_is), ExitStack() as stack:
        for state in states.values():
            stack.enter_context(without_trace(state.owned))
            state.train_mode()
        with checks.of_a_single_sample(), loop.autocast(device.type):
            scenes = play(states, batch, ask_teachers(states, batch), list(states))
            for name, state in states.items():
                checks.try_terms(state, scenes[name])
    restore_generators(before)


def refuse_unfit(states: States, batch: Any, which: str, loop: Loop, device: torch.device, *, alone: bool) -> None:
    """Of a batch in a step that failed: raises ``ValueError`` with what is wrong with it, if a second look shows it.

    That is one at a single sample in train mode, unless it is known to go well ``alone``; and one in eval mode.
    """
    scenes: dict[str, Scene] = {}
    single = None
    with suppress(Exception):
        batch = on_device(device, named_batch(batch))
        single = batch if loop.size(batch) == 1 and not alone else None
        scenes = _shown(states, batch, loop, device)
    if single is not None:
        rehearse_alone(states, single, loop, device)
    for name, scene in scenes.items():
        with checks.named_in_errors(which):
            checks.refuse_unfit_terms(states[name], scene)


def _shown(states: States, batch: Batch, loop: Loop, device: torch.device) -> dict[str, Scene]:
    """What each learner gets to see of ``batch`` in eval mode, without a trace."""
    with ExitStack() as stack:
        stack.callback(restore_generators, generators())
        for state in states.values():
            stack.callback(state.train_mode)
            stack.enter_context(without_trace(state.owned))
            state.owned.eval()
        with loop.autocast(device.type):
            return play(states, batch, ask_teachers(states, batch), list(states))
