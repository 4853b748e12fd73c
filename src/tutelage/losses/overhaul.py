"""Feature distillation, overhauled: match what a layer says before its ReLU, as far as it says something."""

from math import erf, exp, pi, sqrt

import torch
from torch import Size, Tensor, nn

from tutelage.shapes import Divergence, FeatureMap, at_least_float32

CITATIONS = {
    "PartialSquares": r"""@inproceedings{heo2019comprehensive,
  title     = {A Comprehensive Overhaul of Feature Distillation},
  author    = {Heo, Byeongho and Kim, Jeesoo and Yun, Sangdoo and Park, Hyojin and Kwak, Nojun and Choi, Jin Young},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year      = {2019},
  url       = {https://arxiv.org/abs/1904.01866}
}"""
}


class PartialSquares(nn.Module):
    r"""Squared distance to ``t⁺ = max(t, m)``, where it counts: ``1/N · Σ_nchw [s > t⁺ or t > 0] (s − t⁺)²``.

    Where the teacher is silent (``t ≤ 0``) the student may be as negative as it likes; above the margin it is pulled
    down. ``margins`` are one negative number a channel, as ``margins`` reads from the teacher's batch norm. Read both
    networks *before* the ReLU; one that works in place spoils what was read. The sum is over channels and places: layer
    ``i`` of ``n``, counted from 0, has the published weight ``2^(i + 1 − n) / 1000``, see ``published_weights``. The
    student's map goes through ``connector`` first. The authors' code runs the teacher in train mode; here it is frozen.
    ``forward`` raises ``ValueError`` if the shapes differ or the channels are not those of the margins.

    Heo et al., "A Comprehensive Overhaul of Feature Distillation", ICCV 2019, arXiv:1904.01866;
    github.com/clovaai/overhaul-distillation.

    >>> loss = PartialSquares(torch.tensor([-0.5]))
    >>> silent, student = torch.full((1, 1, 1, 1), -2.0), torch.full((1, 1, 1, 1), 1.5)
    >>> loss(student, silent), loss(-student, silent)
    (tensor(4.), tensor(0.))
    """

    margins: Tensor

    def __init__(self, margins: Tensor) -> None:
        super().__init__()
        if margins.ndim != 1:
            raise ValueError(f"Margins are one a channel; got a tensor of shape {tuple(margins.shape)}.")
        if not bool((margins.isfinite() & (margins <= 0)).all()):
            raise ValueError(f"Margins are numbers of 0 or less; got {margins.tolist()}.")
        self.register_buffer("margins", margins.detach().clone(), persistent=False)

    @classmethod
    def example(cls, sizes: dict[str, int]) -> "PartialSquares":
        return cls(-torch.rand(sizes["D"]))

    def forward(self, student: FeatureMap, teacher: FeatureMap) -> Divergence:
        if student.shape != teacher.shape or student.ndim < 2 or student.shape[1] != len(self.margins):
            raise ValueError(
                f"Student's and teacher's features must have one shape, with the {len(self.margins)} channels of the "
                f"margins; got {tuple(student.shape)} and {tuple(teacher.shape)}."
            )
        student, teacher = at_least_float32(student), at_least_float32(teacher)
        margins = self.margins.to(teacher.dtype).view(-1, *[1] * (student.ndim - 2))
        target = torch.maximum(teacher, margins)
        counts = (student > target) | (teacher > 0)
        return ((student - target) * counts).square().sum() / len(student)


def margins(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Tensor:
    """The mean of what is negative in each channel behind ``norm``, if that is normal: ``E[x | x < 0]``, one a channel.

    ``x ~ N(bias, |weight|²)``; where less than 0.001 of it is negative, ``−3 |weight|``.
    Raises ``ValueError`` for a layer without weight and bias, or with a weight that is 0 or no number.

    >>> margins(nn.BatchNorm2d(2))
    tensor([-0.7979, -0.7979])
    """
    if not norm.affine or bool(((norm.weight == 0) | ~norm.weight.isfinite() | ~norm.bias.isfinite()).any()):
        raise ValueError(
            f"Margins are read from a batch norm whose weights are all there and not 0, and finite; got {norm}."
        )
    pairs = zip(norm.weight.tolist(), norm.bias.tolist(), strict=True)
    return norm.weight.new_tensor([_mean_below_zero(mean, abs(spread)) for spread, mean in pairs])


def published_weights(layers: int) -> list[float]:
    """Of each layer's term, the first one first: twice as much for the next, 1/1000 for the last.

    >>> published_weights(3)
    [0.00025, 0.0005, 0.001]
    """
    return [2.0 ** (i + 1 - layers) / 1000 for i in range(layers)]


def connector(student: Size, teacher: Size) -> nn.Module:
    """The published connector for these shapes: a 1×1 convolution without bias, and batch norm.

    Raises ``ValueError`` unless both are maps of one size.

    >>> connector(Size([1, 4, 5, 5]), Size([1, 8, 5, 5]))[0]
    Conv2d(4, 8, kernel_size=(1, 1), stride=(1, 1), bias=False)
    """
    if len(student) != 4 or student[2:] != teacher[2:]:
        raise ValueError(
            f"The connector wants maps (samples, channels, H, W) of one size; got {tuple(student)} and "
            f"{tuple(teacher)}: take layers of the same stage, before its ReLU."
        )
    pointwise = nn.Conv2d(student[1], teacher[1], 1, bias=False)
    nn.init.normal_(pointwise.weight, std=sqrt(2 / teacher[1]))
    return nn.Sequential(pointwise, nn.BatchNorm2d(teacher[1]))


def _mean_below_zero(mean: float, spread: float) -> float:
    share = (1 + erf(-mean / spread / sqrt(2))) / 2
    if share <= 0.001:
        return -3 * spread
    return mean - spread * exp(-(mean / spread) * (mean / spread) / 2) / sqrt(2 * pi) / share
