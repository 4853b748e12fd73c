"""What is a recipe: a function of ``run`` and flags in a module, with its presets; which of them ship with us."""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.abc import InspectLoader
from pkgutil import iter_modules
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

import tutelage.recipes
from tutelage.calls import module_of, reason
from tutelage.cli.failures import Usage, did_you_mean
from tutelage.study.dotted import root

Experiment: TypeAlias = Callable[..., Any]

PLAIN = "default"
"""The preset of a recipe that is run with its own defaults. Where its module has a ``PAPER``, they are ``paper``."""


@dataclass(frozen=True)
class Recipe:
    """An experiment, and its presets: partials of it in the same module, named ``<recipe>_<preset>``.

    The experiment may itself be a partial of another one, with a docstring of its own: a variation of it. Its own
    defaults are a preset, too, called ``own_preset``.
    """

    name: str
    function: Experiment
    presets: Mapping[str, Experiment]
    own_preset: str = PLAIN

    @property
    def listed(self) -> list[str]:
        """The names of its presets as people read them: its own defaults, the longest run, come last."""
        return [*(preset for preset in self.presets if preset != self.own_preset), self.own_preset]

    @property
    def module(self) -> str:
        return self.name.partition(":")[0]

    @property
    def is_shipped(self) -> bool:
        """Whether it comes with this package, and so goes by a short name."""
        return self.module in shipped()

    def with_preset(self, preset: str) -> Experiment:
        """The experiment with the preset's defaults. ``Usage`` if there is no such preset."""
        if preset not in self.presets:
            known = ", ".join(self.listed)
            raise Usage(
                f"{self.name} has no preset {preset!r}{did_you_mean(preset, self.presets) or '.'} Its presets: {known}."
            )
        return self.presets[preset]


def recipes_in(module: ModuleType, short: str) -> Iterator[Recipe]:
    """The recipes of a module in the order of its lines, or of the modules in a package in the order of their names.

    Modules of a package that define none are not even imported. ``Usage`` for two recipes of one name, and
    for a module that cannot be read or imported.
    """
    seen: dict[str, Experiment] = {}
    for part in [module, *(imported_for(name, short) for name in modules_with_recipes(module))]:
        for recipe in _recipes_of(part, short):
            if recipe.name not in seen:
                yield recipe
            elif seen[recipe.name] is not recipe.function:  # otherwise one module has it from the other
                raise Usage(f"There are two recipes {recipe.name}, the second in {part.__name__}; rename one of them.")
            seen[recipe.name] = recipe.function


def _recipes_of(module: ModuleType, short: str) -> Iterator[Recipe]:
    named = {name: thing for name, thing in vars(module).items() if _is_recipe(thing) and not name.startswith("_")}
    here = {name: thing for name, thing in named.items() if _is_defined_in(module, thing)}
    presets = {name: _preset_of(name, here) for name in here}
    for name in [name for name in here if presets[name] is None]:
        mine = {preset: here[full] for full, (base, preset) in _pairs(presets) if base == name}
        yield _recipe(f"{short}:{name}", here[name], mine, repeats_a_paper="PAPER" in vars(module))


def _recipe(name: str, function: Experiment, presets: Mapping[str, Experiment], *, repeats_a_paper: bool) -> Recipe:
    """The recipe, whose own defaults are called ``paper`` or ``default`` if no preset has the very same."""
    same = [preset for preset, x in presets.items() if inspect.signature(x) == inspect.signature(function)]
    own = [*same, "paper" if repeats_a_paper and "paper" not in presets else PLAIN][0]
    return Recipe(name, function, {own: function, **presets}, own)


def modules_with_recipes(package: ModuleType) -> list[str]:
    """Dotted names of the modules in a package whose source has a function that takes ``run`` alone, or a partial.

    ``Usage`` for a source that cannot be read.
    """
    found = []
    for info in iter_modules(getattr(package, "__path__", ())):
        spec = info.module_finder.find_spec(f"{package.__name__}.{info.name}", None)
        if spec is not None and isinstance(spec.loader, InspectLoader) and not info.name.startswith("_"):
            try:
                tree = ast.parse(spec.loader.get_source(spec.name) or "", spec.origin or info.name)
            except Exception as failure:  # whatever is wrong with a source
                raise Usage(
                    f"{package.__name__} cannot be searched for recipes: {spec.name} ends in {reason(failure)}; "
                    "mend that, or name the module that the recipe is in."
                ) from failure
            found += [spec.name] if any(map(_may_be_recipe, tree.body)) and not info.ispkg else []
    return sorted(found)


def _may_be_recipe(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        positional = [x.arg for x in (*node.args.posonlyargs, *node.args.args)]
        return positional == ["run"] and not node.name.startswith("_")
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    return isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] == "partial"


@cache
def shipped() -> dict[str, ModuleType]:
    """The recipe modules and packages of this package, by their short names. Those beside them without any are not."""
    here = tutelage.recipes
    packages = [f"{here.__name__}.{info.name}" for info in iter_modules(here.__path__) if info.ispkg]
    packages = [package for package in packages if modules_with_recipes(import_module(package))]
    names = sorted([*packages, *modules_with_recipes(here)])
    return {name.rpartition(".")[2]: import_module(name) for name in names}


def imported_for(name: str, asked: str) -> ModuleType:
    """The module of that name; ``Usage``, with what failed, where it cannot be imported for what was ``asked``."""
    try:
        return module_of(name, asked)
    except ValueError as failure:  # begins with a name that may be a folder's as well: it is no matter of files
        raise Usage(str(failure)) from failure.__cause__


def _is_recipe(thing: Any) -> bool:
    """A function, or a partial of one, that takes ``run`` and then keywords only; ``Usage`` for a wrong partial."""
    if not isinstance(root(thing), FunctionType):
        return False
    try:
        first, *others = inspect.signature(thing).parameters.values() or [None]
    except ValueError:  # of a partial with arguments that there are not
        if thing is root(thing) or not _is_recipe(root(thing)):
            return False
        name = f"{root(thing).__module__}:{root(thing).__name__}"
        raise Usage(f"A partial of {name} gives it arguments that it does not take: {thing.keywords}.") from None
    flags = all(p.kind is p.KEYWORD_ONLY for p in others if p is not None)
    return first is not None and first.name == "run" and first.kind is not first.KEYWORD_ONLY and flags


def _is_defined_in(module: ModuleType, thing: Any) -> bool:
    """Whether it is not just imported from where its function is written; a partial does not know its module."""
    home = sys.modules.get(root(thing).__module__, module)
    return home is module or all(thing is not other for other in vars(home).values())


def _preset_of(name: str, named: Mapping[str, Any]) -> tuple[str, str] | None:
    alike = [base for base in named if root(named[base]) is root(named[name]) and name.startswith(f"{base}_")]
    base = min(alike, key=len, default=None)
    return (base, name.removeprefix(f"{base}_")) if base else None


def _pairs(presets: Mapping[str, tuple[str, str] | None]) -> list[tuple[str, tuple[str, str]]]:
    return [(full, pair) for full, pair in presets.items() if pair is not None]
