"""Soft targets of several teachers, weighed so that a step suits them all: adaptive ensemble distillation (AE-KD)."""

from functools import cache
from itertools import product
from math import inf

import torch
from torch import Tensor

from tutelage.limits import refuse_outside
from tutelage.losses.kd import not_negative, refuse_other_classes, tempered_members, weighted
from tutelage.shapes import Logits, MemberLogits, Relational

CITATIONS = {
    "adaptive_targets": r"""@inproceedings{du2020agree,
  title     = {Agree to Disagree: Adaptive Ensemble Knowledge Distillation in Gradient Space},
  author    = {Du, Shangchen and You, Shan and Li, Xiaojie and Wu, Jianlong and Wang, Fei and Qian, Chen and
               Zhang, Changshui},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {33},
  year      = {2020}
}"""
}

MOST = 8
"""Members: ``3^M`` ways to stand at a bound or between them are solved at once."""
RIDGE = 1e-10
"""On the diagonal of a Gramian of mean 1: members that say the same then have one answer, and share it evenly."""
ROUNDING = 1e-6
"""By how much the solution of a system may lie outside of the bounds."""


def adaptive_targets(
    student: Logits,
    teacher: MemberLogits,
    judged: Logits,
    temperature: float = 4.0,
    tolerance: float = 0.6,
    dim: int | None = None,
) -> Relational:
    r"""``Σ_m α_m T² mean_n KL(softmax(t_mn/T) ‖ softmax(s_n/T))``, ``α`` such that the step suits all members.

    ``α`` makes ``‖Σ_m α_m g_m‖`` least, for ``Σ α = 1`` and ``0 ≤ α_m ≤ C``; ``g_m`` (C,) is member m's gradient at the
    logits, averaged over the batch. With ``tolerance`` ``C = 1`` a step along ``Σ α_m g_m`` lets no member's divergence
    grow; with less, the worst-matching members may be given up a little, and with ``C ≤ 1/M`` all count the same.
    ``judged`` is **the student's logits once more**, ``Term(adaptive_targets, "student.output", […], "student.output",
    across=True)``: the weights are constants that no gradient passes. They hang on all of the batch. One member counts
    1: then it is ``soft_targets``. ``teacher`` and ``dim`` are as in ``averaged_targets``.
    Raises ``ValueError`` as that does, for a tolerance outside 0 … 1, and for more than 8 members.

    Du et al., "Agree to Disagree: Adaptive Ensemble Knowledge Distillation in Gradient Space", NeurIPS 2020 (no arXiv
    number; papers.nips.cc, volume 33); github.com/AnTuo1998/AE-KD. Published: ``C = 0.6``, ``T = 4``, weight 0.9 beside
    labels of weight 1. That code solves for the weights by a one-class support vector machine (``ν = 1/CM``), to 1e-6;
    here they are exact, and members that say the same share evenly. Its option to make the gradients equally long
    first, off by default, is not there.

    >>> logits, members = torch.tensor([[2.0, 0.0]]), torch.tensor([[[0.0, 2.0]], [[4.0, 0.0]]])
    >>> adaptive_targets(logits, members, logits, temperature=1.0, tolerance=1.0)
    tensor(0.2430)
    """
    refuse_other_classes(student.shape, judged.shape)
    log_s, log_t = tempered_members(student, teacher, temperature, dim)
    with torch.no_grad():
        log_judged, _ = tempered_members(judged, teacher, temperature, dim)
        # T (q − p) over the batch is the gradient of a member; a factor that all share changes no weight.
        gaps = (log_judged.exp() - log_t.exp()).flatten(1, -2).mean(1)
        weights = least_norm_weights(gaps, tolerance).to(log_s.dtype)
    positions = log_s.numel() / log_s.shape[-1]
    each = not_negative(weighted(log_t.exp(), log_t - log_s).flatten(1).sum(1))  # (members,)
    return temperature**2 / positions * weighted(weights, each).sum()


@torch.no_grad()
def least_norm_weights(gradients: Tensor, tolerance: float = 1.0) -> Tensor:
    """Weights (M,) of sum 1, each from 0 to ``tolerance``, for which ``‖Σ_m α_m g_m‖`` is least; gradients (M, …).

    For the ``α`` that is wanted, each weight lies at 0, at the tolerance, or in between, where the gradient of the norm
    is one number for all. All ways to choose are solved at once, on the gradients' device and in float64, and the best
    one within the bounds is taken. Gradients that are alike share evenly; a tolerance below ``1/M`` is taken for that.
    Raises ``ValueError`` for a tolerance outside 0 … 1 and for fewer than 1 or more than 8 gradients.

    >>> least_norm_weights(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    tensor([0.8000, 0.2000])
    """
    refuse_outside("A tolerance", tolerance, 0, 1)
    members = len(gradients)
    if not 1 <= members <= MOST:
        raise ValueError(f"Adaptive weights are solved for 1 to {MOST} members exactly; got {members}.")
    if tolerance * members <= 1:
        return torch.full((members,), 1 / members, dtype=gradients.dtype, device=gradients.device)
    wide = torch.float32 if gradients.device.type == "mps" else torch.float64  # which knows no float64
    flat = gradients.flatten(1).to(wide)
    gramian = flat @ flat.T
    mean = gramian.diagonal().mean()
    one = torch.eye(members, dtype=wide, device=flat.device)
    gramian = gramian / torch.where(mean > 0, mean, 1) + RIDGE * one
    places = _places(members, int(1 / tolerance + ROUNDING), flat.device)  # (ways, M)
    free = places == 1
    rows = torch.where(free[:, :, None], gramian, one)
    rows = torch.cat([rows, -free[:, :, None].to(wide)], dim=2)  # what all free ones share is unknown too
    total = torch.cat([torch.ones_like(one[:1]), torch.zeros_like(one[:1, :1])], dim=1)
    systems = torch.cat([rows, total.expand(len(places), 1, -1)], dim=1)  # (ways, M + 1, M + 1)
    values = (places == 2).to(wide) * tolerance
    wanted = torch.cat([values, torch.ones_like(values[:, :1])], dim=1)
    solved, _ = torch.linalg.solve_ex(systems, wanted)
    weights = solved[:, :members]
    norms = torch.einsum("wm,mk,wk->w", weights, gramian, weights)
    within = ((weights >= -ROUNDING) & (weights <= tolerance + ROUNDING)).all(1)
    best = torch.where(within, norms, inf).argmin(0, keepdim=True)  # an index of its own would make the host wait
    chosen: Tensor = weights.index_select(0, best)[0].clamp(0, tolerance).to(gradients.dtype)
    return chosen


@cache
def _places(members: int, most: int, device: torch.device) -> Tensor:
    """(ways, members): 0 at 0, 1 in between, 2 at the upper bound, of which there are ``most`` or fewer."""
    ways = [way for way in product((0, 1, 2), repeat=members) if 1 in way and way.count(2) <= most]
    return torch.tensor(ways, dtype=torch.int8, device=device)
