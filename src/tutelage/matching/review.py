"""Knowledge review: every teacher layer teaches the student's layer of its size and all that are deeper."""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tutelage.losses.review import hierarchical_context
from tutelage.objective import Loss
from tutelage.shapes import Scalar


class Fusion(nn.Module):
    """Attention based fusion of a layer with what the deeper ones carry on (ABF): ``(features, carried on)``."""

    def __init__(self, inputs: int, between: int, outputs: int, fuse: bool) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(inputs, between, 1, bias=False), nn.BatchNorm2d(between))
        self.widen = nn.Sequential(nn.Conv2d(between, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs))
        self.attention = nn.Sequential(nn.Conv2d(2 * between, 2, 1), nn.Sigmoid()) if fuse else None
        for part in (self.narrow[0], self.widen[0]):
            nn.init.kaiming_uniform_(cast(Tensor, part.weight), a=1)

    def forward(self, x: Tensor, deeper: Tensor | None, size: torch.Size) -> tuple[Tensor, Tensor]:
        x = self.narrow(x)
        if self.attention is not None and deeper is not None:
            share = self._shares(x, deeper)
            x = x * share[:, :1] + _as_large(deeper, x) * share[:, 1:]
        if x.shape[2:] != size:
            x = F.interpolate(x, size, mode="nearest")
        return self.widen(x), x

    def _shares(self, x: Tensor, deeper: Tensor) -> Tensor:
        """What ``attention`` says of the two side by side, (N, 2, H, W): a product with each, before that is enlarged.

        A convolution to two channels is slow, and ``deeper`` has a fourth of the places.
        """
        assert self.attention is not None
        convolution, sigmoid = self.attention
        own, theirs = cast(Tensor, convolution.weight).flatten(1).chunk(2, dim=1)
        of_deeper = _at_each_place(theirs, deeper) + cast(Tensor, convolution.bias)[:, None, None]
        shares: Tensor = sigmoid(_at_each_place(own, x) + _as_large(of_deeper, x))
        return shares


class Review(nn.Module):
    r"""``Σ_i loss(f_i, t_i)``, where ``f_i`` fuses layer ``i`` of the student with all that are deeper, by attention.

    Layers are listed from shallow to deep, with their channels; the vector before the classifier may be the last. From
    deep to shallow: a 1×1 convolution to ``min(512, channels of the last)``, attention between this and what was
    carried on from below, a 3×3 convolution to the teacher's channels, with batch norms. Published weights are 5, 8,
    0.6 or 1, by the pair of networks, growing over the first 20 epochs, with the student read before its ReLUs.
    ``forward`` raises ``ValueError`` for layers that are not those, for maps that grow, and while training for a batch
    of one, which has no batch norm.

    Chen et al., "Distilling Knowledge via Knowledge Review", CVPR 2021, arXiv:2104.09044;
    github.com/dvlab-research/ReviewKD.

    >>> review = Review([16, 32], [8, 64])
    >>> student = [torch.randn(2, 16, 8, 8), torch.randn(2, 32, 4, 4)]
    >>> review(student, [torch.randn(2, 8, 8, 8), torch.randn(2, 64, 4, 4)]).shape
    torch.Size([])
    """

    ORDERED: ClassVar[bool] = True

    def __init__(
        self, student_channels: Sequence[int], teacher_channels: Sequence[int], loss: Loss = hierarchical_context
    ) -> None:
        super().__init__()
        if len(student_channels) != len(teacher_channels) or not student_channels:
            raise ValueError(
                f"A review pairs one layer or more of the student with as many of the teacher; got channels "
                f"{list(student_channels)} and {list(teacher_channels)}."
            )
        self.loss = loss
        self.channels = list(zip(student_channels, teacher_channels, strict=True))
        between = min(512, student_channels[-1])
        last = len(self.channels) - 1
        self.fusions = nn.ModuleList(Fusion(s, between, t, i < last) for i, (s, t) in enumerate(self.channels))

    @classmethod
    def example(cls, loss: Loss, pairs: int) -> "Review":
        review = cls([8] * pairs, [8] * pairs, loss)
        for fusion in review.fusions:
            fusion.narrow, fusion.widen = nn.Sequential(), nn.Sequential()
        return review

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Scalar:
        students, teachers = [_map(x) for x in student], [_map(x) for x in teacher]
        self._refuse_others(students, teachers)
        deeper: Tensor | None = None
        losses = []
        for fusion, s, t in zip(reversed(self.fusions), reversed(students), reversed(teachers), strict=True):
            features, deeper = fusion(s, deeper, t.shape[2:])
            losses.append(self.loss(features, t))
        return torch.stack(losses).sum()

    def _refuse_others(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> None:
        channels = [(s.shape[1], t.shape[1]) for s, t in zip(student, teacher, strict=False)]
        if len(student) != len(teacher) or channels != self.channels:
            raise ValueError(
                f"A review of layers with channels (student, teacher) {self.channels} got {len(student)} layers of the "
                f"student and {len(teacher)} of the teacher, with {channels}."
            )
        sizes = [tuple(s.shape[2:]) for s in student]
        if any(deep > shallow for shallow, deep in pairwise(sizes)):
            raise ValueError(f"Layers are listed from shallow to deep, so that maps do not grow; got sizes {sizes}.")
        if self.training and len(student[0]) < 2:
            raise ValueError(
                "A review normalises over the batch, so it trains on two samples or more at once; got one."
            )


def _at_each_place(weight: Tensor, x: Tensor) -> Tensor:
    """A 1×1 convolution of x (N, C, H, W) by ``weight`` (K, C)."""
    return torch.bmm(weight.expand(len(x), -1, -1), x.flatten(2)).view(len(x), -1, *x.shape[2:])


def _as_large(x: Tensor, other: Tensor) -> Tensor:
    return x if x.shape[2:] == other.shape[2:] else F.interpolate(x, other.shape[2:], mode="nearest")


def _map(x: Tensor) -> Tensor:
    """A vector is a map of one place."""
    if x.ndim not in (2, 4):
        raise ValueError(
            f"A review wants maps (samples, channels, H, W) or vectors (samples, channels); got {tuple(x.shape)}."
        )
    return x[:, :, None, None] if x.ndim == 2 else x
