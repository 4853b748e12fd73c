"""Match the angles between the features of any two samples: a table of cosines."""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor
from torch.nn import functional as F

from tutelage.losses.similarity_preserving import as_rows, directions, gram_matrix, near_one
from tutelage.shapes import Embedding, Relational

PARK = r"""@inproceedings{park2019relational,
  title     = {Relational Knowledge Distillation},
  author    = {Park, Wonpyo and Kim, Dongju and Lu, Yan and Cho, Minsu},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2019},
  url       = {https://arxiv.org/abs/1904.05068}
}"""
CITATIONS = {"cosine_table": PARK}

Compare: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Two tensors of one shape -> the mean of their gaps, e.g. ``l1_loss``, ``mse_loss`` or ``smooth_l1_loss`` of torch."""


def cosine_table(student: Embedding, teacher: Embedding, compare: Compare = F.mse_loss) -> Relational:
    r"""``mean_nm ℓ(cos(s_n, s_m), cos(t_n, t_m))`` over all ``N²`` pairs of samples, the diagonal of ones included.

    ``compare`` is the mean of ``ℓ``: ``mse_loss`` (squares), ``l1_loss`` or ``smooth_l1_loss`` (Huber). Any features
    will do, of any shape behind the samples, and not the same in both. Unlike ``similarity_preserving``, a sample's
    own scale does not count. Raises ``ValueError`` for one sample, or if the batches differ.

    The relation that lectures on distillation draw, from the family of Park et al., "Relational Knowledge
    Distillation", 2019, arXiv:1904.05068, eq. 1, which has distances and angles instead. No weight is published.

    >>> import torch
    >>> cosine_table(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0], [1.0]]))
    tensor(0.5000)
    """
    rows_s, rows_t = as_rows(student, teacher)
    return compare(cosines(rows_s), cosines(rows_t))


def cosines(rows: Tensor) -> Tensor:
    """The cosine of the angle between any two rows; 0 for a row of zeros."""
    return gram_matrix(directions(near_one(rows, -1)))
