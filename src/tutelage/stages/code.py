"""What one's own functions do, as a part of a stage's key: so that an edited one makes another network.

A key names functions by their paths. Of those that ship with this package the code does not count, or every release
would train all anew: ``REVISION`` does. Of installed packages it does not either.
"""

import dis
import json
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tutelage.checkpoint import PLAIN

REVISION = 1
"""Of all that this package computes in a stage: raised when that changes, so that networks are trained anew."""
INSTALLED = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]
METHODS = (FunctionType, staticmethod, classmethod, property)


def code_of(*things: Any) -> dict[str, Any]:
    """``{"code": {path: hash}}`` of the functions and classes of one's own in ``things``, and of those that they name.

    Nothing where there are none. Names are followed to functions and classes of one's own modules, wherever they are
    looked up as globals or as attributes of such a module. A hash is of the instructions that Python runs, and of
    defaults that are plain values: comments, docstrings, annotations and the names of locals change none; another
    version of Python may. It does not cover what is found only as the code runs (attributes of objects, imports within
    a function, text that is evaluated), nor values of globals: hand these on as arguments.
    """
    found: dict[str, str] = {}
    seen: dict[int, Any] = {}
    left = list(things)
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if not isinstance(thing, FunctionType | type):
            left += _inside(thing)
        elif _is_own(thing.__module__):
            name = f"{thing.__module__}:{thing.__qualname__}"
            found[name] = f"{found[name]} {_hash(thing)}" if name in found else _hash(thing)  # decorated ones share it
            left += _mentioned(thing)
        left += [x for x in (getattr(thing, "__wrapped__", None),) if x is not None]
    return ({"code": dict(sorted(found.items()))} if found else {}) | ({"revision": REVISION} if REVISION else {})


def _inside(thing: Any) -> list[Any]:
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if is_dataclass(thing):
        return [type(thing), *(getattr(thing, field.name) for field in fields(thing))]
    if isinstance(thing, Mapping):
        return list(thing.values())
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    if isinstance(thing, staticmethod | classmethod):
        return [thing.__func__]
    if isinstance(thing, property):
        return [thing.fget]
    return []


def _is_own(name: Any) -> bool:
    """Whether the module of that name is neither of this package nor installed."""
    module = str(name)
    if module.partition(".")[0] == "tutelage":
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return module == "__main__"
    place = Path(file).resolve()
    return not any(place.is_relative_to(installed) for installed in INSTALLED) and "site-packages" not in place.parts


def _mentioned(thing: Any) -> list[Any]:
    """What a function of one's own names, or what a class is made of."""
    if isinstance(thing, type):
        return [*thing.__bases__, *(x for x in vars(thing).values() if not isinstance(x, PLAIN))]
    names = set(_names(thing.__code__))
    named = {id(x): x for name, x in thing.__globals__.items() if name in names}
    modules = [x for x in named.values() if isinstance(x, ModuleType) and _is_own(x.__name__)]
    for module in modules:  # it grows, by modules that a module holds
        held = [vars(module)[name] for name in names & vars(module).keys()]
        modules += [x for x in held if isinstance(x, ModuleType) and id(x) not in named and _is_own(x.__name__)]
        named |= {id(x): x for x in held}
    return [*named.values(), *(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _hash(thing: Any) -> str:
    return sha256(json.dumps(_written(thing)).encode()).hexdigest()[:16]


def _written(thing: Any) -> Any:
    """As JSON that says what runs, the same in every process."""
    if isinstance(thing, FunctionType):
        defaults = [thing.__defaults__ or (), sorted((thing.__kwdefaults__ or {}).items())]
        return [_written(thing.__code__), _written(defaults)]
    if isinstance(thing, CodeType):
        return [[each.opname, _argument(each)] for each in dis.get_instructions(thing)]
    if isinstance(thing, type):
        held = [(x, y) for x, y in sorted(vars(thing).items()) if isinstance(y, METHODS) or not x.startswith("__")]
        return {name: x.__qualname__ if isinstance(x, type) else _written(x) for name, x in held}
    if isinstance(thing, staticmethod | classmethod):
        return _written(thing.__func__)
    if isinstance(thing, property):
        return _written(thing.fget)
    if isinstance(thing, list | tuple):
        return [_written(x) for x in thing]
    if isinstance(thing, set | frozenset):
        return sorted(json.dumps(_written(x)) for x in thing)
    return repr(thing) if isinstance(thing, (*PLAIN, bytes, complex)) else type(thing).__name__


def _argument(instruction: dis.Instruction) -> Any:
    if instruction.opcode in dis.hasconst:
        return _written(instruction.argval)
    return instruction.argval if instruction.opcode in dis.hasname else instruction.arg
