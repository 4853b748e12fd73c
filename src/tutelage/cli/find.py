"""Recipes by name: ``mnist:hinton`` is ours, ``my_lab.runs:kd_t4`` is any function that can be imported from here."""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

import tutelage.recipes
from tutelage.cli.failures import Usage, did_you_mean
from tutelage.cli.flags import docstring, root

Experiment: TypeAlias = Callable[..., Any]

PLAIN = "default"
"""The preset of a recipe that is run with the defaults of its own signature."""


@dataclass(frozen=True)
class Recipe:
    """An experiment, and its presets: partials of it in the same module, named ``<recipe>_<preset>``.

    The experiment may itself be a partial of another one, with a docstring of its own: a variation of it.
    """

    name: str
    function: Experiment
    presets: Mapping[str, Experiment]

    @property
    def module(self) -> str:
        return self.name.partition(":")[0]

    def with_preset(self, preset: str) -> Experiment:
        """The experiment with the preset's defaults. ``Usage`` if there is no such preset."""
        if preset == PLAIN and PLAIN not in self.presets:
            return self.function
        if preset not in self.presets:
            known = ", ".join(self.presets) or "none"
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
    """The recipe at ``module:function``, and the preset that the path names (``mnist:hinton_quick``) or ``PLAIN``.

    Shipped modules go by their short name. ``Usage`` with the nearest name if there is none such.
    """
    short, _, attribute = path.partition(":")
    module = module_named(short, path)
    recipes = {recipe.name.partition(":")[2]: recipe for recipe in recipes_in(module, short)}
    if attribute in recipes:
        return recipes[attribute], PLAIN
    for recipe in recipes.values():
        for preset in recipe.presets:
            if path == f"{recipe.name}_{preset}":
                return recipe, preset
    known = [*recipes, *(f"{recipe}_{preset}" for recipe in recipes for preset in recipes[recipe].presets)]
    if not attribute:
        raise Usage(f"Which recipe of {short}? There are {', '.join(f'{short}:{name}' for name in recipes) or 'none'}.")
    hint = did_you_mean(attribute, known) or ": a recipe is a function recipe(run, *, flag: type = default)."
    raise Usage(f"{short} has no recipe {attribute!r}{hint} It has {', '.join(recipes) or 'none'}.")


def recipes_in(module: ModuleType, short: str) -> Iterator[Recipe]:
    """What ``module`` defines as recipes, in the order of its lines, each with its presets."""
    named = {name: thing for name, thing in vars(module).items() if _is_recipe(thing) and not name.startswith("_")}
    own = [name for name, thing in named.items() if getattr(root(thing), "__module__", "") == module.__name__]
    presets = {name: _preset_of(name, named) for name in own}
    partials = [name for name, thing in named.items() if isinstance(thing, partial) and not presets.get(name)]
    for name in [name for name in own if isinstance(named[name], FunctionType)] + partials:
        mine = {preset: named[full] for full, (base, preset) in _pairs(presets) if base == name}
        yield Recipe(f"{short}:{name}", named[name], mine)


def shipped() -> dict[str, ModuleType]:
    """The recipe modules of this package, by their short names. Packages beside them hold what recipes share."""
    names = [info.name for info in iter_modules(tutelage.recipes.__path__) if not info.ispkg]
    return {name: import_module(f"tutelage.recipes.{name}") for name in names}


def module_named(short: str, asked: str = "") -> ModuleType:
    """A module of recipes: ours by its short name, any other by its dotted path, from the current directory on."""
    if short in (ours := shipped()):
        return ours[short]
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return import_module(short)
    except (ModuleNotFoundError, ValueError) as missing:
        if isinstance(missing, ModuleNotFoundError) and not f"{short}.".startswith(f"{missing.name}."):
            raise  # the module is there, and imports something that is not
    names = [recipe.name for name, module in ours.items() for recipe in recipes_in(module, name)]
    hint = did_you_mean(asked or short, names) or "; `tutelage ls` lists ours, module:function finds your own."
    raise Usage(f"There is no recipe {asked or short!r}{hint}")


def headline(thing: object) -> str:
    """The first line of a docstring; of a partial without its own, that of its function."""
    return docstring(thing).partition("\n")[0]


def _is_recipe(thing: Any) -> bool:
    """A function, or a partial of one, that takes ``run`` and then keyword arguments only."""
    if not isinstance(root(thing), FunctionType):
        return False
    first, *others = inspect.signature(thing).parameters.values() or [None]
    flags = all(p.kind is p.KEYWORD_ONLY for p in others if p is not None)
    return first is not None and first.name == "run" and first.kind is not first.KEYWORD_ONLY and flags


def _preset_of(name: str, named: Mapping[str, Any]) -> tuple[str, str] | None:
    alike = [base for base in named if root(named[base]) is root(named[name]) and name.startswith(f"{base}_")]
    base = min(alike, key=len, default=None)
    return (base, name.removeprefix(f"{base}_")) if base else None


def _pairs(presets: Mapping[str, tuple[str, str] | None]) -> list[tuple[str, tuple[str, str]]]:
    return [(full, pair) for full, pair in presets.items() if pair is not None]
