"""Passes in which a network does something else: in train mode, and for other values than zeros."""

from contextlib import suppress

import torch
from torch import Tensor, nn

from tutelage.compress.structure.seen import Traced
from tutelage.compress.structure.trace import IDLE, Trace


def heed_training(model: nn.Module, example: Tensor, traced: Traced) -> None:
    """Where layers run in train mode alone: what they read stays, and what goes together then does so always."""
    if any(why == IDLE for why in traced.refused.values()):
        with suppress(Exception), torch.random.fork_rng(devices=[]):  # for dropout; some cannot be trained on samples
            training = Trace(model).run(example)
            if _runs_late(traced, training):
                _heed(traced, training, "in train mode")


def heed_values(model: nn.Module, example: Tensor, traced: Traced) -> None:
    """Where code does something else for other values than zeros: the same."""
    if example.is_floating_point():
        noise = torch.randn(example.shape, generator=torch.Generator().manual_seed(0), device="cpu").to(example)
        with suppress(Exception):  # it may refuse noise
            other = Trace(model).run(noise)
            if [x.operation for x in other.steps] != [x.operation for x in traced.steps]:
                _heed(traced, other, "for other values")


def _runs_late(traced: Traced, other: Traced) -> list[str]:
    return [name for name, why in traced.refused.items() if why == IDLE and other.refused.get(name) != IDLE]


def _heed(traced: Traced, other: Traced, when: str) -> None:
    """Fix what layers read and make that ran in the ``other`` pass alone, and couple what goes together there."""
    late = {name: other.layers[name] for name in _runs_late(traced, other) if name in other.layers}
    own = {other.groups.of(x): f"{name} makes it {when}" for name, ran in late.items() for x in ran.made}
    own |= {other.groups.of(x): f"{name} reads it {when}" for name, ran in late.items() for x in ran.slots}
    first: dict[int, int] = {}  # channels by their group in the other pass
    for name, ran in traced.layers.items():
        if name in other.layers:
            then = other.layers[name]
            for group, channel in zip(
                map(other.groups.of, [*then.made, *then.slots]), [*ran.made, *ran.slots], strict=True
            ):
                traced.groups.couple(first.setdefault(group, channel), channel)
                if why := own.get(group) or other.groups.reason(group):
                    traced.groups.fix([channel], why)
        elif (why := other.refused.get(name, IDLE)) != IDLE:
            traced.groups.fix([*ran.made, *ran.slots], f"{name} makes it, and {when} {why}")
