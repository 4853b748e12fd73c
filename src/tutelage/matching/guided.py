"""Layers chosen by what they teach: those that draw a layer of the student where the labels want it, too."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tutelage.matching.attentive import Attended, Attentive, Reading, of_mixture, record_weights
from tutelage.matching.fitted import orthogonal, unchanged
from tutelage.matching.projected import Make, pointwise
from tutelage.matching.ranges import Ranges, every_layer
from tutelage.objective import Loss
from tutelage.shapes import Scalar, at_least_float32
from tutelage.statistics import RunningMeans

Guide: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""The student's answers and what they should be -> a scalar, such as the labels' loss."""


class Remembered(nn.Module):
    """How well each of ``k`` layers agreed with the guide, a mean in which a step counts ``memory`` of the next one.

    As a similarity it is the same for every sample: nothing is compared, so that nothing is won by being alike.
    """

    total: Tensor
    count: Tensor

    def __init__(self, layers: int, memory: float) -> None:
        super().__init__()
        self.memory = memory
        self.register_buffer("total", torch.zeros(layers))
        self.register_buffer("count", torch.zeros(1))

    @torch.no_grad()
    def add(self, agreements: Tensor) -> None:
        self.total.mul_(self.memory).add_(agreements.to(self.total.dtype))
        self.count.mul_(self.memory).add_(1)

    def forward(self, student: Tensor, _teachers: Tensor) -> Tensor:
        mean: Tensor = self.total / self.count.clamp_min(torch.finfo(self.count.dtype).tiny)
        return mean.to(student.dtype).expand(len(student), -1)


def positive_shares(similarities: Tensor) -> Tensor:
    """Each layer's share of all that is above 0, (1, k); the same of all where nothing is.

    >>> positive_shares(torch.tensor([[0.3, -0.5, 0.1]]))
    tensor([[0.7500, 0.0000, 0.2500]])
    """
    good = similarities[:1].clamp_min(0)
    total = good.sum(1, keepdim=True)
    return torch.where(total > 0, good / total, torch.full_like(good, 1 / good.shape[1]))


class Guided(nn.Module):
    r"""The mean over the student's layers of ``loss(S, Σ_i w_i T_i)``, where ``w_i`` is how well ``T_i`` teaches.

    With ``g = ∂ guide(output, target) / ∂S`` and ``h_i = ∂ loss(S, T_i) / ∂S``, ``cos(g, h_i)`` over the whole batch
    says whether a step of the layer towards ``T_i`` is one that the guide wants, to first order. ``a_i`` is its mean
    over steps, in which a step counts ``memory`` of the next one; ``w_i`` is the share of ``a_i`` in all that are above
    0. Unlike attention, of which the weights follow the layers that are easiest to repeat, a layer that is near gains
    nothing by that, and no gradient passes through the weights.

    ``forward`` takes the student's layers and the teacher's as ``Attentive`` does, then the student's output and the
    target: ``Term(Guided(…), *addresses(ranges), "student.output", "batch.target", across=True)``. Without these, or
    without gradients, weights stay as they are; at first all are alike. It costs a backward pass of the guide from the
    output to the shallowest layer, and one of each ``h_i`` through ``fit``. ``fit`` and ``project`` as of
    ``Attentive``; ``Epoch.statistics`` has the weights. Raises ``ValueError`` for a memory outside 0 … 1, and as
    ``Attentive`` does.
    """

    def __init__(
        self,
        loss: Loss,
        ranges: Ranges,
        *,
        guide: Guide = cross_entropy,
        memory: float = 0.98,
        reading: Reading = of_mixture,
        fit: Make = pointwise,
        project: Make = orthogonal,
    ) -> None:
        super().__init__()
        if not 0 <= memory < 1:
            raise ValueError(f"Of its memory a step keeps 0 or more, and less than 1; got memory={memory}.")
        remembered = [Remembered(len(names), memory) for names in ranges.values()]
        self.attentive = Attentive(loss, ranges, similarity=remembered, weigh=positive_shares, fit=fit, project=project)
        self.guide, self.reading = guide, reading
        self.means = RunningMeans()

    @classmethod
    def example(cls, loss: Loss, pairs: int) -> "Guided":
        names = [str(place) for place in range(pairs)]
        return cls(loss, every_layer(names, names), fit=unchanged)

    def forward(
        self,
        student: Sequence[Tensor],
        teacher: Sequence[Tensor],
        output: Tensor | None = None,
        target: Tensor | None = None,
    ) -> Scalar:
        layers = self.attentive.attend(student, teacher)
        losses = self.attentive.losses
        if self.training and output is not None and target is not None and output.requires_grad:
            wanted = _gradients(self.guide(at_least_float32(output), target), student)
            rows = zip(self.attentive.similar, losses, layers.values(), student, wanted, strict=True)
            for remembered, loss, layer, x, g in rows:
                assert isinstance(remembered, Remembered)
                remembered.add(agreements(loss, layer, x, g))
        if self.training:
            for name, attended in layers.items():
                record_weights(self.means, name, self.attentive.ranges[name], attended.weights)
        return torch.stack([self.reading(loss, x) for loss, x in zip(losses, layers.values(), strict=True)]).mean()


def agreements(loss: Loss, layer: Attended, x: Tensor, wanted: Tensor) -> Tensor:
    """Cosines of ``wanted`` with the gradient at ``x`` of the loss on each layer of the teacher, (k,); 0 for a zero."""
    found = []
    for teacher in layer.teachers.unbind(1):
        (towards,) = _gradients(loss(layer.student, teacher), [x])
        lengths = (wanted.norm() * towards.norm()).clamp_min(torch.finfo(wanted.dtype).tiny)
        found.append((wanted * towards).sum() / lengths)
    return torch.stack(found)


def _gradients(value: Tensor, places: Sequence[Tensor]) -> list[Tensor]:
    """Of ``value`` at each of ``places``; zeros where it does not depend on them. The graph is kept."""
    there = [x for x in places if x.requires_grad]
    found = torch.autograd.grad(value, there, retain_graph=True, allow_unused=True) if there else ()
    known = {id(x): g for x, g in zip(there, found, strict=True) if g is not None}
    return [at_least_float32(known[id(x)] if id(x) in known else torch.zeros_like(x)) for x in places]
