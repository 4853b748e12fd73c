"""Weights of the losses that are learned with the student."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from tutelage.combine.base import Combine, Parameters
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.objective import Losses, Scene
from tutelage.ranks import average_over_ranks
from tutelage.shapes import at_least_float32
from tutelage.statistics import RunningMeans

CITATIONS = {
    "homoscedastic": r"""@inproceedings{kendall2018multi,
  title     = {Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics},
  author    = {Kendall, Alex and Gal, Yarin and Cipolla, Roberto},
  booktitle = {Proceedings of the IEEE Conference on Computer Vision and Pattern Recognition},
  year      = {2018},
  url       = {https://arxiv.org/abs/1705.07115}
}""",
}

Price: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Levels (K,), losses (K,) -> the scalar that both the student and the levels descend on."""


def homoscedastic(levels: Tensor, losses: Tensor) -> Tensor:
    r"""``Σ_k exp(−s_k) L_k + s_k / 2``, where ``s_k = log σ_k²`` is the uncertainty of task k.

    Starts at the plain sum and has its minimum over s at ``exp(−s_k) = 1 / (2 L_k)``: each loss is then weighed by its
    own inverse, whatever weight its term has, and a loss that nears 0 gets a weight without bound. A loss must not be
    negative. The paper's form for classification; for regression it has ``½ exp(−s_k) L_k``, which is also torchjd's
    ``UW``: the same at the minimum, another start.

    Kendall, Gal & Cipolla, "Multi-task learning using uncertainty to weigh losses for scene geometry and semantics",
    2018, arXiv:1705.07115, §3.2.

    >>> homoscedastic(torch.zeros(2), torch.tensor([0.5, 2.0]))
    tensor(2.5000)
    """
    return ((-levels).exp() * losses + levels / 2).sum()


def softmax(levels: Tensor, losses: Tensor, evenness: float = 1.0) -> Tensor:
    r"""``K Σ_k w_k (L_k + evenness · log(K w_k))``, where ``w = softmax(levels)``.

    Starts at the plain sum; its minimum over w is ``w ∝ exp(−L / evenness)``. The second part, the distance of the
    weights from equal ones, is needed: with ``evenness`` 0 all weight moves to the loss that is smallest anyway. The
    larger it is, the more even the weights. Not from a paper.

    >>> softmax(torch.zeros(2), torch.tensor([0.5, 2.0]))
    tensor(2.5000)
    """
    count = len(losses)
    return count * (levels.softmax(0) * (losses + evenness * (levels.log_softmax(0) + torch.tensor(count).log()))).sum()


class LearnedWeights(Combine):
    """The losses called ``losses``, weighed by levels that are learned by ``price``, then handed on to ``rule()``.

    ``price`` is ``homoscedastic``, ``partial(softmax, evenness=2.0)`` or any such function of yours: its derivative by
    a loss is that loss's weight, its derivative by the levels is their gradient. The levels are one parameter of the
    learner, ``combine.levels``, of size (losses,), 0 at the start: the learner's optimizer moves it, with its learning
    rate and its weight decay, which pulls the weights towards the plain sum if it is not kept away from it. The level
    of a loss that has no part in a step gets no gradient. ``Epoch.statistics`` has the mean of each weight over the
    epoch (``weight label``). The weights multiply those of the terms.

    Raises ``ValueError`` for fewer than two names or one name twice, and in a step with a loss that is not among them.
    """

    def __init__(
        self, losses: Sequence[str], price: Price = homoscedastic, rule: Callable[[], Combine] = WeightedSum
    ) -> None:
        super().__init__()
        if isinstance(losses, str) or len(set(losses)) < max(2, len(losses)):
            raise ValueError(f"Learned weights are for two or more losses, each named once; got {losses!r}.")
        self.losses, self.price, self.rule = tuple(losses), price, rule()
        self.levels = nn.Parameter(torch.zeros(len(losses)))
        self.means = RunningMeans()
        self._values: dict[str, Tensor] = {}  # of this step, so far

    def reads(self) -> set[tuple[str, str]]:
        return self.rule.reads()

    def names(self) -> set[str]:
        return {*self.losses, *self.rule.names()}

    def add(self, losses: Losses, scene: Scene, parameters: Parameters) -> None:
        if unknown := sorted(losses.keys() - set(self.losses)):
            raise ValueError(f"Learned weights are for {sorted(self.losses)}, but there are also losses {unknown}.")
        for name, loss in losses.items():
            value = at_least_float32(loss.detach())
            self._values[name] = self._values[name] + value if name in self._values else value
        values = torch.stack([at_least_float32(x.detach()) for x in losses.values()])
        weights = dict(zip(losses, self._derivative(list(losses), values), strict=True))
        for name, weight in weights.items():
            self.means.add(f"weight {name}", weight)
        self.rule.add({name: weights[name].to(loss) * loss for name, loss in losses.items()}, scene, parameters)

    def settle(self, parameters: Parameters) -> None:
        self.rule.settle(parameters)
        names, self._values, values = list(self._values), {}, self._values
        if names and self.levels.requires_grad:
            whole = torch.stack(list(values.values()))
            average_over_ranks([whole])
            price = self.price(self.levels[self._places(names)], whole)
            (self.levels.grad,) = torch.autograd.grad(price, self.levels)

    def _derivative(self, names: list[str], values: Tensor) -> Tensor:
        """Of the price by the losses: their weights."""
        values = values.requires_grad_()
        (weights,) = torch.autograd.grad(self.price(self.levels[self._places(names)].detach(), values), values)
        return weights

    def _places(self, names: list[str]) -> Tensor:
        return torch.tensor([self.losses.index(name) for name in names], device=self.levels.device)
