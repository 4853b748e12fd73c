"""A call as a flag spells it, and what it calls: ``wide_resnet(16, 2)``, ``my_lab.nets.small(width=3)``."""

import ast
from difflib import get_close_matches
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, NamedTuple

from tutelage.stopped import Stopped
from tutelage.trust import Refused, imported, refuse_place


class Call(NamedTuple):
    """The dotted path of what is called, and with what."""

    path: str
    arguments: list[Any]
    options: dict[str, Any]


def call(text: str) -> Call:
    """What ``text`` calls: a name alone, or one with plain values as arguments. Nothing is looked up or run.

    Raises ``ValueError`` for any other text.

    >>> call("wide_resnet(16, width=2)")
    Call(path='wide_resnet', arguments=[16], options={'width': 2})
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        node = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        arguments = [ast.literal_eval(x) for x in node.args]
        options = {_word(x): ast.literal_eval(x.value) for x in node.keywords}
        if len(options) < len(node.keywords):  # which of two values of one argument is meant?
            raise ValueError(text)
        return Call(_path(node.func), arguments, options)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise ValueError(f"Neither a name nor a call with plain values as arguments: {text!r}.") from None


def lookup(path: str) -> Any:
    """What stands at ``my_lab.nets.small`` or ``my_lab.methods:mine``, a path that a person typed.

    Raises ``ValueError`` for a path that no name may take, before anything is imported; for one that leads nowhere,
    with what is missing; and for a module that fails as it is imported, with what failed. Nothing is called.

    >>> lookup("tutelage.calls.call") is call, lookup("tutelage.calls:Call.path") is Call.path
    (True, True)
    """
    home, colon, rest = path.partition(":")
    modules, names = home.split("."), rest.split(".")
    if not colon:
        *modules, last = modules
        names = [last]
    if not modules or not all(part.isidentifier() for part in (*modules, *names)):
        raise ValueError(f"What is no part of this package goes by its path, such as my_lab.nets.small; got {path!r}.")
    refuse_place(path)
    thing: Any = module_of(modules.pop(0), path)
    while modules and hasattr(thing, "__path__") and find_spec(f"{thing.__name__}.{modules[0]}"):
        thing = module_of(f"{thing.__name__}.{modules.pop(0)}", path)
    for name in (*modules, *names):  # whatever is no module is an attribute: a class, and a method of it
        try:
            thing = getattr(thing, name)
        except AttributeError:
            raise ValueError(
                f"{getattr(thing, '__name__', thing)} has no {name!r}{_near(name, thing) or '.'}"
            ) from None
        except Exception as failure:  # some packages import only what is asked for
            raise ValueError(f"{path} cannot be imported: {name} ends in {reason(failure)}.") from failure
    return thing


def _near(name: str, thing: Any) -> str:
    """What of a thing is called nearly so, whatever the case."""
    there = {other.casefold(): other for other in dir(thing) if not other.startswith("_")}
    close = get_close_matches(name.casefold(), there, n=1)
    return f"; did you mean {there[close[0]]!r}?" if close else ""


def module_of(name: str, path: str) -> ModuleType:
    """The module ``name``, of a ``path`` that a person typed. ``ValueError`` as ``lookup`` raises it."""
    try:
        return imported(name)
    except Refused:
        raise
    except ModuleNotFoundError as missing:
        needed = (missing.name or name).partition(".")[0]
        install = f"pip install {needed} torch=={version('torch').partition('+')[0]} keeps this torch"
        if needed == name:
            raise ValueError(
                f"{path} cannot be imported: there is no module {needed!r} here, neither in the current directory nor "
                f"installed; for a package of that name, {install}."
            ) from missing
        raise ValueError(
            f"{path} cannot be imported: {name} needs the module {missing.name!r}; if that is a package, {install}."
        ) from missing
    except Stopped:
        raise
    except (Exception, SystemExit) as failure:  # anything can go wrong in a module, and it is the user's to know what
        raise ValueError(f"{path} cannot be imported: {name} ends in {reason(failure)}.") from failure


def reason(failure: BaseException) -> str:
    """An error of somebody else's code in a few words: what kind, what it says, and where it was raised.

    >>> reason(KeyError("width"))
    "KeyError: 'width'"
    """
    words = " ".join(str(failure).split())
    place = extract_tb(failure.__traceback__)[-1:]
    where = "".join(f" ({Path(line.filename).name}, line {line.lineno})" for line in place if line.lineno)
    return f"{type(failure).__name__}{': ' if words else ''}{words}{'' if isinstance(failure, SyntaxError) else where}"


def lacking(failure: BaseException) -> str:
    """Why an import failed, in a few words: which module is missing, or what it ends in."""
    name = failure.name if isinstance(failure, ModuleNotFoundError) else None
    return f"{name} is missing" if name else reason(failure)


def _path(name: ast.expr) -> str:
    if isinstance(name, ast.Attribute):
        return f"{_path(name.value)}.{name.attr}"
    if isinstance(name, ast.Name):
        return name.id
    raise ValueError(name)


def _word(given: ast.keyword) -> str:
    if given.arg is None:  # **options
        raise ValueError(given)
    return given.arg
