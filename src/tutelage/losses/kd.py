"""Soft targets: match the teacher's class probabilities, its logits, or the average opinion of many teachers."""

from collections.abc import Callable, Sequence
from math import inf, log
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.limits import LARGEST, refuse_no_temperature
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


def soft_targets(student: Logits, teacher: Logits, temperature: float = 4.0, dim: int | None = None) -> Divergence:
    r"""Temperature-softened KL divergence, ``T² · mean_n KL(softmax(t_n/T) ‖ softmax(s_n/T))``.

    ``T²`` keeps the size of the gradient the same at every temperature. Zero iff both give the same probabilities.
    The mean is over everything but the classes: samples, and pixels or tokens where there are such. ``dim`` is that of
    the classes: the last one of (N, C) and of tokens (N, T, C) if it is not given; maps (N, C, H, W) want ``dim=1``.
    A class to which the teacher gives no probability counts 0; one that only the student rules out makes it infinite;
    where all are ruled out, or one is +∞, there are no probabilities, and it is no number.
    Raises ``ValueError`` for a ``T`` outside 1e-18 … 1e18, if the shapes differ, for one class, and for maps without
    ``dim``.

    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531, §2.

    >>> soft_targets(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]), temperature=1.0)
    tensor(1.5232)
    """
    dim = class_dim(student, teacher, dim)
    log_s = tempered(student, temperature, dim)
    return _divergence(log_s, tempered(teacher, temperature, dim), temperature, dim)


def matched_logits(student: Logits, teacher: Logits, dim: int | None = None) -> Divergence:
    r"""Half the mean square of the gap of the centred logits, ``mean_n ‖(s_n − mean s_n) − (t_n − mean t_n)‖² / 2C``.

    What ``soft_targets`` becomes at high temperature. Zero iff both give the same probabilities. A teacher's logit of
    −∞ is no number to match: its class is left out, of the means as well. Raises ``ValueError`` as ``soft_targets``.

    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531, §2.1.

    >>> matched_logits(torch.tensor([[2.0, 0.0]]), torch.tensor([[7.0, 9.0]]))
    tensor(2.)
    """
    dim = class_dim(student, teacher, dim)
    s, t, counts = _both_finite(student, teacher)
    gap, share = s - t, counts.sum(dim, keepdim=True).to(s.dtype) / counts.shape[dim]
    centre = gap.detach().mean(dim, keepdim=True) / share
    gap = torch.where(counts, gap.clamp_min(torch.finfo(gap.dtype).min), centre)  # the mean of the others: it adds 0
    # Over C classes the variance *is* the centred square over C; −inf of the student alone makes it infinite.
    squares = torch.where(centre.isfinite(), gap.var(dim, correction=0, keepdim=True) / share, inf)
    return squares.mean() / 2


def matched_raw_logits(student: Logits, teacher: Logits) -> Divergence:
    r"""Half the mean square of the gap of the logits as they are, ``mean_n ‖s_n − t_n‖² / 2C``.

    ``matched_logits``, and half the squared gap of the means on top of it, which probabilities do not see: one logit
    may be all there is. A teacher's logit of −∞ is left out. Raises ``ValueError`` if the shapes differ.

    Ba & Caruana, "Do Deep Nets Really Need to be Deep?", 2014, arXiv:1312.6184, eq. 1. The paper does not divide by
    ``C``; here it makes the two comparable.

    >>> matched_raw_logits(torch.tensor([[2.0, 0.0]]), torch.tensor([[7.0, 9.0]]))
    tensor(26.5000)
    """
    refuse_other_classes(student.shape, teacher.shape)
    s, t, counts = _both_finite(student, teacher)
    return F.mse_loss(s, t) / (counts.sum().to(s.dtype) / counts.numel()) / 2


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
    dim: int | None = None,
) -> Divergence:
    r"""``T² · mean_n KL(average_m softmax(t_mn/T) ‖ softmax(s_n/T))``: each member is tempered, then they are averaged.

    ``average`` is ``arithmetic`` or ``geometric``; ``weights``, one a member, are scaled to the sum 1. ``dim`` is that
    of the classes in the student's logits, as in ``soft_targets``; the teachers' have the members in front, or are a
    list with one tensor a member, as a list of addresses gives them.
    Raises ``ValueError`` as ``soft_targets`` does, and if the weights are not one non-negative number a member.

    Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531, §1 (either mean).

    >>> two = torch.tensor([[[0.0, 2.0]], [[2.0, 0.0]]])
    >>> averaged_targets(torch.tensor([[0.0, 2.0]]), two, average=geometric, weights=(1, 0))
    tensor(0.)
    """
    log_s, log_t = tempered_members(student, teacher, temperature, dim)
    return _divergence(log_s, average(log_t, weights), temperature, -1)


