"""Match whom each sample would choose as its neighbour: similarities, made probabilities."""

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.losses.cosine_table import cosines
from tutelage.losses.kd import not_negative
from tutelage.losses.similarity_preserving import as_rows
from tutelage.shapes import Embedding, Relational

CITATIONS = {
    "pkt": r"""@inproceedings{passalis2018learning,
  title     = {Learning Deep Representations with Probabilistic Knowledge Transfer},
  author    = {Passalis, Nikolaos and Tefas, Anastasios},
  booktitle = {European Conference on Computer Vision},
  year      = {2018},
  url       = {https://arxiv.org/abs/1803.10837}
}"""
}

OPPOSITE = 8
"""Roundings by which a cosine of −1 may be off, on either side."""


def pkt(student: Embedding, teacher: Embedding) -> Relational:
    r"""``mean_nm p_nm log(p_nm / q_nm)``, the probabilities of samples to be each other's neighbours.

    ``p_nm = (1 + cos(t_n, t_m)) / Σ_m (1 + cos(t_n, t_m))``, and ``q`` so of the student; a sample is a neighbour of
    itself too, and an opposite one, but for rounding, is none. The widths may differ. A mean over ``N²``: values are
    tiny, and the weight large. Raises ``ValueError`` for one sample, or if the batches differ.

    Passalis & Tefas, "Learning Deep Representations with Probabilistic Knowledge Transfer", 2018, arXiv:1803.10837.
    RepDistiller's weight for CIFAR-100: 30,000, on the features before the classifier, beside the label loss of
    weight 1.

    >>> import torch
    >>> pkt(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0], [1.0]]))
    tensor(0.0294)
    """
    rows_s, rows_t = as_rows(student, teacher)
    p, q = _neighbours(rows_t), _neighbours(rows_s)
    return not_negative((p * (p / q).log()).mean())


def _neighbours(rows: Tensor) -> Tensor:
    nearness = (1 + cosines(rows)) / 2
    nearness = F.threshold(nearness, OPPOSITE * torch.finfo(nearness.dtype).eps, 0.0)
    odds = nearness / nearness.sum(-1, keepdim=True)
    # Opposite samples are never neighbours, and have no logarithm; added on both sides, it stays a divergence.
    return odds + 1e-7
