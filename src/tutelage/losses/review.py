"""Compare maps at several sizes at once: ReviewKD's hierarchical context loss."""

from torch import Tensor
from torch.nn import functional as F

from tutelage.shapes import Divergence, FeatureMap, at_least_float32

CITATIONS = {
    "hierarchical_context": r"""@inproceedings{chen2021distilling,
  title     = {Distilling Knowledge via Knowledge Review},
  author    = {Chen, Pengguang and Liu, Shu and Zhao, Hengshuang and Jia, Jiaya},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2021},
  url       = {https://arxiv.org/abs/2104.09044}
}"""
}


def hierarchical_context(student: FeatureMap, teacher: FeatureMap) -> Divergence:
    r"""Mean squares of the maps as they are and pooled to 4×4, 2×2 and 1×1: ``Σ_l 2⁻ˡ mse_l / Σ_l 2⁻ˡ``.

    ``l`` counts the levels from 0. Sizes that are not smaller than the map are left out: a map of 2×2 has two levels, a
    vector one. ``tutelage.matching.review.Review`` matches several layers, and sums this loss over them.
    Raises ``ValueError`` if the shapes differ.

    Chen et al., "Distilling Knowledge via Knowledge Review", CVPR 2021, arXiv:2104.09044;
    github.com/dvlab-research/ReviewKD.

    >>> import torch
    >>> hierarchical_context(torch.full((2, 3, 8, 8), 3.0), torch.ones(2, 3, 8, 8))
    tensor(4.)
    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"Student's and teacher's features must have one shape; got {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}."
        )
    student, teacher = at_least_float32(student), at_least_float32(teacher)
    total, weights = F.mse_loss(student, teacher), 1.0
    levels = _pooled(student - teacher) if student.ndim == 4 else []  # the gap pooled is the gap of what is pooled
    for number, level in enumerate(levels, start=1):
        total = total + level.square().mean() * 2.0**-number
        weights += 2.0**-number
    return total / weights


def _pooled(x: Tensor) -> list[Tensor]:
    """Maps x (N, C, H, W) at 4×4, 2×2 and 1×1, as far as they are smaller: each of the one before where it divides."""
    sizes = [size for size in (4, 2, 1) if size < x.shape[2]]
    if not sizes or any(length % sizes[0] for length in x.shape[2:]):
        return [F.adaptive_avg_pool2d(x, size) for size in sizes]
    levels = []
    for size in sizes:
        height, width = x.shape[2:]
        rows = x.unflatten(2, (size, height // size)).mean(3)  # whole rows are added by vectors, a window is not
        x = rows.unflatten(3, (size, width // size)).mean(4)
        levels.append(x)
    return levels
