"""Attention over layers: every layer of the student learns from a range of the teacher's, by weights of its own."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import NamedTuple, TypeAlias, TypeVar

import torch
from torch import Size, Tensor, nn

from tutelage.matching.fitted import Fitted, common, orthogonal, sized, unchanged
from tutelage.matching.projected import Make, pointwise
from tutelage.matching.ranges import Ranges, addresses, every_layer, refuse_odd
from tutelage.matching.similarities import Description, Similarity, Weigh, per_sample, pooled, scaled_dot
from tutelage.objective import Loss
from tutelage.shapes import Scalar, at_least_float32
from tutelage.statistics import RunningMeans

T = TypeVar("T")


class Attended(NamedTuple):
    """A layer of the student and the layers it looks at, all of one shape, with the weights of these."""

    student: Tensor  # (N, C, …)
    teachers: Tensor  # (N, k, C, …)
    weights: Tensor  # (N, k), or (1, k)


Reading: TypeAlias = Callable[[Loss, Attended], Tensor]
"""What weights on layers mean: a scalar from a loss on one pair."""


def of_mixture(loss: Loss, attended: Attended) -> Tensor:
    """The loss of the weighted mean of layers, ``loss(S, Σ_i w_i T_i)``: the weights are on the features."""
    student, teachers, weights = attended
    with torch.autocast(student.device.type, enabled=False):
        mixture = torch.bmm(weights.expand(teachers.shape[:2]).unsqueeze(1), teachers.flatten(2))
    return loss(student, mixture.view(teachers[:, 0].shape))


def of_each(loss: Loss, attended: Attended) -> Tensor:
    r"""The weighted mean of losses, ``mean_n Σ_i w_ni · loss(s_n, t_ni)``: weights are on the losses, as in SemCKD.

    For squared distances it is ``of_mixture`` plus the spread of the layers around their mean, ``Σ_i w_i ‖t_i − t̄‖²``,
    so it also draws the weights to layers that are alike. Weights that differ by sample want the loss of each sample
    alone: the loss must be the mean of those, and have no batch norm and nothing that is initialised lazily.
    """
    student, teachers, weights = attended
    layers = teachers.unbind(1)
    if len(weights) == 1:
        values = torch.stack([loss(student, teacher) for teacher in layers])
        return (weights[0] * values).sum()
    values = torch.stack([each_sample(loss, student, teacher) for teacher in layers], 1)
    return (weights * values).sum(1).mean()


def each_sample(loss: Loss, student: Tensor, teacher: Tensor) -> Tensor:
    """The loss of every sample alone, (N,).

    >>> from tutelage.losses.hint import mean_squares
    >>> each_sample(mean_squares, torch.tensor([[1.0, 1.0], [2.0, 0.0]]), torch.zeros(2, 2))
    tensor([1., 2.])
    """

    def alone(s: Tensor, t: Tensor) -> Tensor:
        return loss(s.unsqueeze(0), t.unsqueeze(0))

    values: Tensor = torch.vmap(alone, randomness="different")(student, teacher)
    return values


class Attentive(nn.Module):
    r"""The mean over the student's layers of ``loss(S, Σ_i w_i T_i)``, ``w = softmax(a(T_1, S), …, a(T_k, S))``.

    ``ranges`` says which layers of the teacher each of the student's looks at (``tutelage.matching.ranges``); their
    ``addresses`` are in the order in which ``forward`` gets them. ``a`` is ``similarity``, on what ``describe`` sees of
    the layers; each layer of the student has a copy. ``weigh`` gives weights by sample, or one set for the whole batch
    (the term then says ``across=True``, as it does for ``relations``). ``reading``: weights on features, or on losses.

    Layers in a range are pooled to the smallest map and brought to the width of the teacher's widest: the student by
    ``fit``, which learns, the teacher by ``project``, which must not be able to lose anything: where both sides learn
    freely, saying the same about every sample is the best answer. ``orthogonal`` is frozen; ``unit_orthogonal`` also
    makes layers equally large, or those of small activations may win for that; ``learned_orthogonal`` learns to turn.
    No gradient reaches the teacher.

    While it trains, ``Epoch.statistics`` has the mean weight of every pair in an epoch, under
    ``objective.<term>.loss.means/weight <student's layer> | <teacher's layer>``: over the range of a layer they sum to
    one; a pair that is in no range has none. Initialised when it first sees the layers, as ``train`` does before
    it builds the optimizer. Losses, and similarities, may be a list, one for each layer of the student. Raises
    ``ValueError`` for ranges that are empty or name a layer twice, and for lists and layers that do not fit.

    >>> from tutelage.losses.hint import mean_squares
    >>> from tutelage.matching.ranges import window
    >>> ranges = window(["student.layer2"], ["teacher.layer2", "teacher.layer3"])
    >>> matched = Attentive(mean_squares, ranges, similarity=scaled_dot)
    >>> with torch.no_grad():
    ...     first = matched([torch.randn(2, 8, 4, 4)], [torch.randn(2, 16, 8, 8), torch.randn(2, 32, 4, 4)])
    >>> [tuple(p.shape) for p in matched.parameters()]
    [(32, 8, 1, 1), (32,)]
    """

    def __init__(
        self,
        loss: Loss | Sequence[Loss],
        ranges: Ranges,
        *,
        similarity: Similarity | Sequence[Similarity] = scaled_dot,
        describe: Description = pooled,
        weigh: Weigh = per_sample,
        reading: Reading = of_mixture,
        fit: Make = pointwise,
        project: Make = orthogonal,
    ) -> None:
        super().__init__()
        self.ranges = refuse_odd(ranges)
        self.losses = _one_each("Losses", loss, len(self.ranges))
        self.owned = nn.ModuleList(loss for loss in dict.fromkeys(self.losses) if isinstance(loss, nn.Module))
        self.describe, self.weigh, self.reading = describe, weigh, reading
        self.similarities = [deepcopy(one) for one in _one_each("Similarities", similarity, len(self.ranges))]
        self.similar = nn.ModuleList(one for one in self.similarities if isinstance(one, nn.Module))
        self.fits = nn.ModuleList(Fitted(fit) for _ in self.ranges)
        self.projects = nn.ModuleList(Fitted(project) for names in self.ranges.values() for _ in names)  # pair by pair
        self.means = RunningMeans()

    @classmethod
    def example(cls, loss: Loss, pairs: int) -> "Attentive":
        names = [str(place) for place in range(pairs)]
        return cls(loss, every_layer(names, names), fit=unchanged)

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Scalar:
        layers = self.attend(student, teacher)
        if self.training:  # a rehearsal is no part of the epoch
            for name, attended in layers.items():
                record_weights(self.means, name, self.ranges[name], attended.weights)
        values = [self.reading(loss, x) for loss, x in zip(self.losses, layers.values(), strict=True)]
        return torch.stack(values).mean()

    def attend(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> dict[str, Attended]:
        """Every layer of the student, by name, with what it looks at and the weights: to be looked at, or drawn."""
        students, teachers = named_layers(self.ranges, student, teacher)
        projects = iter(self.projects)
        pools: dict[tuple[str, Size], Tensor] = {}  # ranges overlap: a layer is averaged once to each size
        attended = {}
        for name, fit, similarity in zip(self.ranges, self.fits, self.similarities, strict=True):
            wanted = common(students[name].shape, [teachers[other].shape for other in self.ranges[name]])
            for key in ((other, wanted[2:]) for other in self.ranges[name]):
                if key not in pools:
                    pools[key] = sized(teachers[key[0]], wanted)
            mapped = at_least_float32(fit(sized(students[name], wanted), wanted))
            projections = [next(projects)(pools[other, wanted[2:]], wanted) for other in self.ranges[name]]
            layers = at_least_float32(torch.stack(projections, 1))
            query, keys = self.describe(mapped), torch.stack([self.describe(x) for x in layers.unbind(1)], 1)
            if query.shape[1] != keys.shape[2]:
                raise ValueError(
                    f"{name} shows {query.shape[1]} numbers where the teacher shows {keys.shape[2]}: it needs a map, "
                    "such as fit=pointwise, or a description like relations, in which they have as many."
                )
            attended[name] = Attended(mapped, layers, self.weigh(similarity(query, keys)))
        return attended


def _one_each(what: str, given: T | Sequence[T], layers: int) -> list[T]:
    each = list(given) if isinstance(given, Sequence) else [given] * layers
    if len(each) != layers:
        raise ValueError(f"{what} are one a layer of the student; got {len(each)} for {layers} layers.")
    return each


def named_layers(
    ranges: Ranges, student: Sequence[Tensor], teacher: Sequence[Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Layers by name, the teacher's without their gradient. Raises ``ValueError`` for lists of other lengths."""
    students, teachers = addresses(ranges)
    if (len(student), len(teacher)) != (len(students), len(teachers)):
        raise ValueError(
            f"Attention is from {students} over {teachers}, in this order; got {len(student)} layers of the student "
            f"and {len(teacher)} of the teacher."
        )
    return (
        {name: at_least_float32(x) for name, x in zip(students, student, strict=True)},
        {name: at_least_float32(x.detach()) for name, x in zip(teachers, teacher, strict=True)},
    )


def record_weights(means: RunningMeans, student: str, teachers: Sequence[str], weights: Tensor) -> None:
    """Remember the batch's mean weights for the epoch's statistics: ``weight <student layer> | <teacher layer>``."""
    for teacher, weight in zip(teachers, weights.detach().mean(0), strict=True):
        means.add(f"weight {student} | {teacher}", weight)
