"""What a computation is, in words that can be compared: a function and its arguments as JSON, and a hash of that."""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import nn

from tutelage.calls import reason
from tutelage.checkpoint import PLAIN, file_hash
from tutelage.stopped import Stopped
from tutelage.trust import Refused, declared, is_shipped

Build: TypeAlias = Callable[[], nn.Module]
"""What makes a network, in words that a stage's key can name: a function of a module, or a partial of one."""
Found: TypeAlias = Callable[[str], Any]
"""What finds ``module:name``, or ``None``: among what is imported already, or as a file's names are trusted."""
STAGE_KEY = "_tutelage_stage_key"
DEEPEST = 20  # functions within the arguments of functions; a run nests three or four
MOVED = {
    "tutelage.compress.removal:": "tutelage.compress.structure.removal:",
    "tutelage.measure.": "tutelage.measures.",
    "tutelage.recipes.methods.": "tutelage.methods.",
    "tutelage.recipes.methods.find:": "tutelage.methods.by_name:",
    "tutelage.recipes.methods.weighed:": "tutelage.methods.sums:",
    "tutelage.recipes.parts.pupils:borrowing": "tutelage.losses.simkd:borrowing",
    "tutelage.recipes.parts.rules:": "tutelage.combine.by_name:",
    "tutelage.recipes.parts.rules:proposal": "tutelage.combine.by_name:pcgrad",
    "tutelage.recipes.parts.rules:proposal_in_turn": "tutelage.combine.by_name:sequential",
    "tutelage.schemes.hints:falling": "tutelage.methods.weights:falling",
    "tutelage.speakers.": "tutelage.teachers.",
    "tutelage.study.instances:": "tutelage.study.own.instances:",
    "tutelage.study.original:": "tutelage.study.own.original:",
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


def called(description: Any, *networks: nn.Module, found: Found) -> nn.Module:
    """The network that the ``described`` function builds, or makes of ``networks``, from the description alone.

    Only what is declared to make a network is ever called: subclasses of ``nn.Module``, and functions annotated to
    return one, as ``found`` finds them at their places. Raises ``ValueError`` for anything else, for a function that is
    gone, and for arguments that only a run can make or that no network can be made of.
    """
    make = restored(description, found)
    try:
        network = make(*networks)
    except OSError:  # weights of an allowed function's own
        raise
    except Stopped:
        raise
    except (Exception, SystemExit) as failure:  # a width that no memory holds is one of many
        ours = isinstance(failure, ValueError) and is_shipped(description["function"])
        words = str(failure).rstrip(".") if ours else reason(failure)
        raise ValueError(f"{description['function']} makes no network of what is stored: {words}.") from None
    if not isinstance(network, nn.Module):
        raise ValueError(f"{description['function']} returned a {type(network).__name__} where a network was expected.")
    return network


def restored(description: Any, found: Found, depth: int = 0) -> Callable[..., Any]:
    """The ``described`` function with its arguments, not yet called. Raises ``ValueError`` as ``called`` does."""
    function = maker(description, found)
    arguments, named = description.get("arguments", []), description.get("named", {})
    if not isinstance(arguments, list) or not isinstance(named, Mapping):
        raise ValueError(
            f"The arguments of {description['function']} are a list, and others by name; got {description}."
        )
    options = {name: _restored(x, found, depth + 1) for name, x in named.items()}
    return partial(function, *(_restored(x, found, depth + 1) for x in arguments), **options)


def maker(description: Any, found: Found) -> Callable[..., Any]:
    """What a description names. Raises ``ValueError`` unless that is declared to make a network."""
    path = description.get("function") if isinstance(description, Mapping) else None
    if not isinstance(path, str):
        raise ValueError(f"The description of a network names a function and its arguments; got {description!r}.")
    try:
        function = found(home(path))
    except Refused:
        raise
    except Stopped:
        raise
    except (Exception, SystemExit) as failure:  # anything can go wrong in a module that was allowed
        raise ValueError(f"{path} builds this network, but importing it ends in {reason(failure)}.") from failure
    if function is None:
        module = path.partition(":")[0].partition(".")[0]
        where = f"start Python in the folder that holds {module}, or put that folder on PYTHONPATH"
        cure = f"; {where}." if module not in ("tutelage", "") else "."
        raise ValueError(f"{path} builds this network, but it cannot be imported here{cure}")
    made = function if isinstance(function, type) else declared(function, path)
    if not (callable(function) and made is not None and issubclass(made, nn.Module)):
        name = path.rpartition(":")[2].rpartition(".")[2]
        raise ValueError(
            f"{path} is not declared to return an nn.Module, so no student is loaded by it; annotate its return, "
            f"`def {name}(…) -> nn.Module:`, or call it in a function of yours that is annotated."
        )
    return function  # type: ignore[no-any-return]


def already_imported(path: str) -> Any:
    """What stands at ``module:name`` in a module that is imported already, or ``None``."""
    module, _, names = path.partition(":")
    found: Any = sys.modules.get(module)
    for name in names.split("."):
        found = getattr(found, name, None)
    return found


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
        if module and name and already_imported(path) is thing:
            return path
    raise ValueError(
        f"A {type(thing).__name__} ({module}:{name}) cannot be part of a stage's key: pass plain values, data sets, "
        "files, networks that a stage made, functions of a module, or a functools.partial of these."
    )


def home(path: str) -> str:
    """Where what once was at ``module:name`` is now; the same if it is not known to have moved."""
    known = [old for old in MOVED if path == old or (old[-1] in ":." and path.startswith(old))]
    old = max(known, key=len, default="")
    return MOVED.get(old, "") + path.removeprefix(old)


def _is_entry(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)


def _restored(x: Any, found: Found, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError(f"A network's arguments are nested more than {DEEPEST} deep; restore the file from a copy.")
    if isinstance(x, list):
        return [_restored(y, found, depth + 1) for y in x]
    if not isinstance(x, Mapping):
        return x
    if x.keys() == {"mapping"} and isinstance(x["mapping"], list) and all(map(_is_entry, x["mapping"])):
        return {key: _restored(value, found, depth + 1) for key, value in x["mapping"]}
    if "function" not in x:
        raise ValueError(f"The network was built from {dict(x)}, which only the recipe can make.")
    return restored(x, found, depth) if "arguments" in x else maker(x, found)
