"""A network as it is built, and changed after that: what a stage builds of an architecture that a function makes."""

from collections.abc import Callable

from torch import nn


def changed(build: Callable[[], nn.Module], *, change: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """``change(build())``: a partial of this builds a stage's network."""
    return change(build())
