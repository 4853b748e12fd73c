"""Do the losses pull apart? A look at their gradients now and then, whatever rule merges them."""

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor

from tutelage.combine import Combine, Parameters
from tutelage.objective import Losses, Scene
from tutelage.statistics import RunningMeans


class Watched(Combine):
    """``rule``, and every ``every`` steps a look at one gradient a loss; the training itself is the same to the bit.

    ``Epoch.statistics`` then has, for each pair of weighted losses, the mean cosine between their gradients on the
    parameters that both reach (``cosine a | b``, −1 to 1) and the share of looks in which it was negative
    (``negative a | b``), and for each loss the mean length of its gradient (``norm a``). A look costs one more backward
    pass a loss. Under accumulation it sees a step's first micro-batch, on several ranks each sees its own.

    Raises ``ValueError`` for ``every`` below 1.

    >>> from tutelage.combine import WeightedSum
    >>> Watched(WeightedSum(), every=50).every
    50
    """

    def __init__(self, rule: Combine, every: int = 50) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"Gradients are looked at every 1 step or more; got every={every}.")
        self.rule, self.every, self.means = rule, every, RunningMeans()
        self._steps, self._looked = 0, False

    def reads(self) -> set[tuple[str, str]]:
        return self.rule.reads()

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
        weights = list(parameters.values())
        rows = {
            name: torch.autograd.grad(loss, weights, allow_unused=True, retain_graph=True)
            for name, loss in losses.items()
        }
        for name, row in rows.items():
            self.means.add(f"norm {name}", _inner(row, row).sqrt())
        for one, other in combinations(rows, 2):
            both = [(a, b) for a, b in zip(rows[one], rows[other], strict=True) if a is not None and b is not None]
            if both:
                a, b = zip(*both, strict=True)
                cosine = _inner(a, b) / (_inner(a, a) * _inner(b, b)).sqrt().clamp_min(torch.finfo(torch.float32).tiny)
                self.means.add(f"cosine {one} | {other}", cosine)
                self.means.add(f"negative {one} | {other}", (cosine < 0).float())


def _inner(a: tuple[Tensor | None, ...], b: tuple[Tensor | None, ...]) -> Tensor:
    products = [(x * y).sum(dtype=torch.float32) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    return torch.stack(products).sum() if products else torch.zeros(())
