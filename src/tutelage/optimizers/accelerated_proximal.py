"""Exact zeros with momentum: accelerated proximal gradient in one pass a step."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tutelage.optimizers.factory import Factory, Named
from tutelage.optimizers.proximal import Scale, alike, refuse_no_strength, soft_threshold

Momentum: TypeAlias = Callable[[int], float]
"""How many steps were taken (0 before the first) -> the momentum ``μ``."""


def steady(_taken: int, momentum: float = 0.9) -> float:
    """The same at every step. 0 makes it the plain proximal gradient method."""
    return momentum


def growing(taken: int) -> float:
    """``(k − 1) / (k + 2)`` after ``k`` steps, which tends to 1: for convex problems and exact gradients.

    >>> [round(growing(taken), 2) for taken in range(5)]
    [-0.5, 0.0, 0.25, 0.4, 0.5]
    """
    return (taken - 1) / (taken + 2)


def accelerated_proximal(
    factory: Factory,
    strength: float,
    where: Callable[[str], bool],
    scale: Scale = alike,
    momentum: Momentum = steady,
    floor: float = 0.0,
) -> Factory:
    """Parameters ``g`` whose name is ``where`` take accelerated proximal steps, whatever ``factory`` does with others.

    With ``η`` the rate of their group, ``∇`` their gradient and ``S_t(x) = sign(x) · max(|x| - t, 0)``, step ``k`` is

    ``x_k = S(g_{k-1} - η∇)`` with ``t = η · strength · α``, ``v_k = x_k - g_{k-1} + μ_{k-1} v_{k-1}``,
    ``g_k = max(x_k + μ_k v_k, floor)``.

    It minimises ``l(g) + strength · Σ α|g|``, ``∇`` being of ``l`` alone: their weight decay, momentum and adaptive
    rates are not used. ``v`` has the unit of ``g``. ``g_k`` is where Nesterov's method looks at next, so that one pass
    a step is enough; ``sparse(optimizer)`` reads its iterates, ``max(x_k, floor)``, which are exactly 0 where they are
    0. Without a floor (−∞) ``g`` itself hardly ever is. ``scale`` gives ``α`` by name, ``momentum`` gives ``μ``. Raises
    ``ValueError`` for a negative strength.

    Huang & Wang, "Data-Driven Sparse Structure Selection for Deep Neural Networks", ECCV 2018, arXiv:1707.01213,
    eq. 10 to 12, and their code, which has the floor at 0 and μ = 0.9; Gu & Tresp, "Search for Better Students to Learn
    Distilled Knowledge", 2020, arXiv:2001.11612, whose μ is ``growing``.
    """

    refuse_no_strength(strength)

    def build(named: Named) -> Optimizer:
        optimizer = factory(named)
        chosen = {p: scale(name) for name, p in named if where(name)}
        for group in optimizer.param_groups:
            group["proximal_steps"] = 0
        before: dict[nn.Parameter, Tensor] = {}

        @torch.no_grad()
        def remember(_optimizer: Optimizer, *_: Any) -> None:
            before.update({p: p.clone() for p in chosen if p.grad is not None})

        @torch.no_grad()
        def move(optimizer: Optimizer, *_: Any) -> None:
            for group in optimizer.param_groups:
                taken = group["proximal_steps"]
                speeds = momentum(taken), momentum(taken + 1)
                for p in before.keys() & set(group["params"]):
                    x = soft_threshold(before[p] - group["lr"] * p.grad, group["lr"] * strength * chosen[p])
                    _move_(p, before.pop(p), x, optimizer.state[p], *speeds, floor)
                group["proximal_steps"] = taken + 1

        optimizer.register_step_pre_hook(remember)
        optimizer.register_step_post_hook(move)
        return optimizer

    return build


def sparse(optimizer: Optimizer) -> dict[str, Tensor]:
    """Name -> the last iterate ``max(x_k, floor)``, for every parameter that took an accelerated proximal step."""
    return _kept(optimizer, "iterate")


def lasting(optimizer: Optimizer) -> dict[str, Tensor]:
    """Name -> in how many of the steps each iterate was above the floor: what became 0 last has the most of them."""
    return _kept(optimizer, "lasted")


def _kept(optimizer: Optimizer, what: str) -> dict[str, Tensor]:
    return {
        name: optimizer.state[p][what]
        for group in optimizer.param_groups
        for name, p in zip(group["param_names"], group["params"], strict=True)
        if what in optimizer.state.get(p, {})
    }


def _move_(p: Tensor, g: Tensor, x: Tensor, state: dict[str, Any], last: float, this: float, floor: float) -> None:
    """From ``g`` to ``max(x + this · v, floor)``, where ``v`` is ``x - g`` and ``last`` times what it was."""
    v = x - g
    if "velocity" in state:
        v.add_(state["velocity"], alpha=last)
    p.copy_((x + this * v).clamp_min_(floor))
    lasted = (x > floor).to(x.dtype)
    if "lasted" in state:
        lasted.add_(state["lasted"])
    state.update(velocity=v, iterate=x.clamp_min(floor), lasted=lasted)
