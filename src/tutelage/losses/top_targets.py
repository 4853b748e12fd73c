"""The teacher's likeliest classes, each by itself, and all others as one: what is worth keeping of a vocabulary."""

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.losses.dkd import log_rest
from tutelage.losses.kd import class_dim, not_negative, tempered, weighted
from tutelage.shapes import Divergence, Logits, at_least_float32

CITATIONS = {
    "top_targets": r"""@inproceedings{anshumann2025sparse,
  title     = {Sparse Logit Sampling: Accelerating Knowledge Distillation in {LLMs}},
  author    = {Anshumann, Anshumann and Zaidi, Mohd Abbas and Kedia, Akhil and Ahn, Jinwoo and Kwon, Taehwak and Lee,
               Kangwook and Lee, Haejun and Lee, Joohyung},
  booktitle = {Annual Meeting of the Association for Computational Linguistics},
  year      = {2025},
  url       = {https://arxiv.org/abs/2503.16870}
}"""
}


def top_targets(student: Logits, teacher: Logits, count: int = 50, dim: int | None = None) -> Divergence:
    r"""``mean_n KL(p̂_n ‖ q̂_n)``, in nats, over the teacher's ``count`` likeliest classes and "any other".

    ``p̂`` are the teacher's ``count`` largest probabilities and what is left of 1, ``q̂`` the student's of the same
    classes and what that leaves. The tail is exact as a whole and **free within**: how the student spreads it over the
    other classes is not compared, so that this is at most ``soft_targets`` at T = 1, and equal to it where ``count +
    1`` is no less than all classes. Without the tail the likeliest would be taken for all, and a student be sure of
    them. ``dim`` is that of the classes, as in ``soft_targets``. Raises ``ValueError`` as ``soft_targets`` does for
    shapes, and for a ``count`` that is no whole number of 1 or more.

    Anshumann et al., "Sparse Logit Sampling", ACL 2025, arXiv:2503.16870, where the tail is a ghost token, and where it
    is shown what the tail is worth.

    >>> student, teacher = torch.tensor([[8.0, 2.0, 0.0]]).log(), torch.tensor([[8.0, 1.0, 1.0]]).log()
    >>> [round(top_targets(student, teacher, count).item(), 4) for count in (1, 2)]
    [0.0, inf]
    """
    dim = class_dim(student, teacher, dim)
    return against_top(student.movedim(dim, -1), top_answers(teacher.movedim(dim, -1), count))


def top_answers(logits: Tensor, count: int) -> Tensor:
    """What is kept of logits (…, C): (…, 2 ``count`` + 1), at least float32.

    The log-probabilities of the ``count`` likeliest classes, largest first; the log of what is left; the classes. There
    are at most ``C − 1`` of them: the last one is what is left.

    >>> top_answers(torch.tensor([0.7, 0.1, 0.2]).log(), 1).exp()[:2], top_answers(torch.tensor([0.7, 0.1, 0.2]), 1)[2]
    (tensor([0.7000, 0.3000]), tensor(0.))
    """
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"Of the likeliest classes 1 or more are kept; got {count}.")
    log_p = tempered(logits, 1.0, -1)
    largest, classes = log_p.topk(min(count, log_p.shape[-1] - 1), dim=-1)
    return torch.cat([largest, log_rest(log_p, classes, -1), classes.to(log_p.dtype)], -1)


def against_top(student: Tensor, answers: Tensor) -> Tensor:
    r"""``top_targets`` of the student's logits (…, C) with what ``top_answers`` kept of the teacher's.

    The answers of a cache in the form ``tutelage.teachers.forms.sparse``: as ``Term(against_top, "student.output",
    "teacher.output")``. Their probabilities, rounded when they were kept, are made to sum up to 1 again. Raises
    ``ValueError`` for answers of other rows, of another form, or about classes that the student does not have.
    """
    count = answers.shape[-1] // 2
    if student.shape[:-1] != answers.shape[:-1] or answers.shape[-1] != 2 * count + 1 or not count:
        raise ValueError(
            f"What is kept of a teacher has a row for each of the student's, (…, 2 · count + 1); got "
            f"{tuple(answers.shape)} beside logits {tuple(student.shape)}."
        )
    kept, classes = at_least_float32(answers)[..., : count + 1], answers[..., count + 1 :].long()
    if classes.is_cpu and classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) < student.shape[-1]:
        raise ValueError(
            f"The teacher's likeliest classes go from {int(classes.min())} to {int(classes.max())}; the student has "
            f"{student.shape[-1]}: their vocabularies differ, or these are no kept answers but logits."
        )
    log_s, log_t = tempered(student, 1.0, -1), F.log_softmax(kept, dim=-1)
    seen = torch.cat([log_s.gather(-1, classes), log_rest(log_s, classes, -1)], -1)
    positions = log_t.numel() / log_t.shape[-1]
    return not_negative(weighted(log_t.exp(), log_t - seen).sum()) / positions
