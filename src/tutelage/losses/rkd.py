"""Match the geometry of a batch: how far apart its samples lie, and at which angles."""

import torch
from torch import Tensor
from torch.nn import functional as F

from tutelage.losses.cosine_table import Compare
from tutelage.losses.similarity_preserving import as_rows, directions, gram_matrix, near_one
from tutelage.shapes import Embedding, Relational

PARK = r"""@inproceedings{park2019relational,
  title     = {Relational Knowledge Distillation},
  author    = {Park, Wonpyo and Kim, Dongju and Lu, Yan and Cho, Minsu},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2019},
  url       = {https://arxiv.org/abs/1904.05068}
}"""
CITATIONS = {"distances": PARK, "angles": PARK}

NEAREST = 1e-6
"""Of the largest feature: samples that are nearer are the same but for rounding."""


def distances(student: Embedding, teacher: Embedding, compare: Compare = F.smooth_l1_loss) -> Relational:
    r"""``mean_nm ℓ(‖s_n − s_m‖/μ_s, ‖t_n − t_m‖/μ_t)`` over all ``N²`` pairs, ``μ`` the mean distance of two samples.

    ``compare`` is the mean of ``ℓ``, Huber's loss as published. Gradients pass ``μ_s`` too. Blind to shifts,
    rotations and the scale of the features, whose widths may differ. Samples that are nearer than a millionth of the
    largest feature count as one that is there twice. Raises ``ValueError`` for one sample, or if the batches differ.

    Park et al., "Relational Knowledge Distillation", 2019, arXiv:1904.05068, eq. 5–7. Published: weight 25 beside 50
    for ``angles`` and the label loss of weight 1; for embeddings 1 beside 2, and no label loss.

    >>> distances(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]))
    tensor(0.0556)
    """
    rows_s, rows_t = as_rows(student, teacher)
    return compare(_relative_distances(rows_s), _relative_distances(rows_t))


def angles(student: Embedding, teacher: Embedding, compare: Compare = F.smooth_l1_loss) -> Relational:
    r"""``mean_nml ℓ(cos ∠_n(s_m, s_l), cos ∠_n(t_m, t_l))``: the angles at each sample ``n`` between two others.

    Over all ``N³`` triplets, as published, those that repeat a sample included. ``compare`` is the mean of ``ℓ``,
    Huber's loss as published. Blind to shifts, rotations and the scale of the features, whose widths may differ.
    Takes ``N² D + N³`` numbers of memory: for large batches use ``distances`` alone. Raises ``ValueError`` for one
    sample, or if the batches differ.

    Park et al., "Relational Knowledge Distillation", 2019, arXiv:1904.05068, eq. 8–10. Published: weight 50 beside 25
    for ``distances`` and the label loss of weight 1; for embeddings 2 beside 1, and no label loss.

    >>> angles(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    tensor(0.1296)
    """
    rows_s, rows_t = as_rows(student, teacher)
    return compare(*(gram_matrix(directions(_differences(rows), shortest=NEAREST)) for rows in (rows_s, rows_t)))


def _differences(rows: Tensor) -> Tensor:
    rows = near_one(rows)
    return rows.unsqueeze(0) - rows.unsqueeze(1)  # (N, N, D); entry n, m points from n to m


def _relative_distances(rows: Tensor) -> Tensor:
    rows = near_one(rows)
    products = gram_matrix(rows - rows.mean(0))  # centred, so that little is lost where squares nearly cancel
    sizes = products.diagonal()
    squares = sizes.unsqueeze(0) + sizes.unsqueeze(1) - 2 * products  # cdist has no gradient under vmap
    same = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    lengths = (
        squares.clamp_min(NEAREST**2).sqrt().masked_fill(same, 0)
    )  # a root has no gradient at 0, so equals stay apart
    return lengths * (lengths.numel() - len(rows)) / lengths.sum()
