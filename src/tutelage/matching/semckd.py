"""SemCKD: every layer of the student learns from all of the teacher's, most from those that relate samples alike."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Size, Tensor, nn
from torch.nn import functional as F

from tutelage.losses.hint import mean_squares
from tutelage.losses.similarity_preserving import directions, gram_matrix
from tutelage.matching.attentive import each_sample, named_layers, record_weights
from tutelage.matching.fitted import Fitted, common, sized, unchanged, width
from tutelage.matching.projected import Make
from tutelage.matching.ranges import Ranges, addresses, every_layer, refuse_odd
from tutelage.matching.similarities import Relations
from tutelage.objective import Loss
from tutelage.shapes import Scalar
from tutelage.statistics import RunningMeans

CITATIONS = {
    "SemCKD": r"""@inproceedings{chen2021cross,
  title     = {Cross-Layer Distillation with Semantic Calibration},
  author    = {Chen, Defang and Mei, Jian-Ping and Zhang, Yuan and Wang, Can and Wang, Zhe and Feng, Yan
               and Chen, Chun},
  booktitle = {AAAI Conference on Artificial Intelligence},
  year      = {2021},
  url       = {https://arxiv.org/abs/2012.03236}
}"""
}
NARROWS = 4  # an embedding has a quarter as many numbers as there are samples

Rows: TypeAlias = Callable[[Tensor, int], Tensor]
"""Features (N, D) and the number of samples a row is for -> a row a sample, (N, samples)."""


def in_batch_order(features: Tensor, samples: int) -> Relations:
    """Each sample's inner products with those of its piece of the batch, in their order: pieces of ``samples``.

    The rest of a row is 0 where the last piece, or the only one, is shorter. Up to ``samples`` it is the published row.

    >>> in_batch_order(torch.tensor([[1.0], [2.0], [3.0]]), 2)
    tensor([[1., 2.],
            [2., 4.],
            [9., 0.]])
    """
    tables = [gram_matrix(piece) for piece in features.split(samples)]
    return torch.cat([F.pad(table, (0, samples - len(table))) for table in tables])


def from_the_largest(features: Tensor, samples: int) -> Relations:
    """The same rows, each sorted: in a batch of up to ``samples``, blind to the order of the samples.

    >>> from_the_largest(torch.tensor([[1.0], [-2.0], [3.0]]), 4)
    tensor([[ 3.,  1., -2.,  0.],
            [ 4., -2., -6.,  0.],
            [ 9.,  3., -6.,  0.]])
    """
    tables = [gram_matrix(piece).sort(dim=1, descending=True).values for piece in features.split(samples)]
    return torch.cat([F.pad(table, (0, samples - len(table))) for table in tables])


def three_convolutions(student: Size, teacher: Size) -> nn.Module:
    """SemCKD's map of a student's layer: 1×1 to twice the teacher's channels, 3×3, 1×1 to its channels.

    The first two are followed by a batch norm and a ReLU.

    >>> three_convolutions(Size([1, 3, 8, 8]), Size([1, 5, 8, 8]))(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 5, 8, 8])
    """
    inputs, outputs = width(student), width(teacher)
    between = 2 * outputs
    return nn.Sequential(
        *(nn.Conv2d(inputs, between, 1, bias=False), nn.BatchNorm2d(between), nn.ReLU()),
        *(nn.Conv2d(between, between, 3, padding=1, bias=False), nn.BatchNorm2d(between), nn.ReLU()),
        nn.Conv2d(between, outputs, 1, bias=False),
    )


class SemCKD(nn.Module):
    r"""``mean_mn Σ_i w_nmi · loss(p_mi(s_nm), t_ni)``: weights on losses, by sample ``n``, from layer ``m`` to ``i``.

    ``w_nm = softmax_i(q_nm · k_ni)``, where queries and keys are the rows of sample ``n`` in the batch's table of inner
    products, through a perceptron a layer, at length 1: no layer can weigh more than e² = 7.4 times another. ``p_mi``
    is ``fit``, three convolutions a pair. Of two maps the larger is pooled to the smaller.

    The authors' code works at one batch size. This one is the same at up to ``samples`` samples, which is to be the
    training's batch size; a smaller batch, such as the last one, has shorter rows, filled up with zeros, and a larger
    one is cut into pieces. As published, the order of a batch matters: a row is read place by place;
    ``rows=from_the_largest`` is blind to it. Weights relate the samples of a batch: the term says ``across=True``.

    Published: weight 400 on CIFAR-100, 50 on ImageNet, beside labels of weight 1 and soft targets (temperature 4) of
    weight 1; layers are all stages, before the pooling. Weights are recorded and ranges are given as in
    ``tutelage.matching.attentive.Attentive``; as published, that is ``every_layer``. No gradient reaches the teacher.
    Raises ``ValueError`` for fewer than 4 samples, for ranges and layers that do not fit, and in training for a batch
    of one with maps of one place, which has no batch norm.

    Chen et al., "Cross-Layer Distillation with Semantic Calibration", AAAI 2021, arXiv:2012.03236;
    github.com/DefangChen/SemCKD.

    >>> matched = SemCKD(every_layer(["student.layer1", "student.layer2"], ["teacher.layer1"]), samples=8)
    >>> student = [torch.randn(3, 4, 8, 8), torch.randn(3, 8, 4, 4)]
    >>> with torch.no_grad():
    ...     matched(student, [torch.randn(3, 6, 8, 8)]).shape
    torch.Size([])
    """

    def __init__(
        self,
        ranges: Ranges,
        loss: Loss = mean_squares,
        *,
        samples: int = 64,
        rows: Rows = in_batch_order,
        fit: Make = three_convolutions,
    ) -> None:
        super().__init__()
        if not samples >= NARROWS:
            raise ValueError(f"A row is for the samples of a batch, {NARROWS} or more; got samples={samples}.")
        self.ranges = refuse_odd(ranges)
        self.loss, self.samples, self.rows = loss, samples, rows
        students, self._teachers = addresses(self.ranges)
        self.queries = nn.ModuleList(_embedding(samples) for _ in students)
        self.keys = nn.ModuleList(_embedding(samples) for _ in self._teachers)
        self.fits = nn.ModuleList(Fitted(fit) for names in self.ranges.values() for _ in names)  # pair by pair
        self.means = RunningMeans()

    @classmethod
    def example(cls, loss: Loss, pairs: int) -> "SemCKD":
        names = [str(place) for place in range(pairs)]
        matched = cls(every_layer(names, names), loss, rows=_of_one_sample, fit=unchanged)
        matched.queries, matched.keys = (nn.ModuleList(nn.Identity() for _ in names) for _ in range(2))
        return matched

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Scalar:
        students, teachers = named_layers(self.ranges, [_map(x) for x in student], [_map(x) for x in teacher])
        fits = iter(self.fits)
        values = []
        for name, weights in self._weights(students, teachers).items():
            if self.training:  # a rehearsal is no part of the epoch
                record_weights(self.means, name, self.ranges[name], weights)
            losses = [self._losses(next(fits), students[name], teachers[other]) for other in self.ranges[name]]
            values.append((weights * torch.stack(losses, 1)).sum(1).mean())
        return torch.stack(values).mean()

    def weights(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> dict[str, Tensor]:
        """Layer of the student -> the weights of the layers it looks at, (N, k)."""
        return self._weights(*named_layers(self.ranges, [_map(x) for x in student], [_map(x) for x in teacher]))

    def _weights(self, students: dict[str, Tensor], teachers: dict[str, Tensor]) -> dict[str, Tensor]:
        queries = [self._embedded(*one) for one in zip(students.values(), self.queries, strict=True)]
        keys = dict(zip(teachers, map(self._embedded, teachers.values(), self.keys), strict=True))
        return {
            name: torch.stack([(query * keys[other]).sum(1) for other in self.ranges[name]], 1).softmax(1)
            for name, query in zip(students, queries, strict=True)
        }

    def _embedded(self, features: Tensor, embedding: nn.Module) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return directions(embedding(self.rows(features.flatten(1), self.samples)))

    def _losses(self, fit: nn.Module, student: Tensor, teacher: Tensor) -> Tensor:
        wanted = common(student.shape, [teacher.shape])
        if self.training and wanted.numel() == width(wanted):
            raise ValueError(
                "SemCKD normalises over samples and places, so it trains on two samples or more at once, or on maps of "
                f"more than one place; got {tuple(student.shape)} of the student and {tuple(teacher.shape)} of the "
                "teacher."
            )
        return each_sample(self.loss, fit(sized(student, wanted), wanted), sized(teacher, wanted))


def _of_one_sample(features: Tensor, _samples: int) -> Tensor:
    """A row that knows nothing of the other samples, for the example."""
    return features.mean(1, keepdim=True)


def _embedding(samples: int) -> nn.Module:
    numbers = samples // NARROWS
    return nn.Sequential(nn.Linear(samples, 2 * numbers), nn.ReLU(), nn.Linear(2 * numbers, numbers))


def _map(x: Tensor) -> Tensor:
    """A vector is a map of one place."""
    if x.ndim not in (2, 4):
        raise ValueError(
            f"SemCKD wants maps (samples, channels, H, W) or vectors (samples, features); got {tuple(x.shape)}."
        )
    return x[:, :, None, None] if x.ndim == 2 else x
