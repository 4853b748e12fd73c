"""The divergence of soft targets, held at a value."""

import torch

from tutelage.limits import LARGEST, refuse_outside
from tutelage.losses.kd import class_dim, not_negative, tempered, weighted
from tutelage.shapes import Logits, Scalar

GU_AND_TRESP = r"""@article{gu2020search,
  title   = {Search for Better Students to Learn Distilled Knowledge},
  author  = {Gu, Jindong and Tresp, Volker},
  journal = {arXiv preprint arXiv:2001.11612},
  year    = {2020},
  url     = {https://arxiv.org/abs/2001.11612}
}"""
CITATIONS = {"held_soft_targets": GU_AND_TRESP}


def held_soft_targets(
    student: Logits, teacher: Logits, temperature: float = 4.0, kl0: float = 0.0, dim: int | None = None
) -> Scalar:
    r"""``T² · mean_n |KL(softmax(t_n/T) ‖ softmax(s_n/T)) - kl0|``: the divergence of each sample is drawn to ``kl0``.

    The absolute value is inside the mean, so that samples on either side of ``kl0`` do not cancel out. ``kl0`` is in
    nats at the temperature ``T``, before the factor ``T²``; with 0 this is ``soft_targets``. Raises ``ValueError`` as
    that does, and for a ``kl0`` outside 0 … 1e18.

    Gu & Tresp, "Search for Better Students to Learn Distilled Knowledge", 2020, arXiv:2001.11612.

    >>> held_soft_targets(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]]), temperature=1.0, kl0=1.0)
    tensor(0.5232)
    """
    refuse_outside("A divergence to be held at (kl0)", kl0, 0, LARGEST)
    dim = class_dim(student, teacher, dim)
    log_s, log_t = tempered(student, temperature, dim), tempered(teacher, temperature, dim)
    each = not_negative(weighted(log_t.exp(), log_t - log_s).sum(dim))
    return temperature**2 * torch.abs(each - kl0).mean()