def tempered_members(
    student: Tensor, teacher: Tensor | Sequence[Tensor], temperature: float, dim: int | None
) -> tuple[Tensor, Tensor]:
    """Tempered log-probabilities (…, classes) of the student, and (members, …, classes) of its teachers.

    The teachers' logits are stacked, or a list of one tensor a member, as a list of addresses gives them. Raises
    ``ValueError`` as ``averaged_targets`` does, and where the members differ in their samples or classes.
    """
    stacked = teacher if isinstance(teacher, Tensor) else _stacked(teacher)
    if stacked.ndim != student.ndim + 1 or not len(stacked):
        raise ValueError(
            f"Soft targets of several want the logits of at least one teacher, stacked as (members, "
            f"{_sizes(student.shape)}); got ({_sizes(stacked.shape)})."
        )
    dim = class_dim(student, stacked[0], dim)
    log_s = tempered(student.movedim(dim, -1), temperature, -1)
    return log_s, tempered(stacked.movedim(dim if dim < 0 else dim + 1, -1), temperature, -1)


def _stacked(members: Sequence[Tensor]) -> Tensor:
    if not members:
        raise ValueError("Soft targets of several want the logits of at least one teacher; got none.")
    if len({member.shape for member in members}) > 1:
        shapes = " and ".join(f"({_sizes(shape)})" for shape in dict.fromkeys(member.shape for member in members))
        raise ValueError(f"All teachers must give logits for the same samples and classes; got {shapes}.")
    return torch.stack([at_least_float32(member) for member in members])


def weighted(probabilities: Tensor, values: Tensor) -> Tensor:
    """``p · x``, and 0 where ``p`` is 0: a class that cannot be (a logit of −∞, a padded place) counts nothing.

    >>> weighted(torch.tensor([0.5, 0.0]), torch.tensor([2.0, torch.inf]))
    tensor([1., 0.])
    """
    return probabilities * torch.where(probabilities == 0, 0.0, values)


def not_negative(divergence: Tensor) -> Tensor:
    """What cannot be negative but for rounding: 0 there, with the gradient that it has.

    >>> not_negative(torch.tensor([-1e-7, 2.0]))
    tensor([0., 2.])
    """
    return divergence + F.relu(-divergence.detach())


def tempered(logits: Tensor, temperature: float, dim: int) -> Tensor:
    refuse_no_temperature(temperature)
    logits = at_least_float32(logits)  # CPU autocast would stay in bfloat16
    # A quotient by 1 would be one more kernel, and one more to go back through.
    return F.log_softmax(logits if temperature == 1 else logits / temperature, dim=dim)


def _divergence(log_student: Tensor, log_teacher: Tensor, temperature: float, dim: int) -> Tensor:
    """``T² · mean_n KL(teacher_n ‖ student_n)``, in fewer kernels than ``F.kl_div``, and a mean over all positions."""
    positions = log_student.numel() / log_student.shape[dim]
    total = weighted(log_teacher.exp(), log_teacher - log_student).sum()
    return not_negative(total) * (temperature**2 / positions)


def _weighed(members: Tensor, weights: Sequence[float]) -> list[tuple[Tensor, float]]:
    """The members that count, each with its share. Numbers stay off the device: copying them there would block it."""
    total = sum(weights)
    if len(weights) != len(members) or not all(0 <= weight <= LARGEST for weight in weights) or not total:
        raise ValueError(
            f"Weights are one non-negative number for each of the {len(members)} teachers, not all 0; "
            f"got {list(weights)}."
        )
    return [(member, w / total) for member, w in zip(members, weights, strict=True) if w]


def _both_finite(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both with 0 where the teacher's logit is −∞, and where it is not: which logits count."""
    counts = teacher != -inf
    s, t = (torch.where(counts, at_least_float32(x), 0.0) for x in (student, teacher))
    return s, t, counts


def class_dim(student: Tensor, teacher: Tensor, dim: int | None) -> int:
    """The dimension of the classes: ``dim`` if it is given, else the last one of (N, C) or of tokens (N, T, C).

    Raises ``ValueError`` for shapes that differ, for maps of logits without ``dim``, and for a single class, whose
    probability is 1 whatever its logit is.
    """
    refuse_other_classes(student.shape, teacher.shape)
    if dim is None and student.ndim > 3:
        raise ValueError(
            f"In logits ({_sizes(student.shape)}) the classes may stand second or last; say which: dim=1 for maps "
            f"(N, C, H, W), of which losses.pixelwise.pixelwise_targets leaves pixels out too, dim=-1 for classes at "
            f"the end."
        )
    dim = -1 if dim is None else dim
    if student.shape[dim] < 2:
        raise ValueError(
            f"Probabilities want at least two classes; got {student.shape[dim]} in dim {dim} of "
            f"({_sizes(student.shape)}). A single logit of two classes is compared by "
            f"losses.multi_label.multi_label_targets, by matched_raw_logits, or as two: [0, logit]."
        )
    return dim


def refuse_other_classes(student: torch.Size, teacher: torch.Size) -> None:
    if student != teacher:
        raise ValueError(
            f"Student and teacher must give logits for the same samples and classes; "
            f"got ({_sizes(student)}) and ({_sizes(teacher)})."
        )


def _sizes(shape: torch.Size) -> str:
    return ", ".join(map(str, shape))
