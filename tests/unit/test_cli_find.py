"""Recipes by name."""

import sys

import pytest

from tutelage.cli.failures import Usage
from tutelage.cli.find import PLAIN, find, headline, recipes_in


def test_a_dotted_path_finds_a_recipe_with_its_presets():
    recipe, preset = find("fake_recipes:toy")
    assert (recipe.name, preset, list(recipe.presets)) == ("fake_recipes:toy", PLAIN, ["quick", "paper"])
    assert recipe.with_preset("quick").keywords == {"epochs": 1, "temperature": 2.0}
    assert headline(recipe.with_preset("quick")) == "Train one tiny network at a temperature."


def test_a_preset_can_be_named_in_the_path():
    recipe, preset = find("fake_recipes:toy_paper")
    assert (recipe.name, preset) == ("fake_recipes:toy", "paper")


def test_only_public_functions_that_take_a_run_and_then_keywords_are_recipes():
    assert [r.name for r in recipes_in(sys.modules["fake_recipes"], "f")] == ["f:toy", "f:failing"]


def test_a_module_in_the_current_directory_is_found_and_its_partials_of_foreign_recipes_are_recipes(
    tmp_path, monkeypatch
):
    (tmp_path / "my_lab_of_cli_tests.py").write_text(
        "from functools import partial\nfrom fake_recipes import toy\n"
        "cold = partial(toy, temperature=1.0)\ncold_long = partial(cold, epochs=9)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    recipe, _ = find("my_lab_of_cli_tests:cold")
    assert recipe.function.keywords == {"temperature": 1.0}
    assert find("my_lab_of_cli_tests:cold_long")[0].function.keywords == {"temperature": 1.0, "epochs": 9}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("fake_recipes:tyo", ["'tyo'", "did you mean 'toy'", "failing"]),
        ("fake_recipes:zzzzzz", ["recipe(run, *"]),
        ("fake_recipes", ["Which recipe", "fake_recipes:toy"]),
        ("no_such_module:toy", ["no_such_module:toy", "tutelage ls"]),
        ("mnits:hinton", ["did you mean 'mnist:hinton'"]),
        ("", ["no recipe"]),
        ("fake_recipes:_private", ["no recipe '_private'"]),
    ],
)
def test_a_recipe_that_is_not_there_is_answered_with_what_is(path, said):
    with pytest.raises(Usage) as refusal:
        find(path)
    assert all(word in str(refusal.value) for word in said), refusal.value


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(Usage, match=r"did you mean 'quick'.*quick, paper"):
        find("fake_recipes:toy")[0].with_preset("quikc")


def test_a_module_that_fails_to_import_something_else_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_of_cli_tests.py").write_text("import no_such_dependency\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        find("broken_of_cli_tests:x")
