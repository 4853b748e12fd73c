"""Between the divergence and its reverse: both networks against their mixture."""

import torch

from tutelage.limits import refuse_outside
from tutelage.losses.kd import class_dim, soft_targets, tempered
from tutelage.losses.reverse_kl import reverse_kl
from tutelage.losses.skewed import mean_over_rows, to_mixture
from tutelage.shapes import Divergence, Logits

CITATIONS = {
    "jensen_shannon": r"""@inproceedings{agarwal2024onpolicy,
  title     = {On-Policy Distillation of Language Models: Learning from Self-Generated Mistakes},
  author    = {Agarwal, Rishabh and Vieillard, Nino and Zhou, Yongchao and Stanczyk, Piotr and Ramos, Sabela and
               Geist, Matthieu and Bachem, Olivier},
  booktitle = {International Conference on Learning Representations},
  year      = {2024},
  url       = {https://arxiv.org/abs/2306.13649}
}"""
}


def jensen_shannon(student: Logits, teacher: Logits, beta: float = 0.5, dim: int | None = None) -> Divergence:
    r"""The generalised Jensen-Shannon divergence, ``mean_n [β KL(p_n ‖ m_n) + (1 − β) KL(q_n ‖ m_n)]``, in nats.

    ``m = β p + (1 − β) q`` mixes the teacher's probabilities ``p`` and the student's ``q``. As published, ``β = 0`` is
    ``soft_targets`` at T = 1 and ``β = 1`` is ``reverse_kl``, which are the limits of it over ``β`` and over ``1 − β``;
    **close to 0 or 1 it is close to 0**, and its weight has to grow. At ½ it is symmetric, and at most ``log 2``. The
    mean is over everything but the classes; ``dim`` is theirs, as in ``soft_targets``. Another temperature is
    ``jensen_shannon(student / T, teacher / T)``, as published without a factor ``T²``. Raises ``ValueError`` as
    ``soft_targets`` does for shapes, and for a ``β`` outside 0 … 1.

    Agarwal et al., "On-Policy Distillation of Language Models", ICLR 2024, arXiv:2306.13649 (GKD); published
    are ``β`` = 0.1, 0.5 and 0.9.

    >>> jensen_shannon(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
    tensor(0.3278)
    """
    refuse_outside("A share of the teacher (beta)", beta, 0, 1)
    if beta == 0:
        return soft_targets(student, teacher, 1.0, dim)
    if beta == 1:
        return reverse_kl(student, teacher, dim=dim)
    dim = class_dim(student, teacher, dim)
    log_s, log_t = tempered(student, 1.0, dim), tempered(teacher, 1.0, dim)
    of_teacher, of_student = to_mixture(log_t, log_s, beta), to_mixture(log_s, log_t, 1 - beta)
    return mean_over_rows(torch.add((1 - beta) * of_student, of_teacher, alpha=beta), dim)
