"""Learn what a network of one's own kind answers, without labels; and what is left of that if its answers are spoilt.

The loss of born-again networks and of the label refinery, and the two controls of the former: the teacher's confidence
as a weight of the labels, and its dark knowledge dealt out to the wrong classes.
"""

from collections.abc import Callable
from functools import wraps
from math import inf
from typing import Any, TypeAlias

import torch
from torch import Tensor

from tutelage.losses.dkd import target_index
from tutelage.losses.kd import class_dim, tempered, weighted
from tutelage.shapes import BatchScalar, Labels, Logits, Scalar

FURLANELLO = r"""@inproceedings{furlanello2018born,
  title     = {Born-Again Neural Networks},
  author    = {Furlanello, Tommaso and Lipton, Zachary C. and Tschannen, Michael and Itti, Laurent and
               Anandkumar, Anima},
  booktitle = {International Conference on Machine Learning},
  year      = {2018},
  url       = {https://arxiv.org/abs/1805.04770}
}"""
BAGHERINEZHAD = r"""@article{bagherinezhad2018label,
  title   = {Label Refinery: Improving {ImageNet} Classification through Label Progression},
  author  = {Bagherinezhad, Hessam and Horton, Maxwell and Rastegari, Mohammad and Farhadi, Ali},
  journal = {arXiv preprint arXiv:1805.02641},
  year    = {2018},
  url     = {https://arxiv.org/abs/1805.02641}
}"""
CITATIONS = {
    "soft_cross_entropy": f"{FURLANELLO}\n{BAGHERINEZHAD}",
    "confidence_weighted": FURLANELLO,
}

Deal: TypeAlias = Callable[[Tensor], Tensor]
"""Logits -> a number for each of them: probabilities are dealt out in the order of these."""


def soft_cross_entropy(student: Logits, teacher: Logits, dim: int | None = None) -> Scalar:
    r"""``−mean_n Σ_c p_nc log q_nc`` of the teacher's probabilities ``p`` and the student's ``q``, in nats, at T = 1.

    ``soft_targets`` at temperature 1 and the teacher's entropy on top of it: the gradient is the same, and at the
    teacher it is that entropy, not 0. The mean is over everything but the classes; ``dim`` is theirs, as in
    ``soft_targets``. Raises ``ValueError`` as ``soft_targets`` does.

    Furlanello et al., "Born-Again Neural Networks", 2018, arXiv:1805.04770, alone or beside the labels (BAN+L);
    Bagherinezhad et al., "Label Refinery", 2018, arXiv:1805.02641, whose code computes this where the paper writes the
    divergence.

    >>> soft_cross_entropy(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]))
    tensor(1.8885)
    """
    dim = class_dim(student, teacher, dim)
    return -weighted(tempered(teacher, 1.0, dim).exp(), tempered(student, 1.0, dim)).sum(dim).mean()


def confidence_weighted(student: Logits, teacher: Logits, target: Labels, dim: int | None = None) -> BatchScalar:
    r"""``Σ_n w_n · CE(s_n, target_n)`` with ``w_n = max_c p_nc / Σ_m max_c p_mc``: labels, heavier where ``p`` is sure.

    ``p`` are the teacher's probabilities at T = 1, of which nothing else is used. The weights of a batch are 1 in all,
    so that samples are weighed against those that they happen to meet: its term says ``across=True``. With a teacher
    that is equally sure of everything it is the cross entropy. Raises ``ValueError`` as ``soft_targets`` does, and for
    a label outside the classes.

    Furlanello et al., "Born-Again Neural Networks", 2018, arXiv:1805.04770: "confidence weighted by teacher
    max" (CWTM), to see how much of a teacher's worth is that it weighs the samples.

    >>> sure, unsure = [8.0, 0.0], [0.5, 0.0]
    >>> confidence_weighted(torch.zeros(2, 2), torch.tensor([sure, unsure]), torch.tensor([0, 1]))
    tensor(0.6931)
    """
    dim = class_dim(student, teacher, dim)
    index = target_index(student, target, dim)
    labels = -tempered(student, 1.0, dim).gather(dim, index)
    return (confidence_shares(teacher, dim) * labels).sum()


def confidence_shares(teacher: Tensor, dim: int = -1) -> Tensor:
    """Each sample's largest probability as a share of all of them; the size of ``dim`` becomes 1.

    >>> confidence_shares(torch.tensor([[0.0, 0.0], [99.0, 0.0]])).flatten()
    tensor([0.3333, 0.6667])
    """
    largest = tempered(teacher, 1.0, dim).amax(dim, keepdim=True).exp()
    return largest / largest.sum()


def at_random(logits: Tensor) -> Tensor:
    """Numbers from torch's own generator, which a training that is continued finds as it was left."""
    return torch.rand(logits.shape, device=logits.device)


def permuted(logits: Tensor, deal: Deal = at_random, dim: int = -1) -> Tensor:
    """``logits`` with all but the largest of each sample dealt out anew, in the order of the numbers of ``deal``.

    The largest (of equal ones the first) keeps its class, and so does what is ruled out (−∞): probabilities are
    permuted as logits are. Each sample is dealt for by itself, and anew at each call.

    >>> permuted(torch.tensor([[3.0, 9.0, 2.0, 1.0]]), deal=lambda logits: -torch.arange(4.0).expand(1, 4))
    tensor([[1., 9., 2., 3.]])
    """
    largest = torch.zeros_like(logits, dtype=torch.bool).scatter_(dim, logits.argmax(dim, keepdim=True), True)
    stays = largest | (logits == -inf)
    free = stays.int().argsort(dim=dim, stable=True)  # the places of those that move come first, then the others'
    dealt = deal(logits).masked_fill(stays, inf).argsort(dim=dim, stable=True)
    return torch.empty_like(logits).scatter_(dim, free, logits.gather(dim, dealt))


def with_permuted_teacher(loss: Callable[..., Tensor], deal: Deal = at_random) -> Callable[..., Tensor]:
    """Any loss of logits, of a teacher whose dark knowledge went to the wrong classes: ``loss(s, permuted(t), …)``.

    With ``soft_cross_entropy`` it is the published control: the teacher's largest probability and the distribution of
    the others stay, what the classes have to do with each other is lost. ``dim`` is the loss's own, the last one if it
    is not given.

    Furlanello et al., "Born-Again Neural Networks", 2018, arXiv:1805.04770: "dark knowledge with permuted
    predictions" (DKPP). The paper does not say whether a sample is permuted once or each time that it is seen, and
    there is no official code; here it is each time.

    >>> two = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])  # of two classes nothing can be dealt out
    >>> bool(with_permuted_teacher(soft_cross_entropy)(*two) == soft_cross_entropy(*two))
    True
    """

    @wraps(loss)  # keeps the promise of the return type, which tells whether samples are related
    def call(student: Tensor, teacher: Tensor, *others: Any, **named: Any) -> Tensor:
        dim = class_dim(student, teacher, named.get("dim"))
        return loss(student, permuted(teacher, deal, dim), *others, **named)

    return call
