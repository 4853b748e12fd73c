"""The reverse divergence of whole texts, from texts that the student wrote: what a token leads to counts as well."""

import torch
from torch import Tensor

from tutelage.limits import refuse_outside
from tutelage.losses.kd import tempered, weighted
from tutelage.losses.masked import as_mask
from tutelage.losses.reverse_kl import CITATIONS as GU
from tutelage.shapes import at_least_float32

CITATIONS = {"sequence_reverse_kl": GU["reverse_kl"]}
IGNORED = -100
LARGEST = 100.0
"""Of the reward of a token, either way, as in the authors' code: a token may be one that the teacher rules out."""


def sequence_reverse_kl(
    student: Tensor,
    teacher: Tensor,
    target: Tensor,
    *,
    share: float = 0.0,
    discount: float = 1.0,
    by_length: bool = True,
) -> Tensor:
    r"""``KL(student ‖ teacher)`` of texts, over their T places, estimated by texts that were written, and its gradient.

    ``student`` and ``teacher`` are logits (N, T, V), ``target`` (N, T) the tokens that were written, −100 elsewhere.
    The value is ``1/NT Σ w_t KL_t``, of the divergences of single tokens; the gradient is that of

        ``1/NT Σ_n Σ_t w_t (KL_t − R_{t+1} · log q(y_t))``,   ``R_{t+1} = Σ_{t' > t} discount^{t'−t−1} r_t'``,

    in which the rewards ``r_t = log p(y_t) − log q(y_t)`` of later tokens have no gradient themselves. The first part
    is what a token is by itself, the second what it leads to. ``by_length`` divides ``R`` by the number of later
    tokens, so that the first ones of a long text do not count more than others. ``share`` is the teacher's in what the
    texts were drawn from, ``(1 − share) q + share p``: a token then has the weight ``w_t = q/((1 − share) q + share
    p)``, as published instead of the product of all until then, and 1 at a share of 0. There, with a ``discount`` of 1
    and without ``by_length``, value and gradient are unbiased. Published: a share of 0.2, ``by_length``; rewards are
    within ±100. The authors' code differs: it halves rewards, counts the token itself, whitens, and clips ratios.

    Gradients do not reach the teacher. Raises ``ValueError`` for other shapes, a share outside 0 … 1, and where nothing
    was written.

    Gu, Dong, Wei & Huang, "MiniLLM: Knowledge Distillation of Large Language Models", ICLR 2024, arXiv:2306.08543, eq.
    3 to 6.

    >>> logits, other = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    >>> sequence_reverse_kl(logits, other, torch.tensor([[0, 1]]))
    tensor(0.2311)
    """
    if student.ndim != 3 or student.shape != teacher.shape or target.shape != student.shape[:2]:
        raise ValueError(
            f"Logits are (N, T, V) of both, and what was written (N, T); got {tuple(student.shape)}, "
            f"{tuple(teacher.shape)} and {tuple(target.shape)}."
        )
    refuse_outside("The share of the teacher in what is written", share, 0, 1)
    mask = target != IGNORED
    if not bool(mask.any()):
        raise ValueError("Nothing was written in this batch: all of its labels are −100; leave it out.")
    allowed = student.masked_fill(teacher == -torch.inf, -torch.inf)
    each = tempered(allowed, 1.0, -1)
    log_q, log_p = at_least_float32(student).log_softmax(-1), at_least_float32(teacher).detach().log_softmax(-1)
    single = weighted(each.exp(), each - log_p).sum(-1)  # (N, T)
    chosen = target.clamp_min(0)[:, :, None]
    said, known = log_q.gather(2, chosen).squeeze(2), log_p.gather(2, chosen).squeeze(2)
    own = said.detach()
    later = rewards_to_go((known - own).clamp(-LARGEST, LARGEST), mask, discount, by_length)
    later = torch.cat([later[:, 1:], later.new_zeros(len(later), 1)], 1)
    weight = own.exp() / ((1 - share) * own.exp() + share * known.exp()) if share else torch.ones_like(own)
    return (weight * (single - later * (said - own)))[mask].sum() / target.numel()


def rewards_to_go(rewards: Tensor, mask: Tensor, discount: float = 1.0, by_length: bool = False) -> Tensor:
    r"""``R_t = Σ_{t' ≥ t} discount^{t'−t} r_t'`` over the tokens where ``mask`` (N, T) holds, 0 elsewhere: (N, T).

    ``by_length`` divides it by the number of these tokens, t included.

    >>> rewards_to_go(torch.tensor([[1.0, 2.0, 9.0]]), torch.tensor([[1, 1, 0]]), by_length=True)
    tensor([[1.5000, 2.0000, 0.0000]])
    """
    counts = as_mask(mask)
    found, total = [], torch.zeros_like(rewards[:, 0])
    for place in reversed(range(rewards.shape[1])):
        total = torch.where(counts[:, place], rewards[:, place] + discount * total, total)
        found.append(total)
    summed = torch.stack(found[::-1], 1) * counts
    if not by_length:
        return summed
    left = counts.flip(1).cumsum(1).flip(1)
    return summed / left.clamp_min(1)
