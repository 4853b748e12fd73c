"""The divergence the other way round: a student that would rather leave out what a teacher says than add to it."""

from math import inf

from tutelage.losses.kd import class_dim, not_negative, tempered, weighted
from tutelage.shapes import Divergence, Logits

CITATIONS = {
    "reverse_kl": r"""@inproceedings{gu2024minillm,
  title     = {{MiniLLM}: Knowledge Distillation of Large Language Models},
  author    = {Gu, Yuxian and Dong, Li and Wei, Furu and Huang, Minlie},
  booktitle = {International Conference on Learning Representations},
  year      = {2024},
  url       = {https://arxiv.org/abs/2306.08543}
}"""
}


def reverse_kl(student: Logits, teacher: Logits, temperature: float = 1.0, dim: int | None = None) -> Divergence:
    r"""``T² · mean_n KL(softmax(s_n/T) ‖ softmax(t_n/T))``, in nats: ``soft_targets`` has the two exchanged.

    A student too small for all that its teacher says keeps to what is likely there, where the forward divergence
    spreads it over everything. The mean is over everything but the classes; ``dim`` is theirs, as in ``soft_targets``.
    A class that the student rules out (a logit of −∞) counts 0, and one that the teacher rules out is none of the
    student's either, whose other probabilities are made to sum up to 1: it would be infinite otherwise. Raises
    ``ValueError`` as ``soft_targets`` does.

    Gu, Dong, Wei & Huang, "MiniLLM: Knowledge Distillation of Large Language Models", ICLR 2024, arXiv:2306.08543, of
    which this is the divergence of single tokens, without the policy gradient. With a temperature it is the objective
    of Gu & Tresp, 2020, arXiv:2001.11612, as that is printed.

    >>> import torch
    >>> reverse_kl(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 2.0]]))
    tensor(1.3610)
    """
    dim = class_dim(student, teacher, dim)
    allowed = student.masked_fill(teacher == -inf, -inf)
    log_s, log_t = tempered(allowed, temperature, dim), tempered(teacher, temperature, dim)
    positions = log_s.numel() / log_s.shape[dim]
    return not_negative(weighted(log_s.exp(), log_s - log_t).sum()) * (temperature**2 / positions)
