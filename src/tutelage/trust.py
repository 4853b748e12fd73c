"""Who may run code: the one place that decides what a dotted name may import, and what of it may be called.

What a person typed may lead to whatever makes a network or a method, but not into Python's own library. What stands in
a file may lead to what this package ships, and to packages that a person allowed by name: docs/security.md.
"""

import inspect
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from os.path import abspath, realpath
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self, TypeVar, get_type_hints

OURS = "tutelage"
SHIPPED = (
    *["tutelage.compress.", "tutelage.losses.", "tutelage.matching.", "tutelage.models.", "tutelage.outputs."],
    *["tutelage.teachers.adapted.", "torch.nn.modules."],
)
"""Where functions make networks of plain values and read no file: modules, with a dot behind them."""
METHODS = "tutelage.methods."
NEEDED = frozenset(
    [
        *["tutelage", "torch", "numpy", "safetensors", "tyro", "rich", "jinja2", "markupsafe", "scipy"],
        *["pyarrow", "PIL", "tensorboard", "torchjd", "onnx", "onnxscript", "onnxruntime"],
    ]
)
"""What this package imports itself: no other module may take such a name, and nothing of it is called undeclared."""
STANDARD = frozenset([*sys.stdlib_module_names, *sys.builtin_module_names, "__main__", "test", "_pyrepl"])

_allowed: frozenset[str] | None = None  # of the whole process: threads that a run starts are restricted as well


class Refused(ValueError):
    """A name leads where none may lead: not that a module fails."""


class NotAllowedError(Refused):
    """What a file names is of packages that nobody allowed: ``args`` are why, which would have to be, and a remedy."""

    def __str__(self) -> str:
        return "{0}; if you trust it: {2}.".format(*self.args)


@contextmanager
def restricted(packages: Collection[str]) -> Iterator[None]:
    """Within, names lead to these packages and to ours alone. Where there are none, nothing is restricted."""
    global _allowed
    before = _allowed
    if packages:
        _allowed = frozenset(packages) if before is None else before & frozenset(packages)
    try:
        yield
    finally:
        _allowed = before


def refuse_package(name: str) -> None:
    """Raise ``ValueError`` for what is not the name of a package that a person could allow."""
    if not name.isidentifier():
        raise Refused(f"A package is allowed by its name alone, such as my_lab; got {name!r}.")
    if name in STANDARD:
        raise Refused(f"{name!r} is of Python's own library, which makes no networks; a package can be allowed.")


def refuse_place(path: str) -> None:
    """Raise ``ValueError``, before anything is imported, for a path that no name may take."""
    names = path.replace(":", ".").split(".")
    if names[0] in STANDARD:
        raise Refused(
            f"{path} leads into Python's own library, where no network, method or recipe is; "
            f"a module of yours needs another name than {names[0]!r}."
        )
    if hidden := [name for name in names if name.startswith("__")]:
        raise Refused(f"{path} leads through {hidden[0]!r}, where no network, method or recipe is.")
    if _allowed is not None and names[0] not in {*_allowed, OURS}:
        raise Refused(_not_allowed(path, names[0]))


def imported(module: str) -> ModuleType:
    """The module of a dotted name that a person typed: an installed one, or one that lies in the current directory.

    That directory is put on the path only where the module is there, and stands last once it is imported: what else
    lies there takes the place of nothing that is installed. Raises ``ValueError`` as ``refuse_place`` does and for a
    name of two modules, and whatever the import raises.
    """
    refuse_place(module)
    root, here = module.partition(".")[0], str(Path.cwd())
    mine, other = PathFinder.find_spec(root, [here]), _spec(root)
    elsewhere = other is not None and (mine is None or _places(other) != _places(mine))
    if root == OURS or mine is None or (elsewhere and mine.origin is None):  # a plain folder is a package only at need
        return import_module(module)
    if root in NEEDED or (elsewhere and other is not None and other.origin is not None):
        where = "tutelage needs a package of that name" if other is None else f"another is in {_places(other)[0]}"
        raise Refused(f"{_places(mine)[0]} is in the way of a module {root}: {where}; rename one of the two.")
    sys.path.insert(0, here)
    try:
        return import_module(module)
    finally:
        sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)


def stored(path: str, allow: Collection[str], folder: Path) -> Any:
    """What stands at ``module:name``, a path out of a file in ``folder``; ``None`` where nothing does.

    Raises ``ValueError``, before anything is imported, for what is neither shipped nor of a package in ``allow``, and
    for a module that lies in ``folder``: nothing in there is ever run. Raises what an allowed module raises.
    """
    module, _, names = path.partition(":")
    root, ours = module.partition(".")[0], is_shipped(module)
    if not all(x.isidentifier() and not x.startswith("__") for x in (*module.split("."), *names.split("."))):
        raise Refused(f"A network is built by a function at a place such as my_lab.nets:small; {path!r} is none.")
    if not ours and root in STANDARD | NEEDED:
        raise Refused(f"{path} is not called: it is none of the functions that build a network from a file.")
    if not ours and root not in allow:
        why = f"{path} builds this network, and is no part of tutelage, so nothing of it was imported"
        packages = sorted({*allow, root})
        raise NotAllowedError(why, packages, f"tutelage.load({str(folder)!r}, allow={packages})")
    found: Any = _imported(module, None if ours else folder)
    for name in names.split("."):
        found = getattr(found, name, None)
    for home in _origin(found)[1]:
        if not is_shipped(home) and home.partition(".")[0] not in {*allow} - STANDARD - NEEDED:
            raise Refused(f"{path} leads to {home}, where nothing builds a network from a file; it is not called.")
    return found


