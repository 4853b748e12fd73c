"""Soft targets, heavier for the samples on which the student is worse than its teacher."""

from math import inf

import torch
from torch import Tensor

from tutelage.losses.dkd import target_index
from tutelage.losses.kd import class_dim, refuse_other_classes, tempered, weighted
from tutelage.shapes import Labels, Logits, Scalar

CITATIONS = {
    "wsl": r"""@inproceedings{zhou2021rethinking,
  title     = {Rethinking Soft Labels for Knowledge Distillation: A Bias-Variance Tradeoff Perspective},
  author    = {Zhou, Helong and Song, Liangchen and Chen, Jiajie and Zhou, Ye and Wang, Guoli and Yuan, Junsong and
               Zhang, Qian},
  booktitle = {International Conference on Learning Representations},
  year      = {2021},
  url       = {https://arxiv.org/abs/2102.00650}
}"""
}


def wsl(
    student: Logits,
    teacher: Logits,
    target: Labels,
    judged: Logits,
    temperature: float = 2.0,
    dim: int | None = None,
) -> Scalar:
    r"""Weighted soft labels, ``T² · mean_n w_n H(softmax(t_n/T), softmax(s_n/T))``, ``H`` the cross entropy.

    ``w_n = 1 − exp(−CE(judged_n) / CE(t_n))``, label losses at temperature 1. ``judged`` is **the student's logits
    once more**, ``Term(wsl, "student.output", "teacher.output", "batch.target", "student.output")``: the weights are
    constants that no gradient passes, which is why they are asked for apart. Keeps the teacher's entropy: not 0 at
    the teacher. Raises ``ValueError`` as ``soft_targets`` does, and for a label outside the classes.

    Zhou et al., "Rethinking Soft Labels for Knowledge Distillation", 2021, arXiv:2102.00650. Published, beside the
    label loss of weight 1: ``T = 2`` and weight 2.5 for ImageNet, ``T = 4`` and weight 2.25 for CIFAR-100.

    >>> logits = torch.tensor([[2.0, 0.0]])
    >>> wsl(logits, torch.tensor([[0.0, 2.0]]), torch.tensor([0]), logits)
    tensor(0.2420)
    """
    dim = class_dim(student, teacher, dim)
    refuse_other_classes(judged.shape, teacher.shape)
    weights = sample_weights(judged, teacher, target, dim)
    log_s, log_t = tempered(student, temperature, dim), tempered(teacher, temperature, dim)
    soft = -weighted(log_t.exp(), log_s).sum(dim, keepdim=True)
    return temperature**2 * (weights * soft).mean()


@torch.no_grad()
def sample_weights(judged: Tensor, teacher: Tensor, target: Tensor, dim: int = -1) -> Tensor:
    """``1 − exp(−CE(judged) / CE(teacher))`` of each sample, constants: 0 for a student that is certain and right,
    and where the teacher rules the label out."""
    index = target_index(judged, target, dim)
    loss, bound = (-tempered(logits, 1.0, dim).gather(dim, index) for logits in (judged, teacher))
    return -torch.expm1(-torch.where(bound == inf, 0.0, loss / (bound + 1e-7)))
