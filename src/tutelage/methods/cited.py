"""Which losses an objective computes, however deep they are wrapped: what a report cites."""

import sys
from functools import partial
from inspect import isclass, isfunction
from typing import Any

from torch import Tensor, nn


def losses_in(thing: Any, seen: set[int] | None = None) -> set[str]:
    """The dotted names (``tutelage.losses.kd:soft_targets``) of all losses in an objective, or in a part of one.

    A loss is what a module of this package's ``losses`` defines, or what the ``CITATIONS`` of its own module, which may
    be anybody's, name: a way to match layers is cited beside the loss that it lifts.
    """
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, Tensor):
        return set()
    seen.add(id(thing))
    definition = thing if isfunction(thing) or isclass(thing) else type(thing)
    name = f"{definition.__module__}:{definition.__qualname__}"
    cited = definition.__name__ in getattr(sys.modules.get(definition.__module__), "CITATIONS", {})
    lifts = not cited and (isinstance(thing, nn.Module) or "<locals>" in name)  # a loss that is another, of some rows
    if name.startswith("tutelage.losses.") and not lifts:
        return {name}
    inside: list[Any] = []
    if isinstance(thing, partial):
        inside = [thing.func]
    elif isinstance(thing, nn.Module):
        inside = [*thing.children(), *vars(thing).values()]
    elif isinstance(thing, list | tuple):
        inside = list(thing)
    elif isfunction(thing):
        inside = list(vars(thing).values())
    own = {name} if cited else set()
    return own.union(*(losses_in(part, seen) for part in inside))
