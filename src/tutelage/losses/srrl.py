"""Softmax regression representation learning: let the teacher's classifier judge the student's features."""

from collections.abc import Callable
from math import sqrt
from typing import TypeAlias

from torch import Size, Tensor, nn
from torch.nn import functional as F

from tutelage.limits import refuse_no_weights
from tutelage.losses.hint import mean_squares
from tutelage.losses.kd import class_dim, weighted
from tutelage.shapes import FeatureMap, Logits, Scalar, at_least_float32

YANG = r"""@inproceedings{yang2021knowledge,
  title     = {Knowledge Distillation via Softmax Regression Representation Learning},
  author    = {Yang, Jing and Martinez, Brais and Bulat, Adrian and Tzimiropoulos, Georgios},
  booktitle = {International Conference on Learning Representations},
  year      = {2021},
  note      = {openreview.net/forum?id=ZzwDy_wiWv}
}"""
CITATIONS = {"SoftmaxRegression": YANG, "soft_cross_entropy": YANG}

Judge: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(student, teacher) -> how far apart they are."""


def soft_cross_entropy(student: Logits, teacher: Logits, dim: int | None = None) -> Scalar:
    r"""Cross entropy with the teacher's probabilities, ``−mean_n Σ_c p_nc log q_nc``: eq. 2 of the paper.

    At the teacher it is the entropy of its answers, not 0. ``dim`` is that of the classes, as in ``soft_targets``.
    Raises ``ValueError`` if the shapes differ, for one class, and for maps without ``dim``.

    Yang et al., "Knowledge Distillation via Softmax Regression Representation Learning", ICLR 2021, eq. 2
    (no arXiv number; openreview.net/forum?id=ZzwDy_wiWv).

    >>> import torch
    >>> soft_cross_entropy(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0]]))
    tensor(1.1269)
    """
    dim = class_dim(student, teacher, dim)
    log_q = F.log_softmax(at_least_float32(student), dim=dim)
    return -weighted(F.softmax(at_least_float32(teacher), dim=dim), log_q).sum(dim).mean()


class Classifier(nn.Module):
    """A frozen copy of a network's last linear layer, which reads maps by their means over all places.

    Gradients pass through it, nothing of it trains, and no file holds it. ``forward`` gives logits. Raises
    ``ValueError`` where the channels are not those that the layer reads.

    >>> import torch
    >>> classifier = Classifier(nn.Linear(4, 3))
    >>> tuple(classifier(torch.randn(2, 4, 5, 5)).shape), len(list(classifier.parameters()))
    ((2, 3), 0)
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        bias: Tensor | None = head.bias
        self.register_buffer("weight", head.weight.detach().clone(), persistent=False)
        self.register_buffer("bias", None if bias is None else bias.detach().clone(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        features = self.pooled(x)
        bias = None if self.bias is None else self.bias.to(features.dtype)
        return F.linear(features, self.weight.to(features.dtype), bias)

    def pooled(self, x: Tensor) -> Tensor:
        """The means over all places, at least in float32."""
        if x.ndim not in (2, 4) or x.shape[1] != self.weight.shape[1]:
            raise ValueError(
                f"The teacher's classifier reads {self.weight.shape[1]} channels of (samples, channels) or (samples, "
                f"channels, H, W); got {tuple(x.shape)}."
            )
        return at_least_float32(x).flatten(2).mean(2) if x.ndim == 4 else at_least_float32(x)


class SoftmaxRegression(nn.Module):
    r"""Features that the teacher's classifier reads alike: ``α · match(h_s, h_t) + β · judge(W h_s, W h_t)``.

    ``h`` is a layer's mean over all places, ``W`` the teacher's last linear layer with its bias: a frozen copy, through
    which gradients pass and which no file of the student holds. ``match`` and ``judge`` are ``mean_squares``, as in the
    authors' code; ``judge=soft_cross_entropy`` is ``−p log q``, the paper's eq. 2. Published ``α = 1`` and ``β = 1``
    (ImageNet); on CIFAR-100 ``β = 5`` is in use (github.com/yzd-v/cls_KD). The student's map goes through a learned
    connector first: ``tutelage.matching.projected.projected(SoftmaxRegression(teacher.fc), connector)``.
    ``forward`` takes the last maps, or their means (``teacher.fc:input``); it raises ``ValueError`` where the channels
    are not those that the classifier reads. So does a weight that is negative or no number.

    Yang et al., "Knowledge Distillation via Softmax Regression Representation Learning", ICLR 2021
    (no arXiv number; openreview.net/forum?id=ZzwDy_wiWv); github.com/jingyang2017/KD_SRRL.

    >>> import torch
    >>> loss, x = SoftmaxRegression(nn.Linear(4, 3)), torch.randn(2, 4, 5, 5)
    >>> loss(x, x), len(list(loss.parameters()))
    (tensor(0.), 0)
    """

    def __init__(
        self,
        head: nn.Linear,
        judge: Judge = mean_squares,
        *,
        match: Judge = mean_squares,
        feature_weight: float = 1.0,
        regression_weight: float = 1.0,
    ) -> None:
        super().__init__()
        refuse_no_weights(feature_weight=feature_weight, regression_weight=regression_weight)
        self.judge, self.match = judge, match
        self.feature_weight, self.regression_weight = feature_weight, regression_weight
        self.classifier = Classifier(head)

    @classmethod
    def example(cls, sizes: dict[str, int]) -> "SoftmaxRegression":
        return cls(nn.Linear(sizes["D"], sizes["C"]))

    def forward(self, student: FeatureMap, teacher: FeatureMap) -> Scalar:
        features = [self.classifier.pooled(x) for x in (student, teacher)]
        logits = [self.classifier(x) for x in features]
        return self.feature_weight * self.match(*features) + self.regression_weight * self.judge(*logits)


def connector(student: Size, teacher: Size) -> nn.Module:
    """The published connector for these shapes: a 1×1 convolution without bias, batch norm and a ReLU.

    Raises ``ValueError`` unless the student's shape is that of a map, ``(samples, channels, H, W)``.

    >>> connector(Size([1, 4, 5, 5]), Size([1, 8]))[0]
    Conv2d(4, 8, kernel_size=(1, 1), stride=(1, 1), bias=False)
    """
    if len(student) != 4:
        raise ValueError(f"The connector reads the student's last map (samples, channels, H, W); got {tuple(student)}.")
    pointwise = nn.Conv2d(student[1], teacher[1], 1, bias=False)
    nn.init.normal_(pointwise.weight, std=sqrt(2 / teacher[1]))
    return nn.Sequential(pointwise, nn.BatchNorm2d(teacher[1]), nn.ReLU())
