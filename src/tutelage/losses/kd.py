"""Soft targets: match the teacher's class probabilities, its logits, or the average opinion of many teachers."""

from collections.abc import Callable, Sequence
from math import inf, log
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.shapes import Divergence, Logits, MemberLogits, at_least_float32

HINTON = r"""@article{hinton2015distilling,
  title   = {Distilling the Knowledge in a Neural Network},
  author  = {Hinton, Geoffrey and Vinyals, Oriol and Dean, Jeff},
  journal = {arXiv preprint arXiv:1503.02531},
  year    = {2015},
  url     = {https://arxiv.org/abs/1503.02531}
}"""
BA_AND_CARUANA = r"""@inproceedings{ba2014deep,
  title     = {Do Deep Nets Really Need to be Deep?},
  author    = {Ba, Jimmy and Caruana, Rich},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {27},
  year      = {2014},
  url       = {https://arxiv.org/abs/1312.6184}
}"""
CITATIONS = {
    "soft_targets": HINTON,
    "matched_logits": HINTON,
    "matched_raw_logits": BA_AND_CARUANA,
    "averaged_targets": HINTON,
}

Average: TypeAlias = Callable[[Tensor, Sequence[float] | None], Tensor]
"""Log-probabilities (members, …, classes), weights of the members -> log-probabilities (…, classes)."""


def soft_targets(student: Logits, teacher: Logits, temperature: float = 4.0, dim: int = -1) -> Divergence:
    r"""Temperature-softened KL divergence, ``T² · mean_n KL(softmax(t_n/T) ‖ softmax(s_n/T))``.

    ``T²`` keeps the size of the gradient the same at every temperature. Zero iff both give the same probabilities.
    The mean is over everything but the classes in ``dim``: samples, and pixels or tokens where there are such.
    Raises ``ValueError`` if ``T ≤ 0`` or if the shapes differ.

    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531, §2.

    >>> soft_targets(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]), temperature=1.0)
    tensor(1.5232)
    """
    refuse_other_classes(student.shape, teacher.shape)
    log_s = tempered(student, temperature, dim)
    return _divergence(log_s, tempered(teacher, temperature, dim), temperature, dim)


def matched_logits(student: Logits, teacher: Logits, dim: int = -1) -> Divergence:
    r"""Half the mean square of the gap of the centred logits, ``mean_n ‖(s_n − mean s_n) − (t_n − mean t_n)‖² / 2C``.

    What ``soft_targets`` becomes at high temperature. Zero iff both give the same probabilities.
    Raises ``ValueError`` if the shapes differ.

    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531, §2.1.

    >>> matched_logits(torch.tensor([[2.0, 0.0]]), torch.tensor([[7.0, 9.0]]))
    tensor(2.)
    """
    refuse_other_classes(student.shape, teacher.shape)
    gap = at_least_float32(student) - at_least_float32(teacher)
    return gap.var(dim, correction=0).mean() / 2  # over C classes the variance *is* the centred square over C


def matched_raw_logits(student: Logits, teacher: Logits) -> Divergence:
    r"""Half the mean square of the gap of the logits as they are, ``mean_n ‖s_n − t_n‖² / 2C``.

    ``matched_logits``, and half the squared gap of the means on top of it, which probabilities do not see.
    Raises ``ValueError`` if the shapes differ.

    Ba & Caruana, "Do Deep Nets Really Need to be Deep?", 2014, arXiv:1312.6184, eq. 1. The paper does not divide by
    ``C``; here it makes the two comparable.

    >>> matched_raw_logits(torch.tensor([[2.0, 0.0]]), torch.tensor([[7.0, 9.0]]))
    tensor(26.5000)
    """
    refuse_other_classes(student.shape, teacher.shape)
    return F.mse_loss(at_least_float32(student), at_least_float32(teacher)) / 2


