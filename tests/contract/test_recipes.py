"""What every recipe must offer and leave behind, checked for every recipe that ships (found, not listed)."""

import inspect

import pytest

from tutelage.cli.find import headline
from tutelage.cli.flags import flags_of, leaves, root
from tutelage.cli.recipe import Recipe, recipes_in, shipped
from tutelage.methods.by_name import expanded, method
from tutelage.report.experiment import question_in
from tutelage.run import Run
from tutelage.study.dotted import flattened, unflattened

SHIPPED = [recipe for name, module in shipped().items() for recipe in recipes_in(module, name)]
OWN = [recipe for recipe in SHIPPED if recipe.module == "own"]
"""Those that a person brings a network and data to: no preset has these, and no paper its figures."""
RECIPES = [recipe for recipe in SHIPPED if recipe not in OWN]
WRITTEN = list({root(recipe.function): recipe for recipe in reversed(RECIPES)}.values())[::-1]
"""One recipe a function: its variations differ in the defaults of their flags alone."""


def explains_every_flag(recipe: Recipe) -> None:
    silent = [flag.name for flag in leaves(flags_of(recipe.function)) if not flag.help]
    assert not silent, f"{recipe.name} does not say what {silent} mean"


def has_the_three_presets(recipe: Recipe) -> None:
    assert {"smoke", "paper"} < recipe.presets.keys(), f"{recipe.name} lacks a preset"  # and one for minutes


def cites_its_source(recipe: Recipe) -> None:
    assert "arXiv" in (inspect.getmodule(root(recipe.function)).PAPER), f"{recipe.name} names no source"


def asks_its_question(recipe: Recipe) -> None:
    question = question_in(headline(recipe.function))
    assert question.endswith("?") and len(question) <= 80, f"the first line of {recipe.name} asks no short question"


LAWS = [explains_every_flag, has_the_three_presets, cites_its_source, asks_its_question]


def test_a_variation_names_methods_that_there_are():
    for recipe in RECIPES:
        for preset in (recipe.function, *recipe.presets.values()):
            for name in expanded(next((flag.default for flag in flags_of(preset) if flag.name == "methods"), ())):
                method(name)


def test_there_are_recipes():
    assert len(RECIPES) >= 12


@pytest.mark.parametrize("recipe", OWN, ids=lambda recipe: recipe.name)
def test_what_takes_data_of_ones_own_explains_every_flag_too(recipe):
    explains_every_flag(recipe)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_keeps_the_law(recipe, law):
    law(recipe)


def test_a_recipe_that_breaks_the_laws_is_caught():
    def careless(run, *, epochs: int = 1) -> None:
        """Does something."""

    recipe = Recipe("lab:careless", careless, {"smoke": careless})
    for law in LAWS:
        with pytest.raises((AssertionError, AttributeError)):
            law(recipe)


def numbers_of(recipe: Recipe) -> dict[str, float]:
    """Every flag of the smoke preset that is a number, but for seeds."""
    flat = flattened({flag.name: flag.default for flag in flags_of(recipe.with_preset("smoke"))})
    return {name: x for name, x in flat.items() if type(x) in (int, float) and "seed" not in name}


@pytest.mark.parametrize("recipe", WRITTEN, ids=lambda recipe: recipe.name)
@pytest.mark.parametrize("nonsense", [-1, float("nan")])  # others are in test_bounds, of the same check
def test_a_number_that_makes_no_sense_is_refused_before_anything_is_trained(recipe, nonsense, tmp_path):
    preset = recipe.with_preset("smoke")
    settings = {flag.name: flag.default for flag in flags_of(preset)}
    numbers = numbers_of(recipe)
    assert len(numbers) > 5
    with Run(recipe.name, "smoke", root=tmp_path, device="cpu") as run:
        for name in numbers:
            spelled = f"--{name}".replace("_", "-")
            with pytest.raises(ValueError, match=f"^{spelled} must be .*got"):
                preset(run, **unflattened(settings, {name: nonsense}))
    assert not (tmp_path / "stages").exists()


@pytest.mark.parametrize("recipe", WRITTEN, ids=lambda recipe: recipe.name)
def test_what_has_to_be_there_is_not_zero(recipe, tmp_path):
    preset = recipe.with_preset("smoke")
    settings = {flag.name: flag.default for flag in flags_of(preset)}
    may_be = (
        "label",
        "validation",
        "jittered_epochs",
        "views",
        "weight_decay",
        "cache_views",
        "size",
        "rounds",
        "train",
    )
    numbers = [name for name in numbers_of(recipe) if not name.endswith(may_be)]
    with Run(recipe.name, "smoke", root=tmp_path, device="cpu") as run:
        for name in numbers:
            with pytest.raises(ValueError, match="got 0"):
                preset(run, **unflattened(settings, {name: 0}))
    assert not (tmp_path / "stages").exists()
