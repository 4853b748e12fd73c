"""Match what the teacher says about the right class and, apart from it, what it says about all the others."""

from math import inf

from torch import Tensor

from tutelage.limits import refuse_no_weights
from tutelage.losses.kd import class_dim, not_negative, tempered, weighted
from tutelage.shapes import Divergence, Labels, Logits

CITATIONS = {
    "dkd": r"""@inproceedings{zhao2022decoupled,
  title     = {Decoupled Knowledge Distillation},
  author    = {Zhao, Borui and Cui, Quan and Song, Renjie and Qiu, Yiyu and Liang, Jiajun},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2022},
  url       = {https://arxiv.org/abs/2203.08679}
}"""
}


def dkd(
    student: Logits,
    teacher: Logits,
    target: Labels,
    temperature: float = 4.0,
    target_weight: float = 1.0,
    others_weight: float = 8.0,
    dim: int | None = None,
) -> Divergence:
    r"""Decoupled distillation, ``T² · mean_n [α KL(b_t ‖ b_s) + β KL(p̂_t ‖ p̂_s)]``.

    ``b`` is the pair (right class, any other) of probabilities at temperature ``T``; ``p̂`` are the probabilities
    without the right class. ``soft_targets`` is the same with ``α = 1`` and ``β = 1 − p_t``, which is next to nothing
    where the teacher is sure. With two classes the second part is 0. Zero iff both give the same probabilities.
    Raises ``ValueError`` as ``soft_targets`` does, for maps without ``dim`` too, and for a label outside the classes.

    Zhao et al., "Decoupled Knowledge Distillation", 2022, arXiv:2203.08679. Published for CIFAR-100, beside the label
    loss of weight 1: ``T = 4``, ``α = 1``, ``β`` = 2 (resnet56 → resnet20, resnet110 → resnet32), 6 (wide ResNets, VGG)
    or 8 (others), both growing linearly over the first 20 epochs.

    >>> import torch
    >>> dkd(torch.tensor([[2.0, 0.0, 1.0]]), torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([0]), temperature=1.0)
    tensor(4.4268)
    """
    refuse_no_weights(target_weight=target_weight, others_weight=others_weight)
    dim = class_dim(student, teacher, dim)
    index = target_index(student, target, dim)
    log_s, log_t = tempered(student, temperature, dim), tempered(teacher, temperature, dim)
    hit_s, hit_t = log_s.gather(dim, index), log_t.gather(dim, index)
    rest_s, rest_t = log_rest(log_s, index, dim), log_rest(log_t, index, dim)
    binary = weighted(hit_t.exp(), hit_t - hit_s) + weighted(rest_t.exp(), rest_t - rest_s)
    rest_s, rest_t = finite(rest_s), finite(rest_t)
    share = (log_t.scatter(dim, index, -inf) - rest_t).exp()  # 0 at the right class
    others = weighted(share, (log_t - rest_t) - (log_s - rest_s)).sum(dim)
    return temperature**2 * not_negative(target_weight * binary.mean() + others_weight * others.mean())


def target_index(logits: Tensor, target: Tensor, dim: int) -> Tensor:
    """``target`` with a dimension of size 1 in the place of the classes, to gather from ``logits`` with.

    Raises ``ValueError`` for fewer than two classes, another shape, or a label outside the classes. That last check is
    made on a CPU only: elsewhere it would make the machine wait.
    """
    classes = logits.shape[dim]
    if classes < 2:
        raise ValueError(f"What is said about the other classes wants at least two classes; got {classes}.")
    index = target.unsqueeze(dim)
    if index.shape != logits.narrow(dim, 0, 1).shape:
        raise ValueError(
            f"A label is wanted for each prediction: {tuple(logits.select(dim, 0).shape)} of them; "
            f"got {tuple(target.shape)}."
        )
    if index.is_cpu and index.numel() and not 0 <= int(index.min()) <= int(index.max()) < classes:
        raise ValueError(
            f"Labels are from 0 to {classes - 1}, one for each of the {classes} classes; "
            f"got labels from {int(index.min())} to {int(index.max())}."
        )
    return index


def log_rest(log_probabilities: Tensor, index: Tensor, dim: int) -> Tensor:
    """``log(1 − p_t)``, the log of the probability of all classes but the right one, exact even where ``p_t`` is 1.

    −∞ and without gradient where all the others are ruled out.
    """
    others = log_probabilities.scatter(dim, index, -inf)
    ruled_out = (others == -inf).all(dim, keepdim=True)
    rest = others.masked_fill(ruled_out, 0.0).logsumexp(dim, keepdim=True)  # of −inf alone the gradient is no number
    return rest.masked_fill(ruled_out, -inf)


def finite(log_probabilities: Tensor) -> Tensor:
    """With 0 for −∞, so that subtracting it from −∞ leaves −∞."""
    return log_probabilities.masked_fill(log_probabilities == -inf, 0.0)
