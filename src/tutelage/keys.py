"""What a computation is, in words that can be compared: a function and its arguments as JSON, and a hash of that."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, get_type_hints

import torch
from torch import nn

from tutelage.checkpoint import PLAIN, file_hash

Build: TypeAlias = Callable[[], nn.Module]
"""What makes a network, in words that a stage's key can name: a function of a module, or a partial of one."""
STAGE_KEY = "_tutelage_stage_key"
MOVED = {
    "tutelage.recipes.methods.": "tutelage.methods.",
    "tutelage.recipes.methods.find:": "tutelage.methods.by_name:",
    "tutelage.recipes.methods.weighed:": "tutelage.methods.sums:",
    "tutelage.recipes.parts.pupils:borrowing": "tutelage.losses.simkd:borrowing",
    "tutelage.recipes.parts.rules:": "tutelage.combine.by_name:",
    "tutelage.recipes.parts.rules:proposal": "tutelage.combine.by_name:pcgrad",
    "tutelage.recipes.parts.rules:proposal_in_turn": "tutelage.combine.by_name:sequential",
    "tutelage.speakers.": "tutelage.teachers.",
}
"""Where files of earlier versions say that a function is, and where it is now: names, and how they begin."""


def described(thing: Any) -> Any:
    """``thing`` as JSON that says what it is, whoever asks and whenever.

    Functions are their dotted path, partials also their arguments, dataclasses those fields that are not at their
    defaults, so that a new one changes nothing for whoever does not use it; a data set is its
    checksum; a finished network is the key of the stage that made it; a file is what it holds, wherever it lies.
    Raises ``ValueError`` for what cannot be told apart so: a lambda, a local function, a method of some object, a
    network of unknown origin, a folder.
    """
    if isinstance(thing, PLAIN):
        return thing
    if isinstance(thing, torch.dtype | torch.device):
        return str(thing)
    if isinstance(thing, Path) and not thing.is_dir():
        return {"file": file_hash(thing) if thing.exists() else None}
    if isinstance(thing, partial):
        arguments = {name: described(x) for name, x in sorted(thing.keywords.items())}
        return {**described(thing.func), "arguments": [described(x) for x in thing.args], "named": arguments}
    if isinstance(thing, nn.Module) and hasattr(thing, STAGE_KEY):
        return {"stage": getattr(thing, STAGE_KEY)}
    if hasattr(thing, "checksum"):
        return {"data": thing.checksum}
    if is_dataclass(thing) and not isinstance(thing, type):
        values = {x: described(getattr(thing, x.name)) for x in fields(thing)}
        own = {x.name: value for x, value in values.items() if not _is_default(x, value)}
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


def called(description: Any, *networks: nn.Module) -> nn.Module:
    """The network that the ``described`` function builds, or makes of ``networks``, from the description alone.

    A description may come from anybody, so only what is declared to make a network is ever called: subclasses of
    ``nn.Module``, and functions annotated to return one. Raises ``ValueError`` for anything else, for a function that
    is gone, and for arguments that only a run can make.
    """
    network = restored(description)(*networks)
    if not isinstance(network, nn.Module):
        raise ValueError(f"{description['function']} returned a {type(network).__name__} where a network was expected.")
    return network


def restored(description: Any) -> Callable[..., Any]:
    """The ``described`` function with its arguments, not yet called. Raises ``ValueError`` as ``called`` does."""
    if not isinstance(description, Mapping) or not isinstance(description.get("arguments", []), list):
        raise ValueError(f"The description of a network names a function and its arguments; got {description!r}.")
    return partial(maker(description), *map(_restored, description.get("arguments", [])), **_named(description))


def maker(description: Mapping[str, Any]) -> Callable[..., Any]:
    """What a description names. Raises ``ValueError`` unless that is declared to make a network."""
    path = str(description.get("function"))
    function = _found(path) or _found(home(path))
    if function is None:
        module = path.partition(":")[0].partition(".")[0]
        where = f"start Python in the folder that holds {module}, or put that folder on PYTHONPATH"
        cure = f"; {where}." if module not in ("tutelage", "") else "."
        raise ValueError(f"{path} builds this network, but it cannot be imported here{cure}")
    made = function if isinstance(function, type) else getattr(function, "__annotations__", {}).get("return")
    if isinstance(made, str):
        try:
            made = get_type_hints(function).get("return")
        except NameError as error:
            raise ValueError(f"{path} returns {made!r}, but its module has no {error.name}: import it there.") from None
    if not (callable(function) and isinstance(made, type) and issubclass(made, nn.Module)):
        raise ValueError(f"{path} is not declared to return an nn.Module, so it is not called; annotate its return.")
    declared: Callable[..., Any] = function
    return declared


def _is_default(field: Field[Any], value: Any) -> bool:
    if field.default is MISSING and field.default_factory is MISSING:
        return False
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    try:
        return json.dumps(described(default)) == json.dumps(value)  # 1, 1.0 and True are three things
    except ValueError:  # what cannot be told apart is no reason to leave anything out
        return False


def _path(thing: Any) -> str:
    """``module:name``, if that is where ``thing`` is found: else two different things might have one description."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    for path in (f"{module}:{name}", f"{module}:{getattr(thing, '__name__', None)}"):
        if module and name and _found(path) is thing:
            return path
    raise ValueError(
        f"A {type(thing).__name__} ({module}:{name}) cannot be part of a stage's key: pass plain values, data sets, "
        "files, networks that a stage made, functions of a module, or a functools.partial of these."
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


def home(path: str) -> str:
    """Where what once was at ``module:name`` is now; the same if it is not known to have moved."""
    known = [old for old in MOVED if path == old or (old[-1] in ":." and path.startswith(old))]
    old = max(known, key=len, default="")
    return MOVED.get(old, "") + path.removeprefix(old)


def _named(description: Mapping[str, Any]) -> dict[str, Any]:
    named = description.get("named", {})
    return {name: _restored(x) for name, x in named.items()} if isinstance(named, Mapping) else {}


def _restored(x: Any) -> Any:
    if isinstance(x, list):
        return [_restored(y) for y in x]
    if not isinstance(x, Mapping):
        return x
    if "function" not in x:
        raise ValueError(f"The network was built from {dict(x)}, which only the recipe can make.")
    return restored(x) if "arguments" in x else maker(x)
