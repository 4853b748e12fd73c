"""Match the geometry of a batch: how far apart its samples lie, and at which angles."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.losses.cosine_table import PARK, Compare
from tutelage.losses.similarity_preserving import as_rows, directions, gram_matrix, near_one
from tutelage.shapes import Embedding, Relational

CITATIONS = {"distances": PARK, "angles": PARK}

NEAREST = 1e-6
"""Of the largest feature: samples that are nearer are the same but for rounding."""
AT_ONCE = 2**21
"""Cosines that ``angles`` has in memory at a time, or those at one sample if they are more."""


def distances(student: Embedding, teacher: Embedding, compare: Compare = F.smooth_l1_loss) -> Relational:
    r"""``mean_nm ℓ(‖s_n − s_m‖/μ_s, ‖t_n − t_m‖/μ_t)`` over all ``N²`` pairs, ``μ`` the mean distance of two samples.

    ``compare`` is the mean of ``ℓ``, Huber's loss as published. Gradients pass ``μ_s`` too. Blind to shifts,
    rotations and the scale of the features, whose widths may differ. Samples that are nearer than a millionth of the
    largest feature count as one that is there twice. Raises ``ValueError`` for one sample, or if the batches differ.

    Park et al., "Relational Knowledge Distillation", 2019, arXiv:1904.05068, eq. 5–7. Published: weight 25 beside 50
    for ``angles`` and the label loss of weight 1; for embeddings 1 beside 2, and no label loss.

    >>> distances(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]))
    tensor(0.0556)
    """
    rows_s, rows_t = as_rows(student, teacher)
    return compare(_relative_distances(rows_s), _relative_distances(rows_t))


def angles(student: Embedding, teacher: Embedding, compare: Compare = F.smooth_l1_loss) -> Relational:
    r"""``mean_nml ℓ(cos ∠_n(s_m, s_l), cos ∠_n(t_m, t_l))``: the angles at each sample ``n`` between two others.

    Over all ``N³`` triplets, as published, those that repeat a sample included. ``compare`` is the mean of ``ℓ``,
    Huber's loss as published. Blind to shifts, rotations and the scale of the features, whose widths may differ.
    Works at ``AT_ONCE / N²`` samples ``n`` at a time, and finds the gradient on the way, so that memory is of the
    order of ``N (N + D)`` numbers, and the time of ``N³ D``. Raises ``ValueError`` for one sample, or if the batches
    differ, and ``RuntimeError`` where its gradient is to be differentiated again (``create_graph=True``).

    Park et al., "Relational Knowledge Distillation", 2019, arXiv:1904.05068, eq. 8–10. Published: weight 50 beside 25
    for ``distances`` and the label loss of weight 1; for embeddings 2 beside 1, and no label loss.

    >>> angles(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    tensor(0.1296)
    """
    rows = [near_one(x) for x in as_rows(student, teacher)]
    mean: Tensor = _MeanOverSlabs.apply(compare, *rows)  # type: ignore[no-untyped-call]
    return mean


class _MeanOverSlabs(torch.autograd.Function):
    """``compare`` of the cosines at every sample, a slab of samples after the other; no slab outlives the next one."""

    @staticmethod
    def forward(ctx: Any, compare: Compare, *rows: Tensor) -> Tensor:
        leaves = [x.detach().requires_grad_(wanted) for x, wanted in zip(rows, ctx.needs_input_grad[1:], strict=True)]
        moving = {place: x for place, x in enumerate(leaves) if x.requires_grad}
        gradients = {place: torch.zeros_like(x) for place, x in moving.items()}
        total, num = rows[0].new_zeros(()), len(rows[0])
        with torch.enable_grad(), torch.autocast(rows[0].device.type, enabled=False):  # which the gradient would feel
            for samples in torch.arange(num, device=rows[0].device).split(max(1, AT_ONCE // num**2)):
                part = compare(*(_cosines_at(samples, x) for x in leaves)) * (len(samples) / num)
                total = total + part.detach()
                found = torch.autograd.grad(part, list(moving.values())) if moving else ()
                for place, more in zip(moving, found, strict=True):
                    gradients[place] += more
        ctx.save_for_backward(*(gradients.get(place) for place in range(len(rows))))
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise RuntimeError(
                "The gradient of rkd.angles cannot be differentiated again: ask for it without create_graph=True, or "
                "use rkd.distances."
            )
        return None, *(None if gradient is None else slope * gradient for gradient in ctx.saved_tensors)


def _cosines_at(samples: Tensor, rows: Tensor) -> Tensor:
    """Entry ``n, m, l``: the cosine of the angle at sample ``n`` between ``m`` and ``l``."""
    return gram_matrix(directions(rows - rows[samples].unsqueeze(1), shortest=NEAREST))


def _relative_distances(rows: Tensor) -> Tensor:
    rows = near_one(rows)
    products = gram_matrix(rows - rows.mean(0))  # centred, so that little is lost where squares nearly cancel
    sizes = products.diagonal()
    squares = sizes.unsqueeze(0) + sizes.unsqueeze(1) - 2 * products  # cdist has no gradient under vmap
    same = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    lengths = (
        squares.clamp_min(NEAREST**2).sqrt().masked_fill(same, 0)
    )  # a root has no gradient at 0, so equals stay apart
    return lengths * (lengths.numel() - len(rows)) / lengths.sum()
