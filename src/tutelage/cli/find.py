"""Recipes by name: ``mnist:hinton`` is ours, ``my_lab.runs:kd_t4`` is any function that can be imported from here."""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.abc import InspectLoader
from pathlib import Path
from pkgutil import iter_modules
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

import tutelage.recipes
from tutelage.calls import module_of, reason
from tutelage.cli.docstrings import docstring, prose_of
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


def first_recipe(words: Sequence[str], verb: str) -> tuple[str, list[str]]:
    """The path that the words begin with, and the others."""
    if not words or words[0].startswith("-"):
        raise Usage(f"which recipe? It comes first: tutelage {verb} RECIPE [flags]; `tutelage ls` lists them.")
    return words[0], list(words[1:])


def find(path: str) -> tuple[Recipe, str]:
    """The recipe at ``module:function``, and the preset that the path names (``mnist:hinton_quick``) or its own.

    Shipped modules go by their short name. ``Usage`` with the nearest name if there is none such.
    """
    short, _, attribute = path.partition(":")
    home = _module_of_ours(short, attribute)
    if home is not None and (chosen := _chosen(path, _by_name(home, short))):
        return chosen
    recipes = _by_name(module_named(short, path), short)
    if chosen := _chosen(path, recipes):
        return chosen
    known = [*recipes, *(f"{recipe}_{preset}" for recipe in recipes for preset in recipes[recipe].presets)]
    if not attribute:
        raise Usage(f"Which recipe of {short}? There are {', '.join(f'{short}:{name}' for name in recipes) or 'none'}.")
    hint = did_you_mean(attribute, known) or ": a recipe is a function recipe(run, *, flag: type = default)."
    raise Usage(f"{short} has no recipe {attribute!r}{hint} It has {', '.join(recipes) or 'none'}.")


def _by_name(module: ModuleType, short: str) -> dict[str, Recipe]:
    return {recipe.name.partition(":")[2]: recipe for recipe in recipes_in(module, short)}


def _chosen(path: str, recipes: Mapping[str, Recipe]) -> tuple[Recipe, str] | None:
    if recipe := recipes.get(path.partition(":")[2]):
        return recipe, recipe.own_preset
    named = ((recipe, preset) for recipe in recipes.values() for preset in recipe.presets)
    return next(((recipe, preset) for recipe, preset in named if path == f"{recipe.name}_{preset}"), None)


def _module_of_ours(short: str, attribute: str) -> ModuleType | None:
    """The module of our package ``short`` that binds the name: the others need be neither parsed nor imported for it.

    Ours have no two recipes of one name, and can all be imported; in a package of somebody else that is looked at.
    """
    folder = Path(tutelage.recipes.__path__[0]) / short
    if not (short.isidentifier() and attribute.isidentifier() and folder.is_dir()):
        return None
    binds = re.compile(rf"^(def {attribute}\(|{attribute} = partial\()", re.MULTILINE)
    homes = [file.stem for file in sorted(folder.glob("[!_]*.py")) if binds.search(file.read_text("utf-8"))]
    return import_module(f"{tutelage.recipes.__name__}.{short}.{homes[0]}") if homes else None


def recipes_in(module: ModuleType, short: str) -> Iterator[Recipe]:
    """The recipes of a module in the order of its lines, or of the modules in a package in the order of their names.

    Modules of a package that define none are not even imported. ``Usage`` for two recipes of one name, and
    for a module that cannot be read or imported.
    """
    seen: dict[str, Experiment] = {}
    for part in [module, *(_module_of(name, short) for name in modules_with_recipes(module))]:
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


def module_named(short: str, asked: str = "") -> ModuleType:
    """A module of recipes: ours by its short name, any other by its dotted path, from the current directory on.

    ``Usage`` where there is none, and, with what failed, for one that cannot be imported.
    """
    if short in (ours := shipped()):
        return ours[short]
    if all(part.isidentifier() for part in short.split(".")):
        try:
            return _module_of(short, asked or short)
        except Usage as failure:
            missing = failure.__cause__
            if not isinstance(missing, ModuleNotFoundError) or not f"{short}.".startswith(f"{missing.name}."):
                raise  # the module is there, and fails or imports something that is not
    names = [recipe.name for name, module in ours.items() for recipe in recipes_in(module, name)]
    hint = did_you_mean(asked or short, names) or "; `tutelage ls` lists ours, module:function finds your own."
    raise Usage(f"There is no recipe {asked or short!r}{hint}")


def _module_of(name: str, asked: str) -> ModuleType:
    try:
        return module_of(name, asked)
    except ValueError as failure:  # begins with a name that may be a folder's as well: it is no matter of files
        raise Usage(str(failure)) from failure.__cause__


def headline(thing: object) -> str:
    """The first line of a docstring; of a partial without its own, that of its function."""
    return docstring(thing).partition("\n")[0]


def purpose(name: str) -> str:
    """The docstring, without its ``Args:``, of the recipe of ours that a file names; nothing for any other recipe.

    A name in a file never leads to code of somebody else.
    """
    ours = ((short, module) for short, module in shipped().items() if short == name.partition(":")[0])
    found = (recipe for short, module in ours for recipe in recipes_in(module, short))
    return next((prose_of(recipe.function) for recipe in found if recipe.name == name), "")


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
