"""Exact zeros with momentum: accelerated proximal gradient in one pass a step."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import nan
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tutelage.optimizers.factory import Factory, Named
from tutelage.optimizers.proximal import Scale, alike, refuse_no_strength

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
        chosen = {p: _of_each(scale(name), p) for name, p in named if where(name)}
        for group in optimizer.param_groups:
            group["proximal_steps"] = 0
        rows: dict[tuple[nn.Parameter, ...], _Row] = {}
        moving: list[list[tuple[_Row, Tensor]]] = []  # by group, with what they were before the step

        @torch.no_grad()
        def remember(optimizer: Optimizer, *_: Any) -> None:
            moving.clear()
            for group in optimizer.param_groups:
                alike = _of_a_kind([p for p in group["params"] if p in chosen and p.grad is not None])
                moving.append([])
                for parameters in alike:
                    row = rows.get(parameters) or rows.setdefault(parameters, _Row(parameters, chosen))
                    moving[-1].append((row, _joined(parameters)))

        @torch.no_grad()
        def move(optimizer: Optimizer, *_: Any) -> None:
            for group, before in zip(optimizer.param_groups, moving, strict=True):
                taken, rate = group["proximal_steps"], group["lr"]
                for row, g in before:
                    row.attach(optimizer.state)
                    row.move_(g, rate, rate * strength, momentum(taken), momentum(taken + 1), floor)
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


class _Row:
    """Parameters of a kind, all of their numbers in a row: a step of fifty layers' gates is a dozen operations.

    What an optimizer remembers of each is a part of a row, too, until another state is loaded.
    """

    def __init__(self, parameters: tuple[nn.Parameter, ...], scales: Mapping[nn.Parameter, Tensor]) -> None:
        self.parameters, self.scales = parameters, [scales[p] for p in parameters]
        self.sizes = [p.numel() for p in parameters]
        self.velocity = self.iterate = self.lasted = self.scale = self.below = self.above = _joined(parameters)
        self.threshold = nan
        self.velocities: dict[nn.Parameter, Tensor] = {}

    def attach(self, state: Mapping[Tensor, dict[str, Any]]) -> None:
        """Let what is remembered in ``state`` of each parameter be parts of these rows, if it is not yet."""
        states = [state[p] for p in self.parameters]
        if not all(map(self._is_part, states, self.parameters)):
            self._begin(states)

    def move_(self, g: Tensor, rate: float, threshold: float, last: float, this: float, floor: float) -> None:
        """A step of ``accelerated_proximal`` from ``g``, with ``last`` and ``this`` for ``μ_{k-1}`` and ``μ_k``."""
        if threshold != self.threshold:
            self.threshold, self.above = threshold, self.scale * threshold
            self.below = -self.above
        z = torch.sub(g, _joined([p.grad for p in self.parameters]), alpha=rate)  # type: ignore[misc]
        x = z.sub_(torch.clamp(z, self.below, self.above))
        self.velocity.mul_(last).add_(x).sub_(g)
        moved = torch.add(x, self.velocity, alpha=this).clamp_min_(floor)
        torch.clamp_min(x, floor, out=self.iterate)
        self.lasted.add_(x > floor)
        torch._foreach_copy_(self.parameters, self._apart(moved))

    def _begin(self, states: Sequence[dict[str, Any]]) -> None:
        """Go on from ``states``, or from nothing, and let them be parts of these rows from now on."""
        for what in ("velocity", "iterate", "lasted"):
            row = _joined(
                [s[what] if what in s else torch.zeros_like(p) for p, s in zip(self.parameters, states, strict=True)]
            )
            setattr(self, what, row)
            for state, part in zip(states, self._apart(row), strict=True):
                state[what] = part
        self.scale, self.threshold = _joined(self.scales), nan
        self.velocities = {p: state["velocity"] for p, state in zip(self.parameters, states, strict=True)}

    def _is_part(self, state: dict[str, Any], p: nn.Parameter) -> bool:
        return p in self.velocities and state.get("velocity") is self.velocities[p]

    def _apart(self, row: Tensor) -> list[Tensor]:
        parts = row.split(self.sizes)
        return [part if p.ndim == 1 else part.view_as(p) for part, p in zip(parts, self.parameters, strict=True)]


def _of_each(scale: float | Tensor, p: Tensor) -> Tensor:
    return scale if isinstance(scale, Tensor) else torch.full_like(p, scale)


def _of_a_kind(parameters: Sequence[nn.Parameter]) -> Iterator[tuple[nn.Parameter, ...]]:
    """Those of one type on one device together."""
    kinds: dict[Any, list[nn.Parameter]] = {}
    for p in parameters:
        kinds.setdefault((p.dtype, p.device), []).append(p)
    return map(tuple, kinds.values())


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([x if x.ndim == 1 else x.reshape(-1) for x in tensors])
