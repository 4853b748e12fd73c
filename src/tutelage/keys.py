"""What a computation is, in words that can be compared: a function and its arguments as JSON, and a hash of that."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import nn

from tutelage.checkpoint import PLAIN

STAGE_KEY = "_tutelage_stage_key"


def described(thing: Any) -> Any:
    """``thing`` as JSON that says what it is, whoever asks and whenever.

    Functions are their dotted path, partials also their arguments, dataclasses those fields that are not at their
    defaults, so that a new one changes nothing for whoever does not use it; a data set is its
    checksum; a finished network is the key of the stage that made it. Raises ``ValueError`` for what cannot be told
    apart so: a lambda, a local function, a method of some object, a network of unknown origin.
    """
    if isinstance(thing, PLAIN):
        return thing
    if isinstance(thing, torch.dtype | torch.device | Path):
        return str(thing)
    if isinstance(thing, partial):
        arguments = {name: described(x) for name, x in sorted(thing.keywords.items())}
        return {**described(thing.func), "arguments": [described(x) for x in thing.args], "named": arguments}
    if isinstance(thing, nn.Module) and hasattr(thing, STAGE_KEY):
        return {"stage": getattr(thing, STAGE_KEY)}
    if hasattr(thing, "checksum"):
        return {"data": thing.checksum}
    if is_dataclass(thing) and not isinstance(thing, type):
        own = {x.name: described(getattr(thing, x.name)) for x in fields(thing)}
        usual = {x.name: described(x.default) for x in fields(thing) if x.default is not MISSING}
        own = {name: value for name, value in own.items() if name not in usual or value != usual[name]}
        return {"class": _path(type(thing)), "fields": own}
    if isinstance(thing, Mapping):
        return {"mapping": [[described(key), described(x)] for key, x in thing.items()]}
    if isinstance(thing, list | tuple):
        return [described(x) for x in thing]
    if isinstance(thing, frozenset | set):
        return sorted((described(x) for x in thing), key=json.dumps)
    return {"function": _path(thing)}


def key_of(thing: Any) -> str:
    """Sixteen hexadecimal digits that differ whenever ``described(thing)`` does."""
    text = json.dumps(described(thing), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def called(description: Mapping[str, Any]) -> nn.Module:
    """The network that the ``described`` function builds, from the description alone.

    A description may come from anybody, so only what is declared to make a network is ever called: subclasses of
    ``nn.Module``, and functions annotated to return one. Raises ``ValueError`` for anything else, for a function that
    is gone, and for arguments that only a run can make.
    """
    function = _maker(description)
    network = function(*map(_restored, description.get("arguments", [])), **_named(description))
    assert isinstance(network, nn.Module)
    return network


def _path(thing: Any) -> str:
    """``module:name``, if that is where ``thing`` is found: else two different things might have one description."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    for path in (f"{module}:{name}", f"{module}:{getattr(thing, '__name__', None)}"):
        if module and name and _found(path) is thing:
            return path
    raise ValueError(
        f"A {type(thing).__name__} ({module}:{name}) cannot be part of a stage's key: pass plain values, data sets, "
        "networks that a stage made, functions of a module, or a functools.partial of these."
    )


def _found(path: str) -> Any:
    """What stands at ``module:name``, or ``None``."""
    module, _, names = path.partition(":")
    try:
        found: Any = import_module(module)
        for name in names.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError):
        return None
    return found


def _maker(description: Mapping[str, Any]) -> Callable[..., Any]:
    path = str(description.get("function"))
    function = _found(path)
    if function is None:
        raise ValueError(f"{path} builds this network, but it cannot be imported here.")
    made = function if isinstance(function, type) else getattr(function, "__annotations__", {}).get("return")
    if isinstance(made, str):
        made = get_type_hints(function).get("return")
    if not (callable(function) and isinstance(made, type) and issubclass(made, nn.Module)):
        raise ValueError(f"{path} is not declared to return an nn.Module, so it is not called; annotate its return.")
    maker: Callable[..., Any] = function
    return maker


def _named(description: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _restored(x) for name, x in description.get("named", {}).items()}


def _restored(x: Any) -> Any:
    if isinstance(x, list):
        return [_restored(y) for y in x]
    if not isinstance(x, Mapping):
        return x
    if "function" not in x:
        raise ValueError(f"The network was built from {dict(x)}, which only the recipe can make.")
    return partial(_maker(x), *map(_restored, x["arguments"]), **_named(x)) if "arguments" in x else _maker(x)