def arithmetic(log_probabilities: Tensor, weights: Sequence[float] | None = None) -> Tensor:
    """``log Σ_m w_m p_m``, the log of the mean over the first dimension. Without ``weights`` all count the same."""
    if weights is None:
        return log_probabilities.logsumexp(0) - log(len(log_probabilities))
    return torch.stack([member + log(w) for member, w in _weighed(log_probabilities, weights)]).logsumexp(0)


def geometric(log_probabilities: Tensor, weights: Sequence[float] | None = None) -> Tensor:
    """``Σ_m w_m log p_m``, made a distribution over the last dimension again: the same as averaging the logits."""
    if weights is None:
        return F.log_softmax(log_probabilities.mean(0), dim=-1)
    return F.log_softmax(torch.stack([member * w for member, w in _weighed(log_probabilities, weights)]).sum(0), dim=-1)


def averaged_targets(
    student: Logits,
    teacher: MemberLogits,
    temperature: float = 4.0,
    average: Average = arithmetic,
    weights: Sequence[float] | None = None,
    dim: int = -1,
) -> Divergence:
    r"""``T² · mean_n KL(average_m softmax(t_mn/T) ‖ softmax(s_n/T))``: each member is tempered, then they are averaged.

    ``average`` is ``arithmetic`` or ``geometric``; ``weights``, one a member, are scaled to the sum 1. ``dim`` is that
    of the classes in the student's logits; the teachers' have the members in front.
    Raises ``ValueError`` if ``T ≤ 0``, the shapes do not fit, or the weights are not one non-negative number a member.

    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531, §1 (either mean).

    >>> two = torch.tensor([[[0.0, 2.0]], [[2.0, 0.0]]])
    >>> averaged_targets(torch.tensor([[0.0, 2.0]]), two, average=geometric, weights=(1, 0))
    tensor(0.)
    """
    if teacher.ndim != student.ndim + 1 or not len(teacher):
        raise ValueError(
            f"Averaged targets want the logits of at least one teacher, stacked as (members, {_sizes(student.shape)}); "
            f"got ({_sizes(teacher.shape)})."
        )
    refuse_other_classes(student.shape, teacher.shape[1:])
    log_s = tempered(student.movedim(dim, -1), temperature, -1)
    log_t = tempered(teacher.movedim(dim if dim < 0 else dim + 1, -1), temperature, -1)
    return _divergence(log_s, average(log_t, weights), temperature, -1)


def tempered(logits: Tensor, temperature: float, dim: int) -> Tensor:
    if not temperature > 0:
        raise ValueError(f"A temperature is greater than 0; got {temperature}.")
    return F.log_softmax(at_least_float32(logits) / temperature, dim=dim)  # CPU autocast would stay in bfloat16


def _divergence(log_student: Tensor, log_teacher: Tensor, temperature: float, dim: int) -> Tensor:
    """``T² · mean_n KL(teacher_n ‖ student_n)``, in fewer kernels than ``F.kl_div``, and a mean over all positions."""
    positions = log_student.numel() / log_student.shape[dim]
    return (log_teacher.exp() * (log_teacher - log_student)).sum() * (temperature**2 / positions)


def _weighed(members: Tensor, weights: Sequence[float]) -> list[tuple[Tensor, float]]:
    """The members that count, each with its share. Numbers stay off the device: copying them there would block it."""
    total = sum(weights)
    if len(weights) != len(members) or min(weights) < 0 or not 0 < total < inf:
        raise ValueError(
            f"Weights are one non-negative number for each of the {len(members)} teachers, not all 0; "
            f"got {list(weights)}."
        )
    return [(member, w / total) for member, w in zip(members, weights, strict=True) if w]


def refuse_other_classes(student: torch.Size, teacher: torch.Size) -> None:
    if student != teacher:
        raise ValueError(
            f"Student and teacher must give logits for the same samples and classes; "
            f"got ({_sizes(student)}) and ({_sizes(teacher)})."
        )


def _sizes(shape: torch.Size) -> str:
    return ", ".join(map(str, shape))
