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
    gap = at_least_float32(student) - at_least_float32(teacher)  # pooling is linear: the gap's is the gap of the pooled
    levels = [gap, *(F.adaptive_avg_pool2d(gap, size) for size in _smaller(gap))]
    weights = [2.0**-level for level in range(len(levels))]
    squares = [weight * level.square().mean() for weight, level in zip(weights, levels, strict=True)]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    return total / sum(weights)


def _smaller(x: Tensor) -> list[int]:
    return [size for size in (4, 2, 1) if x.ndim == 4 and size < x.shape[2]]