def refuse_other(thing: Any, path: str, made: type, noun: str) -> None:
    """Raise ``ValueError`` unless ``thing``, at a ``path`` that a person typed, is a class or function that makes one.

    A function says so by its annotation; without one it is called if it is a person's own, or its package allowed.
    """
    function, homes = _origin(thing)
    for home in homes:
        root = home.partition(".")[0]
        if root in STANDARD:
            raise Refused(f"{path} leads into Python's own library ({home}), where nothing makes {noun}.")
        if _allowed is not None and not is_shipped(home) and not home.startswith(METHODS):
            if root == OURS:
                raise Refused(f"{path} leads to {home}, which is left out where --from or --allow is given.")
            if root not in _allowed:
                raise Refused(_not_allowed(path, root))
    if not homes or (isinstance(function, type) and not issubclass(function, made)):
        raise Refused(f"{path} is not a function or class that makes {noun}.")
    if isinstance(function, type):
        return
    returns, root = declared(thing, path), homes[0].partition(".")[0]
    if returns is not None and not issubclass(returns, made):
        what = "something else" if returns is object else f"{returns.__name__}"
        raise Refused(f"{path} is declared to return {what}, not {noun}, so it is not called.")
    if returns is None and root in NEEDED:
        raise Refused(f"{path} is not declared to return {noun}, so it is not called; name a function that is.")
    if returns is None and _is_installed(homes[0]) and root not in (_allowed or ()):
        raise Refused(
            f"{path} is not declared to return {noun}, and {root} is none of your own modules; if you trust it, "
            f"--allow {' '.join(sorted({root, *(_allowed or ())} - {OURS}))} calls it all the same."
        )


def declared(thing: Any, path: str) -> type | None:
    """The class that a function is annotated to return, ``object`` if it is none; ``None`` if nothing is said.

    Raises ``ValueError`` for an annotation that cannot be read.
    """
    function = _origin(thing)[0]
    written = getattr(function, "__annotations__", {})
    if "return" not in written:
        return None
    try:
        alone = SimpleNamespace(__annotations__={"return": written["return"]})
        hint = get_type_hints(alone, globalns=getattr(function, "__globals__", {}))["return"]
    except NameError as error:
        raise ValueError(
            f"{path} returns {written['return']!r}, but its module has no {error.name}: import it there."
        ) from None
    except Exception as error:
        raise ValueError(f"{path} returns {written['return']!r}, which cannot be understood: {error}.") from None
    if hint is Any:
        return None
    if hint is Self or isinstance(hint, TypeVar):  # of a class method
        return thing.__self__ if isinstance(getattr(thing, "__self__", None), type) else None
    return hint if isinstance(hint, type) else object


def _origin(thing: Any) -> tuple[Any, list[str]]:
    """The function or class behind partials, methods and wrappers, and the modules that it is of; none for others."""
    for _ in range(100):  # a wrapper may be its own
        if isinstance(thing, partial):
            thing = thing.func
        elif inspect.ismethod(thing):
            thing = thing.__func__
        elif not isinstance(thing, type) and "__wrapped__" in getattr(thing, "__dict__", {}):
            thing = thing.__wrapped__
        else:
            break
    if not isinstance(thing, type) and not inspect.isroutine(thing):
        return thing, []
    homes = [getattr(thing, "__module__", None), getattr(thing, "__globals__", {}).get("__name__")]
    return thing, list(dict.fromkeys(home for home in homes if isinstance(home, str)))


def _imported(module: str, apart_from: Path | None) -> ModuleType | None:
    """The module, imported one part after the other, each only if it does not lie in that folder."""
    found, parts = None, module.split(".")
    for name in (".".join(parts[: n + 1]) for n in range(len(parts))):
        spec = _spec(name)
        if spec is None:
            return None
        if inside := [place for place in _places(spec) if apart_from is not None and _lies_in(place, apart_from)]:
            raise Refused(f"{inside[0]} lies in {apart_from}, of which no code is run; move {parts[0]} elsewhere.")
        found = import_module(name)
    return found


def _spec(module: str) -> ModuleSpec | None:
    """How a module would be imported, without doing so; the package that it is in has been."""
    try:
        return find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None


def _places(spec: ModuleSpec) -> list[str]:
    """The file that a module is, or the folders of a package without code."""
    return [spec.origin] if spec.origin else [str(place) for place in spec.submodule_search_locations or ()]


def _lies_in(place: str, folder: Path) -> bool:
    """Whether any way to ``place`` goes through ``folder``, links included."""
    way = Path(abspath(place))
    return any(Path(realpath(x)).is_relative_to(realpath(folder)) for x in (way, *way.parents))


def is_shipped(path: Any) -> bool:
    """Whether a module, or a function at ``module:name``, is of those that make networks of plain values."""
    return isinstance(path, str) and f"{path.partition(':')[0]}.".startswith(SHIPPED)


def _is_installed(module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


def _not_allowed(path: str, root: str) -> str:
    allowed = sorted({*(_allowed or ())} - {OURS})
    return (
        f"{path} leads to the package {root!r}, and names may lead to {', '.join([*allowed, OURS])} alone; "
        f"if you trust it, add --allow {' '.join([*allowed, root])}."
    )
