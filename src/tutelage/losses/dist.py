"""Match how probabilities go up and down together, not their values: over the classes, and over the samples."""

from torch import Tensor

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
    The authors' code adds 1e-8 to the denominator of ``ρ``; here what does not vary has no direction, and counts ½
    against what does.

    >>> import torch
    >>> dist(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 2.0], [3.0, 0.0]]), temperature=1.0)
    tensor(4.)
    """
    dim = class_dim(student, teacher, dim)
    log_s, log_t = (tempered(x, temperature, dim).movedim(dim, -1).flatten(0, -2) for x in (student, teacher))
    q, p = as_rows(log_s.exp(), log_t.exp())
    inter, intra = uncorrelated(q, p, -1), uncorrelated(q, p, 0)
    return temperature**2 * (inter_weight * inter + intra_weight * intra)


def uncorrelated(student: Tensor, teacher: Tensor, dim: int) -> Tensor:
    """The mean of ``1 − ρ`` along ``dim``, as half the squared gap of unit vectors: exactly 0 for equal ones."""
    centred = [x - x.mean(dim, keepdim=True) for x in (student, teacher)]
    unit_s, unit_t = (directions(x, dim, shortest=1e-6) for x in centred)
    return (unit_s - unit_t).square().sum(dim).mean() / 2
