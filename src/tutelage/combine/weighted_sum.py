"""The usual rule: add the weighted losses up."""

from functools import reduce
from operator import add

from tutelage.combine.base import Combine, Parameters
from tutelage.objective import Losses, Scene
from tutelage.ranks import average_over_ranks


class WeightedSum(Combine):
    """The usual choice: one backward pass through the sum of the weighted losses."""

    def add(self, losses: Losses, scene: Scene, parameters: Parameters) -> None:  # noqa: ARG002
        reduce(add, losses.values()).backward()

    def settle(self, parameters: Parameters) -> None:
        average_over_ranks(p.grad for p in parameters.values() if p.grad is not None)
