"""Variational information distillation: how well the student's features predict the teacher's, with what spread."""

from math import expm1, log

import torch
from torch import Size, Tensor, nn
from torch.nn import functional as F

from tutelage.limits import LARGEST, refuse_outside
from tutelage.shapes import FeatureMap, Scalar, at_least_float32, of_one_size

CITATIONS = {
    "VariationalInformation": r"""@inproceedings{ahn2019variational,
  title     = {Variational Information Distillation for Knowledge Transfer},
  author    = {Ahn, Sungsoo and Hu, Shell Xu and Damianou, Andreas and Lawrence, Neil D. and Dai, Zhenwen},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2019},
  url       = {https://arxiv.org/abs/1904.05835}
}"""
}
SMALLEST = 1e-5  # of a variance


class VariationalInformation(nn.Module):
    r"""How unlikely the teacher's features are, given the student's: ``½ · mean [(μ(s) − t)² / σ² + log σ²]``.

    ``μ`` is a learned map with the teacher's channels (``regressor``), ``σ² = softplus(a) + 10⁻⁵`` a learned variance
    for each of them, ``variance`` at first; the mean is over samples, channels and places. Up to a constant it is the
    negative of a lower bound of the mutual information, and can be negative. The larger map is pooled to the smaller.
    Published weight 1 for the sum over layers.
    ``VariationalInformation.between`` makes one lazily, as ``tutelage.matching.projected.LazyLoss`` asks it to.
    Raises ``ValueError`` for a variance that is too small, for ranks that differ, and if ``μ`` has other channels.

    Ahn et al., "Variational Information Distillation for Knowledge Transfer", CVPR 2019, arXiv:1904.05835;
    the variant for each channel of github.com/HobbitLong/RepDistiller, which takes the mean where the paper sums.

    >>> loss = VariationalInformation(nn.Identity(), channels=4, variance=1.0)
    >>> x = torch.randn(2, 4, 5, 5)
    >>> round(loss(x, x).item(), 4), round(loss(x, x + 2).item(), 4)
    (0.0, 2.0)
    """

    def __init__(self, regressor: nn.Module, channels: int, variance: float = 5.0) -> None:
        super().__init__()
        if not variance > SMALLEST:
            raise ValueError(f"A variance is greater than {SMALLEST} to begin with; got {variance}.")
        refuse_outside("A variance", variance, SMALLEST, LARGEST)
        self.regressor = regressor
        spread = variance - SMALLEST
        at_first = log(expm1(spread)) if spread < 30 else spread  # softplus backwards; there they are the same
        self.log_scale = nn.Parameter(torch.full((channels,), at_first))

    @classmethod
    def between(cls, student: Size, teacher: Size) -> "VariationalInformation":
        """With the published map for these shapes: three 1×1 convolutions (or linear layers) with ReLUs between."""
        layer = nn.Linear if len(student) == 2 else _pointwise
        out = teacher[1]
        layers = [layer(student[1], out, bias=False), layer(out, out, bias=False), layer(out, out, bias=False)]
        return cls(nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2]), out)

    @classmethod
    def example(cls, sizes: dict[str, int]) -> "VariationalInformation":
        shape = Size([sizes["N"], sizes["D"], sizes["H"], sizes["W"]])
        return cls.between(shape, shape)

    @property
    def variance(self) -> Tensor:
        """One a channel of the teacher."""
        return F.softplus(at_least_float32(self.log_scale)) + SMALLEST

    def forward(self, student: FeatureMap, teacher: FeatureMap) -> Scalar:
        if student.ndim != teacher.ndim:
            raise ValueError(
                f"Student and teacher must both show maps, or both vectors; got {tuple(student.shape)} and "
                f"{tuple(teacher.shape)}."
            )
        if student.shape[2:] != teacher.shape[2:]:
            student, teacher = of_one_size(student, teacher)
        mean = at_least_float32(self.regressor(student))
        if mean.shape != teacher.shape or teacher.shape[1] != len(self.log_scale):
            raise ValueError(
                f"The regressor and the variances must have the teacher's {teacher.shape[1]} channels; got "
                f"{tuple(mean.shape)} and {len(self.log_scale)} variances."
            )
        gaps = F.mse_loss(mean, at_least_float32(teacher), reduction="none").transpose(0, 1).flatten(1).mean(1)  # (D,)
        variance = self.variance
        return (gaps / variance + variance.log()).mean() / 2


def _pointwise(inputs: int, outputs: int, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=bias)
