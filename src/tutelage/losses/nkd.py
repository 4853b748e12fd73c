"""Add the teacher's opinion of the right class to its label, and match the others among themselves."""

from math import inf

from tutelage.limits import refuse_no_weights
from tutelage.losses.dkd import finite, log_rest, target_index
from tutelage.losses.kd import class_dim, tempered, weighted
from tutelage.shapes import Labels, Logits, Scalar, at_least_float32

CITATIONS = {
    "nkd": r"""@inproceedings{yang2023from,
  title     = {From Knowledge Distillation to Self-Knowledge Distillation: A Unified Approach with Normalized Loss and
               Customized Soft Labels},
  author    = {Yang, Zhendong and Zeng, Ailing and Li, Zhe and Zhang, Tianke and Yuan, Chun and Li, Yu},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year      = {2023},
  url       = {https://arxiv.org/abs/2303.13005}
}"""
}


def nkd(
    student: Logits,
    teacher: Logits,
    target: Labels,
    temperature: float = 1.0,
    others_weight: float = 1.5,
    dim: int | None = None,
) -> Scalar:
    r"""Normalised distillation, ``mean_n [−p_t log q_t − γ T² Σ_{i≠t} p̂_i log q̂_i]``.

    ``p_t`` and ``q_t`` are the teacher's and the student's probability of the right class, at temperature 1; ``p̂`` and
    ``q̂`` their probabilities without the right class, at temperature ``T``. Cross entropies: not 0 at the teacher.
    Raises ``ValueError`` as ``soft_targets`` does, for maps without ``dim`` too, and for a label outside the classes.

    Yang et al., "From Knowledge Distillation to Self-Knowledge Distillation", 2023, arXiv:2303.13005. Published for
    ImageNet: ``γ = 1.5`` and ``T = 1``, added to the label loss of weight 1.

    >>> import torch
    >>> nkd(torch.tensor([[2.0, 0.0, 1.0]]), torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([0]))
    tensor(1.6032)
    """
    refuse_no_weights(others_weight=others_weight)
    dim = class_dim(student, teacher, dim)
    index = target_index(student, target, dim)
    student, teacher = at_least_float32(student), at_least_float32(teacher)  # once: a gradient is rounded once
    hit_s = tempered(student, 1.0, dim).gather(dim, index)
    hit_t = tempered(teacher, 1.0, dim).gather(dim, index)
    log_s, log_t = tempered(student, temperature, dim), tempered(teacher, temperature, dim)
    rest_s, rest_t = finite(log_rest(log_s, index, dim)), finite(log_rest(log_t, index, dim))
    share = (log_t.scatter(dim, index, -inf) - rest_t).exp()  # 0 at the right class
    others = weighted(share, log_s - rest_s).sum(dim)
    return -weighted(hit_t.exp(), hit_s).mean() - others_weight * temperature**2 * others.mean()
