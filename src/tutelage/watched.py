"""Do the losses pull apart? A look at their gradients now and then, whatever rule merges them."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import combinations
from typing import TypeAlias

import torch
from torch import Tensor

from tutelage.combine.base import Combine, Parameters
from tutelage.objective import Losses, Scene
from tutelage.results import DROWNED, statistic
from tutelage.statistics import RunningMeans

Parts: TypeAlias = Mapping[str, Callable[[str], bool]]
"""Name of a part -> whether a parameter, such as ``student.layer1.conv.weight``, belongs to it. Parts may overlap."""
TINY = torch.finfo(torch.float32).tiny


class Watched(Combine):
    """``rule``, and every ``every`` steps a look at one gradient a loss; the training itself is the same to the bit.

    ``Epoch.statistics`` then has means over the looks of an epoch. For each pair of weighted losses:
    ``cosine a | b``, −1 to 1, between their gradients on the parameters that both reach, and ``negative a | b``, the
    share of looks in which it was negative. For each loss: ``norm a``, the length of its whole gradient, and
    ``relative a``, its length on the parameters that several losses reach, divided by the longest one's there, 0 to 1.
    The same, but ``norm``, for every part of the network: ``cosine a | b @ head``. Losses have the weights of their
    objective, not yet those that the rule finds or learns. ``results.statistic`` reads such names, and ``drowned``
    tells whom nobody hears. A look costs one more backward pass a loss. Under accumulation it sees a step's
    first micro-batch, on several ranks each sees its own.

    ``parts`` says what the parts are; without it they are those of ``parts_of``. Raises ``ValueError`` for ``every``
    below 1, and for a part without a name or with ``@`` or ``/`` in it.

    >>> from tutelage.combine.weighted_sum import WeightedSum
    >>> Watched(WeightedSum(), every=50).every
    50
    """

    def __init__(self, rule: Combine, every: int = 50, parts: Parts | None = None) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"Gradients are looked at every 1 step or more; got every={every}.")
        if wrong := sorted(name for name in parts or {} if not name or "@" in name or "/" in name):
            raise ValueError(f"The name of a part of the network is not empty and has no @ and no /; got {wrong}.")
        self.rule, self.every, self.means = rule, every, RunningMeans()
        self.owns_momentum = rule.owns_momentum
        self._parts = parts
        self._steps, self._looked = 0, False

    def reads(self) -> set[tuple[str, str]]:
        return self.rule.reads()

    def names(self) -> set[str]:
        return self.rule.names()

    def add(self, losses: Losses, scene: Scene, parameters: Parameters) -> None:
        if not self._looked and self._steps % self.every == 0:
            self._look(losses, parameters)
            self._looked = True
        self.rule.add(losses, scene, parameters)

    def settle(self, parameters: Parameters) -> None:
        self.rule.settle(parameters)
        self._steps, self._looked = self._steps + 1, False

    def get_extra_state(self) -> dict[str, int]:
        return {"steps": self._steps}

    def set_extra_state(self, state: Mapping[str, int]) -> None:
        self._steps = state["steps"]

    def _look(self, losses: Losses, parameters: Parameters) -> None:
        names, terms = list(parameters), list(losses)
        products, reached = _products(losses, parameters)  # (parameters, losses, losses), (parameters, losses)
        lengths = products.diagonal(dim1=1, dim2=2)
        for place, term in enumerate(terms):
            self.means.add(f"norm {term}", lengths[:, place].sum().sqrt())
        parts = parts_of(names) if self._parts is None else self._parts
        places = {f" @ {part}": [i for i, x in enumerate(names) if belongs(x)] for part, belongs in parts.items()}
        for suffix, inside in {"": list(range(len(names))), **places}.items():
            self._look_at(terms, products[inside], reached[inside], suffix)

    def _look_at(self, terms: list[str], products: Tensor, reached: Tensor, suffix: str) -> None:
        lengths = products.diagonal(dim1=1, dim2=2)
        shared = reached.sum(1) > 1
        norms = lengths[shared].sum(0).sqrt()
        for place, term in enumerate(terms):
            if reached[shared, place].any():
                relative = norms[place] / norms.max().clamp_min(TINY)
                self.means.add(f"relative {term}{suffix}", relative)
        for a, b in combinations(range(len(terms)), 2):
            both = reached[:, a] & reached[:, b]
            if both.any():
                longs = lengths[both][:, [a, b]].sum(0).sqrt()  # their product is in range where that of squares is not
                cosine = (products[both, a, b].sum() / longs.prod().clamp_min(TINY)).clamp(-1, 1)
                self.means.add(f"cosine {terms[a]} | {terms[b]}{suffix}", cosine)
                self.means.add(f"negative {terms[a]} | {terms[b]}{suffix}", (cosine < 0).float())


def watching(rule: Callable[[], Combine], every: int = 50) -> Watched:
    """``Watched(rule(), every)``: as ``partial(watching, WeightedSum)`` it makes one anew for each learner.

    Such a partial can be part of a stage's key, a rule that is made already cannot.
    """
    return Watched(rule(), every)


def parts_of(names: Iterable[str]) -> Parts:
    """The parts of a student with parameters ``names``: its outermost children, the last of which is the ``head``.

    All before it are the ``backbone``, together, and one part each if they are several. Where one child holds
    everything, its children count. What the student does not own, such as projectors, belongs to none.

    >>> list(parts_of(["student.stem.weight", "student.layer1.weight", "student.fc.weight", "student.fc.bias"]))
    ['stem', 'layer1', 'head', 'backbone']
    """
    prefix, stages = "student.", _children(names, "student.")
    while len(stages) == 1 and _children(names, inner := f"{prefix}{stages[0]}."):
        prefix, stages = inner, _children(names, inner)
    if len(stages) < 2:
        return {}
    *before, head = (f"{prefix}{stage}." for stage in stages)
    starts = {"head": (head,), "backbone": tuple(before)}
    if len(before) > 1:
        starts = {**{stage: (start,) for stage, start in zip(stages, before, strict=False)}, **starts}
    return {part: partial(_starts_with, starts=found) for part, found in starts.items()}


def drowned(statistics: Mapping[str, float], below: float = DROWNED) -> dict[str, float]:
    """Loss -> its relative length, for those that are shorter than ``below`` times the longest, over all of an epoch.

    >>> drowned({"combine.means/relative label": 1.0, "combine.means/relative hint": 0.002})
    {'hint': 0.002}
    """
    about = [(statistic(name), value) for name, value in statistics.items()]
    return {x.about[0]: value for x, value in about if x and x.what == "relative" and not x.part and value < below}


def _starts_with(name: str, starts: tuple[str, ...]) -> bool:
    return name.startswith(starts)


def _children(names: Iterable[str], prefix: str) -> list[str]:
    """The modules directly below ``prefix`` that own parameters, in their order."""
    rests = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
    return list(dict.fromkeys(rest.partition(".")[0] for rest in rests if "." in rest))


def _products(losses: Losses, parameters: Parameters) -> tuple[Tensor, Tensor]:
    """For each parameter the inner products of the losses' gradients, and which losses reach it."""
    weights, count = list(parameters.values()), len(losses)
    rows = [torch.autograd.grad(x, weights, allow_unused=True, retain_graph=True) for x in losses.values()]
    reached = torch.tensor([[gradient is not None for gradient in row] for row in rows]).mT
    products = torch.zeros(len(weights), count, count, device=weights[0].device)
    for place, gradients in enumerate(zip(*rows, strict=True)):
        there = [k for k, gradient in enumerate(gradients) if gradient is not None]
        if there:
            matrix = torch.stack([gradients[k].flatten().float() for k in there])
            products[place][torch.tensor(there)[:, None], torch.tensor(there)] = matrix @ matrix.mT
    return products, reached.to(products.device)
