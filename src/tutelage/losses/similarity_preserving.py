"""Match which samples excite a network alike, whatever its features are and however many."""

from math import inf

import torch
from torch import Tensor

from tutelage.shapes import FeatureMap, Relational, at_least_float32

CITATIONS = {
    "similarity_preserving": r"""@inproceedings{tung2019similarity,
  title     = {Similarity-Preserving Knowledge Distillation},
  author    = {Tung, Frederick and Mori, Greg},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year      = {2019},
  url       = {https://arxiv.org/abs/1907.09682}
}"""
}


def similarity_preserving(student: FeatureMap, teacher: FeatureMap) -> Relational:
    r"""``‖R(S Sᵀ) − R(T Tᵀ)‖² / N²``: ``S`` and ``T`` hold a sample a row, ``R`` makes each row of a matrix length 1.

    Rows are made length 1 after the products, so that the tables are not symmetric and a sample's own size counts.
    Channels and sizes of the two maps may differ. Zero for maps that are equal up to a scale and a rotation, as
    long as their squares are float32 numbers.
    Raises ``ValueError`` for one sample, or if the batches differ.

    Tung & Mori, "Similarity-Preserving Knowledge Distillation", 2019, arXiv:1907.09682. Published: weight 3000, on the
    last map before pooling, beside the label loss of weight 1.

    >>> similarity_preserving(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0], [1.0]]))
    tensor(0.2929)
    """
    rows_s, rows_t = as_rows(student, teacher)
    gap = directions(near_one(gram_matrix(rows_s))) - directions(near_one(gram_matrix(rows_t)))
    return gap.square().mean()


def as_rows(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Each sample as one row of at least float32, for relations between samples.

    Raises ``ValueError`` for fewer than two samples, and if student and teacher do not show the same number of them.
    """
    if student.ndim < 2 or teacher.ndim < 2 or len(student) != len(teacher) or len(student) < 2:
        raise ValueError(
            f"Relations between samples want at least two samples, the same for student and teacher; "
            f"got {tuple(student.shape)} and {tuple(teacher.shape)}."
        )
    return at_least_float32(student.flatten(1)), at_least_float32(teacher.flatten(1))


def gram_matrix(rows: Tensor) -> Tensor:
    """The inner products of all rows, in the precision of the rows: autocast would multiply in half of it."""
    with torch.autocast(rows.device.type, enabled=False):
        return rows @ rows.mT


def near_one(x: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """``x`` over a power of two, so that its largest number (along ``dim``) is between ½ and 1; zeros stay.

    What is blind to the scale of ``x`` keeps all bits, but for numbers whose squares would be lost or be infinite.

    >>> near_one(torch.tensor([6e-30, -3e-30, 0.0]))
    tensor([ 0.9507, -0.4754,  0.0000])
    """
    largest = torch.linalg.vector_norm(x.detach(), inf, dim, keepdim=True)
    mantissa = torch.frexp(largest).mantissa
    return x / torch.where(mantissa == 0, 1.0, largest / mantissa)


def directions(vectors: Tensor, dim: int = -1, shortest: float | Tensor = 1e-12) -> Tensor:
    """Vectors along ``dim``, made length 1. What is not longer than ``shortest`` becomes 0, and passes no gradient.

    >>> directions(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000]])
    """
    length = torch.linalg.vector_norm(vectors, dim=dim, keepdim=True)
    return vectors / torch.where(length > shortest, length, inf)
