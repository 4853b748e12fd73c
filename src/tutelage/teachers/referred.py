"""Networks that a function refers to, whether it says so or not."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from torch import nn

MANY = 1000
"""Things that are looked at in search of a network."""
OURS = __name__.partition(".")[0]
"""The package in whose modules no network stands: its functions hold those that they were given."""


def referred_networks(function: Any) -> list[nn.Module]:
    """Networks that a function refers to: by its closure, defaults, arguments of a partial, attributes, globals."""
    found: dict[int, nn.Module] = {}
    seen: dict[tuple[int, ...], Any] = {}  # kept, so that no number is given to another thing
    left = [function]
    while left:
        thing = left.pop()
        if (which := _which(thing)) in seen or len(seen) > MANY:
            continue
        seen[which] = thing
        if isinstance(thing, nn.Module):
            found[id(thing)] = thing
        else:
            left += _referred(thing)
    return list(found.values())


def _which(thing: Any) -> tuple[int, ...]:
    """A bound method is another thing whenever it is looked up, and yet the same."""
    return (id(thing.__self__), id(thing.__func__)) if isinstance(thing, MethodType) else (id(thing),)


def _referred(thing: Any) -> list[Any]:
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, Mapping):
        return list(thing.values())
    if isinstance(thing, list | tuple):
        return list(thing)
    if isinstance(thing, MethodType):
        owner = [thing.__self__] if isinstance(thing.__self__, nn.Module) else []
        return [thing.__func__, *owner, *_attributes([thing.__self__], thing.__func__)]
    if isinstance(thing, FunctionType):
        package = str(thing.__module__).partition(".")[0]
        if package == "torch":
            return []
        cells = list(_contents(thing.__closure__ or ()))
        names = () if package == OURS else _names(thing.__code__)
        named = [thing.__globals__[name] for name in names if name in thing.__globals__]
        defaults = [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        return [*cells, *defaults, *named, *_attributes([*cells, *named], thing)]
    return _attributes([thing], vars(type(thing)).get("__call__"))


def _attributes(things: list[Any], function: Any) -> list[Any]:
    """Those of the things' attributes and methods that the code of ``function`` names."""
    names = _names(function.__code__) if isinstance(function, FunctionType) else set()
    owners = [thing for thing in things if not isinstance(thing, nn.Module | ModuleType | type)]
    held = [vars(thing)[name] for thing in owners for name in names if name in getattr(thing, "__dict__", {})]
    methods = [(thing, vars(type(thing)).get(name)) for thing in owners for name in names]
    return [*held, *(MethodType(x, thing) for thing, x in methods if isinstance(x, FunctionType))]


def _names(code: CodeType) -> set[str]:
    """What the code looks up, and what the functions and comprehensions within it do."""
    inner = [x for x in code.co_consts if isinstance(x, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _contents(cells: Iterable[CellType]) -> Iterator[Any]:
    for cell in cells:
        with suppress(ValueError):  # a name that has no value yet
            yield cell.cell_contents
