"""How several losses become one gradient."""

from collections.abc import Mapping
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.objective import Losses, Scene
from tutelage.ranks import average_over_ranks

if TYPE_CHECKING:
    from torchjd.aggregation import Aggregator
    from torchjd.linalg import DualConeProjector

Parameters: TypeAlias = Mapping[str, nn.Parameter]


class Combine(nn.Module):
    """Fills ``.grad`` in two phases: ``add`` takes the weighted losses of a micro-batch, ``settle`` ends the step.

    A module, because some rules learn weights or remember: what they own is optimised and checkpointed like the rest.
    """

    def reads(self) -> set[tuple[str, str]]:
        """What the rule itself wants to see of the scene, such as a shared feature."""
        return set()

    def add(self, losses: Losses, scene: Scene, parameters: Parameters) -> None:
        raise NotImplementedError

    def settle(self, parameters: Parameters) -> None:
        raise NotImplementedError


class WeightedSum(Combine):
    """The usual choice: one backward pass through the sum of the weighted losses."""

    def add(self, losses: Losses, scene: Scene, parameters: Parameters) -> None:  # noqa: ARG002
        reduce(add, losses.values()).backward()

    def settle(self, parameters: Parameters) -> None:
        average_over_ranks(p.grad for p in parameters.values() if p.grad is not None)


class ResolveConflicts(Combine):
    """One gradient a loss, merged by a ``torchjd.aggregation.Aggregator`` such as ``PCGrad()``.

    What a parameter gets depends on how many losses reach it: none, and ``.grad`` stays ``None``; one, and it is that
    loss's plain gradient; two or more, and it takes part in the aggregation. UPGrad and DualProj want
    ``projector=exact_projector()``. Rules that draw at random draw from ``(seed, number of steps)``.
    """

    step: Tensor

    def __init__(self, aggregator: "Aggregator", seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self._aggregator = [aggregator]  # in a list: its buffers appear and vanish, which load_state_dict refuses
        self._rows: dict[str, dict[str, Tensor]] = {}  # loss -> parameter -> its gradient so far

    def add(self, losses: Losses, scene: Scene, parameters: Parameters) -> None:  # noqa: ARG002
        for place, (name, loss) in enumerate(losses.items(), start=1):  # one by one: vmap breaks cdist and collectives
            found = torch.autograd.grad(
                loss, list(parameters.values()), allow_unused=True, retain_graph=place < len(losses)
            )
            row = self._rows.setdefault(name, {})
            for parameter, gradient in zip(parameters, found, strict=True):
                if gradient is not None:
                    # a copy: autograd hands out one tensor for two parameters, and views that cannot be written to
                    row[parameter] = row[parameter] + gradient if parameter in row else gradient.clone()

    def settle(self, parameters: Parameters) -> None:
        rows, self._rows = self._rows, {}
        average_over_ranks(gradient for row in rows.values() for gradient in row.values())
        reach = {p: [name for name, row in rows.items() if p in row] for p in parameters}
        for p, names in reach.items():
            if len(names) == 1:
                parameters[p].grad = rows[names[0]][p]
        if shared := {p: parameters[p] for p, names in reach.items() if len(names) > 1}:
            # A loss that reaches nothing shared would be a row of zeros, and rules such as MGDA would stop at it.
            self._aggregate([row for row in rows.values() if row.keys() & shared.keys()], shared)
        self.step += 1

    def _aggregate(self, rows: list[dict[str, Tensor]], shared: Parameters) -> None:
        jacobian = torch.stack([torch.cat([_flat(row.get(n), p) for n, p in shared.items()]) for row in rows])
        with torch.random.fork_rng([jacobian.device] if jacobian.is_cuda else []):
            torch.manual_seed(self.seed + int(self.step))
            merged = self._aggregator[0](jacobian).split([p.numel() for p in shared.values()])
        for p, gradient in zip(shared.values(), merged, strict=True):
            p.grad = torch.empty_like(p).copy_(gradient.view_as(p))  # in its own layout: fused optimizers want it

    def get_extra_state(self) -> dict[str, dict[str, Any]]:
        return {name: {**_plain(m), **m._buffers} for name, m in self._aggregator[0].named_modules()}

    def set_extra_state(self, state: dict[str, dict[str, Any]]) -> None:
        for name, module in self._aggregator[0].named_modules():
            for key, value in state[name].items():
                (module._buffers if key in module._buffers else vars(module))[key] = value


def exact_projector() -> "DualConeProjector":
    """A projector for ``UPGrad(projector=…)`` and ``DualProj``: exact, for up to 12 losses, without a QP library.

    Minimises ``vᵀGv`` subject to ``v ≥ u``. At the solution every coordinate is either at its bound or has slope 0, so
    all ``2^K`` ways to choose are solved at once, and the one that satisfies the optimality conditions is taken.
    Scaled to the trace of ``G``, with ``1e-6`` on the diagonal: without it, two equal losses have no single answer.
    """
    from torchjd.linalg import DualConeProjector

    class Exact(DualConeProjector):
        def __call__(self, U: Tensor, G: Tensor) -> Tensor:
            return project_on_dual_cone(U, G)

    return Exact()


def project_on_dual_cone(u: Tensor, gramian: Tensor) -> Tensor:
    """``argmin_v vᵀGv`` with ``v ≥ u``, for each row of ``u`` (rows, K) and a Gramian (K, K), K ≤ 12."""
    k = len(gramian)
    if k > 12:
        raise ValueError(f"The exact projector solves 2^K small systems, so it takes up to 12 losses; got {k}.")
    g = gramian.detach().to("cpu", torch.float64)
    g = g / g.trace().clamp_min(torch.finfo(torch.float64).tiny) + 1e-6 * torch.eye(k, dtype=torch.float64)
    bound = u.detach().to("cpu", torch.float64).reshape(-1, k).mT  # (K, rows)
    free = (torch.arange(2**k)[:, None] >> torch.arange(k) & 1).bool()[:, :, None]  # (2^K, K, 1)
    v = torch.linalg.solve(torch.where(free, g, torch.eye(k, dtype=g.dtype)), torch.where(free, 0, bound))
    violation = (bound - v).clamp_min(0).amax(1) + (-(g @ v)).clamp_min(0).amax(1)  # (2^K, rows)
    best: Tensor = v[violation.argmin(0), :, torch.arange(bound.shape[1])]  # (rows, K)
    return best.reshape(u.shape).to(u)


def _flat(gradient: Tensor | None, p: Tensor) -> Tensor:
    return torch.zeros_like(p).flatten() if gradient is None else gradient.flatten()


def _plain(module: nn.Module) -> dict[str, Any]:
    return {key: x for key, x in vars(module).items() if x is None or isinstance(x, bool | int | float | tuple)}
