"""What every rule is that makes one gradient of several losses."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from torch import Tensor, nn

from tutelage.objective import Losses, Scene

Parameters: TypeAlias = Mapping[str, nn.Parameter]
Aggregator: TypeAlias = Callable[[Tensor], Tensor]
"""One gradient a row (losses, parameters) -> the merged one (parameters,): what torchjd calls an ``Aggregator``."""
Weighting: TypeAlias = Callable[[Tensor], Tensor]
"""Inner products of the gradients (losses, losses) -> weights (losses,): what torchjd calls a ``Weighting``."""


class Combine(nn.Module):
    """Fills ``.grad`` in two phases: ``add`` takes the weighted losses of a micro-batch, ``settle`` ends the step.

    A module, because some rules learn weights or remember: what they own is optimised and checkpointed like the rest.
    """

    owns_momentum: bool = False
    """Whether it brings momenta of its own, and wants an optimizer without any."""

    def reads(self) -> set[tuple[str, str]]:
        """What the rule itself wants to see of the scene, such as a shared feature."""
        return set()

    def names(self) -> set[str]:
        """The losses that the rule knows by name; a learner refuses names that its objective lacks."""
        return set()

    def add(self, losses: Losses, scene: Scene, parameters: Parameters) -> None:
        raise NotImplementedError

    def settle(self, parameters: Parameters) -> None:
        raise NotImplementedError
