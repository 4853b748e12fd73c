"""Recipes by name: ``mnist:hinton`` is ours, ``my_lab.runs:kd_t4`` is any function that can be imported from here."""

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import tutelage.recipes
from tutelage.cli.docstrings import docstring, prose_of
from tutelage.cli.failures import Usage, did_you_mean
from tutelage.cli.recipe import Recipe, imported_for, recipes_in, shipped


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


def module_named(short: str, asked: str = "") -> ModuleType:
    """A module of recipes: ours by its short name, any other by its dotted path, from the current directory on.

    ``Usage`` where there is none, and, with what failed, for one that cannot be imported.
    """
    if short in (ours := shipped()):
        return ours[short]
    if all(part.isidentifier() for part in short.split(".")):
        try:
            return imported_for(short, asked or short)
        except Usage as failure:
            missing = failure.__cause__
            if not isinstance(missing, ModuleNotFoundError) or not f"{short}.".startswith(f"{missing.name}."):
                raise  # the module is there, and fails or imports something that is not
    names = [recipe.name for name, module in ours.items() for recipe in recipes_in(module, name)]
    hint = did_you_mean(asked or short, names) or "; `tutelage ls` lists ours, module:function finds your own."
    raise Usage(f"There is no recipe {asked or short!r}{hint}")


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
