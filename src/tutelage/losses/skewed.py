"""Divergences from a mixture of teacher and student, which are never infinite: skewed KL, both ways round."""

from math import inf, log, log1p

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.limits import refuse_outside
from tutelage.losses.kd import class_dim, not_negative, soft_targets, tempered, weighted
from tutelage.losses.reverse_kl import reverse_kl
from tutelage.shapes import Divergence, Logits

KO = r"""@inproceedings{ko2024distillm,
  title     = {{DistiLLM}: Towards Streamlined Distillation for Large Language Models},
  author    = {Ko, Jongwoo and Kim, Sungnyun and Chen, Tianyi and Yun, Se-Young},
  booktitle = {International Conference on Machine Learning},
  year      = {2024},
  url       = {https://arxiv.org/abs/2402.03898}
}"""
CITATIONS = {"skewed_kl": KO, "skewed_reverse_kl": KO}


def skewed_kl(student: Logits, teacher: Logits, skew: float = 0.1, dim: int | None = None) -> Divergence:
    r"""``mean_n KL(p_n ‖ α p_n + (1 − α) q_n)`` of the teacher's probabilities ``p`` and the student's ``q``, in nats.

    ``α`` is ``skew``: 0 is ``soft_targets`` at T = 1, at 1 there is nothing to learn. At most ``log(1/α)``, with
    gradients that stay small where the student finds next to impossible what the teacher says. The mean is over
    everything but the classes; ``dim`` is theirs, as in ``soft_targets``. Raises ``ValueError`` as ``soft_targets``
    does for shapes, and for an ``α`` outside 0 … 1.

    Ko, Kim, Chen & Yun, "DistiLLM", ICML 2024, arXiv:2402.03898; published ``α = 0.1``. The authors' code returns
    the cross entropy: the teacher's entropy more, with the same gradient.

    >>> skewed_kl(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
    tensor(1.0988)
    """
    refuse_outside("A skew", skew, 0, 1)
    if skew == 0:
        return soft_targets(student, teacher, 1.0, dim)
    dim = class_dim(student, teacher, dim)
    log_s, log_t = tempered(student, 1.0, dim), tempered(teacher, 1.0, dim)
    return mean_over_rows(to_mixture(log_t, log_s, skew), dim)


def skewed_reverse_kl(student: Logits, teacher: Logits, skew: float = 0.1, dim: int | None = None) -> Divergence:
    r"""``mean_n KL(q_n ‖ α q_n + (1 − α) p_n)`` of the teacher's probabilities ``p`` and the student's ``q``, in nats.

    ``skewed_kl`` with the two exchanged: ``α = 0`` is ``reverse_kl``. Finite where the teacher rules a class out.
    Raises ``ValueError`` as ``skewed_kl`` does.

    Ko, Kim, Chen & Yun, "DistiLLM", ICML 2024, arXiv:2402.03898; published ``α = 0.1``.

    >>> skewed_reverse_kl(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 2.0]]))
    tensor(0.9818)
    """
    refuse_outside("A skew", skew, 0, 1)
    if skew == 0:
        return reverse_kl(student, teacher, dim=dim)
    dim = class_dim(student, teacher, dim)
    log_s, log_t = tempered(student, 1.0, dim), tempered(teacher, 1.0, dim)
    return mean_over_rows(to_mixture(log_s, log_t, skew), dim)


def to_mixture(log_p: Tensor, log_q: Tensor, share: float) -> Tensor:
    """``p log(p / (share · p + (1 − share) · q))`` of every class, from log-probabilities: summed, a divergence.

    ``share`` is above 0.

    >>> to_mixture(torch.tensor([0.5, 0.5, 0.0]).log(), torch.tensor([0.0, 0.5, 0.5]).log(), 0.5).sum()
    tensor(0.3466)
    """
    if share == 1:
        known, learnt = (x.masked_fill(x == -inf, 0.0) for x in (log_p, log_q))
        return 0.0 * (known + learnt)  # with a gradient, of 0
    gap = torch.where(log_p == -inf, 0.0, log_q - log_p)  # where p is 0, whatever is there counts nothing
    return weighted(log_p.exp(), -(log(share) + F.softplus(gap + (log1p(-share) - log(share)))))


def mean_over_rows(classes: Tensor, dim: int) -> Tensor:
    """The sum over the classes, in dimension ``dim``, and the mean over all else; at least 0."""
    return not_negative(classes.sum()) / (classes.numel() / classes.shape[dim])
