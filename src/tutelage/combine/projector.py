"""The nearest vector that harms no loss: an exact projection on the dual cone of a few gradients."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torchjd.linalg import DualConeProjector

CITATIONS = {
    "exact_projector": r"""@article{quinton2024jacobian,
  title   = {Jacobian Descent for Multi-Objective Optimization},
  author  = {Quinton, Pierre and Rey, Val{\'e}rian},
  journal = {arXiv preprint arXiv:2406.16232},
  year    = {2024},
  url     = {https://arxiv.org/abs/2406.16232}
}""",
}


def exact_projector() -> "DualConeProjector":
    """A projector for ``UPGrad(projector=…)`` and ``DualProj``: exact, for up to 12 losses, without a QP library.

    Minimises ``vᵀGv`` subject to ``v ≥ u``. At the solution every coordinate is either at its bound or has slope 0, so
    all ``2^K`` ways to choose are solved at once, and the one that satisfies the optimality conditions is taken.
    Gradients of all lengths are protected alike whose squares float32 can hold, see ``project_on_dual_cone``.
    Raises ``ImportError`` with the install line where torchjd is missing.

    Quinton & Rey, "Jacobian descent for multi-objective optimization", 2024, arXiv:2406.16232.
    """
    try:
        from torchjd.linalg import DualConeProjector
    except ModuleNotFoundError:
        raise ImportError("Rules of torchjd need an extra: pip install 'tutelage[conflicts]'") from None

    class Exact(DualConeProjector):
        def __call__(self, U: Tensor, G: Tensor) -> Tensor:
            return project_on_dual_cone(U, G)

    return Exact()


def project_on_dual_cone(u: Tensor, gramian: Tensor) -> Tensor:
    r"""``argmin_v vᵀGv`` with ``v ≥ u``, for each row of ``u`` (rows, K) and a Gramian (K, K), K ≤ 12.

    Solved in cosines: with lengths ``D = diag(√G_kk)``, ``C = D⁻¹GD⁻¹`` and ``w = Dv`` it is ``argmin_w wᵀCw`` with
    ``w ≥ Du``. On the diagonal of C comes a little, ``1e-6 K`` or in float64 ``1e-10 K``: without it, two equal losses
    have no single answer; on that of G, it would hide gradients that are much shorter than the longest. The v of a
    gradient of length 0 is ``max(u, 0)``, and makes no difference.

    Raises ``ValueError`` for more losses.
    """
    k = len(gramian)
    if k > 12:
        raise ValueError(f"The exact projector solves 2^K small systems, so it takes up to 12 losses; got {k}.")
    g = gramian.detach().to("cpu", torch.float64)
    lengths = g.diagonal().clamp_min(0).sqrt()
    lengths = torch.where(lengths > 0, lengths, 1)
    little = 1e-10 if gramian.dtype == torch.float64 else 1e-6  # more than rounding took from the smallest eigenvalue
    c = g / lengths / lengths[:, None] + k * little * torch.eye(k, dtype=torch.float64)
    bound = lengths[:, None] * u.detach().to("cpu", torch.float64).reshape(-1, k).mT  # (K, rows)
    free = (torch.arange(2**k)[:, None] >> torch.arange(k) & 1).bool()[:, :, None]  # (2^K, K, 1)
    w = torch.linalg.solve(torch.where(free, c, torch.eye(k, dtype=c.dtype)), torch.where(free, 0, bound))
    violation = (bound - w).clamp_min(0).amax(1) + (-(c @ w)).clamp_min(0).amax(1)  # (2^K, rows)
    best: Tensor = w[violation.argmin(0), :, torch.arange(bound.shape[1])] / lengths  # (rows, K)
    return best.reshape(u.shape).to(u)
