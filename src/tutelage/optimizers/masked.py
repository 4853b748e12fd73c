"""Weights that are 0 and stay so, whatever momentum, decay or an average of them says."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tutelage.optimizers.factory import Factory, Named

KEPT = "kept"
"""What the state of a parameter calls its mask: 0 for elements that are held at 0, 1 for the others."""

BEGUN = "zeros_held"


def masked(factory: Factory, where: Callable[[str], bool]) -> Factory:
    """What is 0 of the parameters whose name is ``where`` when the optimizer is made is exactly 0 after every step.

    An element that becomes 0 later is not held. Gradients of what is held are 0 before a step, and so is what the
    optimizer, or another wrapper such as ``ema``, remembers of it.
    """

    def build(named: Named) -> Optimizer:
        kept = {p: p.detach() != 0 for name, p in named if where(name)}

        def begin(optimizer: Optimizer) -> None:
            for p in [p for p in kept if p.grad is not None]:  # Adam takes any state for its own: never be first
                zeros = kept.pop(p)
                if not optimizer.state[p].setdefault(BEGUN, False):  # else loaded: what was 0 then counts
                    optimizer.state[p][BEGUN] = True
                    hold_(optimizer, p, zeros)

        return holding_(factory(named), list(kept), begin)

    return build


def holding_(optimizer: Optimizer, chosen: Iterable[nn.Parameter], more: Callable[[Optimizer], None]) -> Optimizer:
    """``optimizer``, in whose steps what is held of ``chosen`` is 0; ``more`` is called after each and may hold more.

    It has the last word: other wrappers, also those around it, have moved all that they move before.
    """

    @torch.no_grad()
    def after(optimizer: Optimizer, *_: Any) -> None:
        for p in chosen:
            if KEPT in optimizer.state.get(p, {}):
                p.mul_(optimizer.state[p][KEPT]).add_(0.0)  # a product alone would leave zeros with a sign
        more(optimizer)

    handle = optimizer.register_step_post_hook(after)

    @torch.no_grad()
    def before(optimizer: Optimizer, *_: Any) -> None:
        nonlocal handle
        handle.remove()
        handle = optimizer.register_step_post_hook(after)  # hooks run in the order of their registration
        for p in chosen:
            if p.grad is not None and KEPT in optimizer.state.get(p, {}):
                p.grad.mul_(optimizer.state[p][KEPT])

    optimizer.register_step_pre_hook(before)
    return optimizer


@torch.no_grad()
def hold_(optimizer: Optimizer, p: nn.Parameter, kept: Tensor) -> None:
    """From now on ``p`` is 0 wherever ``kept`` is false, and wherever it was held at 0 before."""
    state = optimizer.state[p]
    own = kept.to(p.dtype)  # numbers, as they are once loaded; a product with truth values takes seven times as long
    state[KEPT] = own * state[KEPT] if KEPT in state else own
    gone = state[KEPT] == 0
    for value in (p, *(x for name, x in state.items() if name != KEPT)):
        if isinstance(value, Tensor) and value.shape == p.shape:
            value.masked_fill_(gone, 0)
