"""Match how probabilities go up and down together, not their values: over the classes, and over the samples."""

from math import inf

import torch
from torch import Tensor

from tutelage.limits import refuse_no_weights
from tutelage.losses.kd import class_dim, tempered
from tutelage.losses.similarity_preserving import as_rows, directions
from tutelage.shapes import Logits, Relational

CITATIONS = {
    "dist": r"""@inproceedings{huang2022knowledge,
  title     = {Knowledge Distillation from A Stronger Teacher},
  author    = {Huang, Tao and You, Shan and Wang, Fei and Qian, Chen and Xu, Chang},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {35},
  year      = {2022},
  url       = {https://arxiv.org/abs/2205.10536}
}"""
}


ROUNDINGS = 4
"""What varies by no more than these, of its own size, is constant."""


def dist(
    student: Logits,
    teacher: Logits,
    temperature: float = 4.0,
    inter_weight: float = 1.0,
    intra_weight: float = 1.0,
    dim: int | None = None,
) -> Relational:
    r"""``T² · [β mean_n (1 − ρ(p_n, q_n)) + γ mean_c (1 − ρ(p_·c, q_·c))]`` with Pearson's correlation ``ρ``.

    ``p`` and ``q`` are the teacher's and the student's probabilities at temperature ``T``: rows of one sample
    (inter), and columns of one class over the batch (intra). Columns say little with few samples: of two, all
    correlate by ±1. Zero if both give the same probabilities. Raises ``ValueError`` as
    ``soft_targets`` does, and for one sample.

    Huang et al., "Knowledge Distillation from A Stronger Teacher", 2022, arXiv:2205.10536. Published, beside the
    label loss of weight 1: ``β = γ = 1``, at ``T = 4`` for CIFAR-100, at ``T = 1`` and all of it twice for ImageNet.
    The authors' code adds 1e-8 to the denominator of ``ρ``; here what does not vary, but for rounding, has no
    direction, and counts ½ against what does. A class that both rule out (−∞) counts nothing.

    >>> import torch
    >>> value = dist(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 2.0], [3.0, 0.0]]), temperature=1.0)
    >>> round(value.item(), 4)
    4.0
    """
    refuse_no_weights(inter_weight=inter_weight, intra_weight=intra_weight)
    dim = class_dim(student, teacher, dim)
    log_s, log_t = (tempered(x, temperature, dim).movedim(dim, -1).flatten(0, -2) for x in (student, teacher))
    q, p = as_rows(log_s.exp(), log_t.exp())
    possible = (log_s != -inf) | (log_t != -inf)
    inter, intra = uncorrelated(q, p, -1, possible), uncorrelated(q, p, 0, possible.any(0, keepdim=True))
    return temperature**2 * (inter_weight * inter + intra_weight * intra)


def uncorrelated(student: Tensor, teacher: Tensor, dim: int, counts: Tensor) -> Tensor:
    """The mean of ``1 − ρ`` along ``dim`` of what counts, as half the squared gap of unit vectors: 0 for equal ones."""
    unit_s, unit_t = (directions(centred(x, dim, counts), dim, rounding(x, dim)) for x in (student, teacher))
    return (unit_s - unit_t).square().sum() / (2 * counts.any(dim).sum())


def centred(x: Tensor, dim: int, counts: Tensor) -> Tensor:
    """``x`` less its mean along ``dim``, and 0 where it does not count; exactly 0 where it is constant.

    The largest number is taken off first, or the mean of large ones that hardly differ would be too rough.
    """
    with torch.no_grad():
        largest = x.masked_fill(~counts, -inf).amax(dim, keepdim=True)
        number = counts.expand_as(x).sum(dim, keepdim=True).clamp_min(1).to(x.dtype)
    gaps = torch.where(counts, x - largest, 0.0)
    return torch.where(counts, gaps - gaps.sum(dim, keepdim=True) / number, 0.0)


def rounding(x: Tensor, dim: int, least: float = 1e-6) -> Tensor:
    """How long ``x`` less its mean may be along ``dim`` by rounding alone; ``least`` is that of probabilities."""
    length: Tensor = torch.linalg.vector_norm(x.detach(), dim=dim, keepdim=True)
    return (ROUNDINGS * torch.finfo(x.dtype).eps * length).clamp_min(least)
