"""The mappings inside of mappings that a file of weights holds: its tensors by name, and everything else in it."""

from collections import deque
from collections.abc import Collection, Iterator
from typing import Any

from torch import Tensor

from tutelage.weights.names import Name

DEEPEST, MOST = 8, 100_000  # mappings inside of mappings, and all of them; a file may hold one in many places


def named_tensors(content: Any) -> tuple[dict[Name, Tensor], dict[Name, int]]:
    """All tensors under names, outer ones first, and at which step of a name the mapping begins that holds it."""
    stored: dict[Name, Tensor] = {}
    depths: dict[Name, int] = {}
    waiting: deque[tuple[Name, Any, frozenset[int]]] = deque([((), content, frozenset())])
    for _ in range(MOST):
        if not waiting:
            break
        place, outer, above = waiting.popleft()
        above |= {id(outer)}
        for key, x in _items(outer):
            if isinstance(x, dict | list | tuple) and len(place) < DEEPEST and id(x) not in above:
                waiting.append(((*place, str(key)), x, above))
            elif _is_named(key, x) and (name := (*place, *key.split("."))) not in stored:
                stored[name], depths[name] = x, len(place)
    return stored, depths


def beside(content: Any, places: Collection[Name], here: Name = ()) -> Iterator[Name]:
    """Where in ``content`` there is anything but the mappings at ``places``, and the tensors in those."""
    for key, x in _items(content):
        at = (*here, str(key))
        if any(place[: len(at)] == at for place in places):
            yield from beside(x, places, at)
        elif here not in places or not isinstance(x, Tensor):
            yield at


def _is_named(key: Any, x: Any) -> bool:
    return isinstance(key, str) and isinstance(x, Tensor) and not x.is_nested


def _items(content: Any) -> Iterator[tuple[Any, Any]]:
    """Nothing for what is no mapping or list. A file may have put other things over an OrderedDict's own methods."""
    if isinstance(content, dict):
        return iter(dict.items(content))
    return enumerate(content) if isinstance(content, list | tuple) else iter(())
