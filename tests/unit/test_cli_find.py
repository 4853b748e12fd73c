"""Recipes by name."""

import sys
from types import ModuleType

import pytest

from contract.test_recipes import SHIPPED
from tutelage.cli.failures import USAGE, Usage, exit_code
from tutelage.cli.find import find, headline, module_named
from tutelage.cli.flags import flags_of
from tutelage.cli.recipe import PLAIN, recipes_in


def test_a_dotted_path_finds_a_recipe_with_its_presets():
    recipe, preset = find("fake_recipes:toy")
    assert (recipe.name, preset, list(recipe.presets)) == ("fake_recipes:toy", PLAIN, ["default", "quick", "paper"])
    assert recipe.with_preset("quick").keywords == {"epochs": 1, "temperature": 2.0}
    assert headline(recipe.with_preset("quick")) == "Train one tiny network at a temperature."


def test_a_preset_can_be_named_in_the_path():
    recipe, preset = find("fake_recipes:toy_paper")
    assert (recipe.name, preset) == ("fake_recipes:toy", "paper")


@pytest.mark.parametrize("recipe", SHIPPED, ids=lambda recipe: recipe.name)
def test_a_recipe_of_ours_is_found_by_its_name_without_the_other_modules(recipe, monkeypatch):
    monkeypatch.setattr("tutelage.cli.recipe.modules_with_recipes", lambda _package: [])
    monkeypatch.setattr("tutelage.cli.find.shipped", lambda: pytest.fail("all of them were looked at"))
    assert find(recipe.name) == (recipe, recipe.own_preset)
    for preset in recipe.presets.keys() - {recipe.own_preset}:
        assert find(f"{recipe.name}_{preset}") == (recipe, preset)


def test_only_public_functions_that_take_a_run_and_then_keywords_are_recipes():
    assert [r.name for r in recipes_in(sys.modules["fake_recipes"], "f")] == ["f:toy", "f:pair", "f:failing"]


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
    recipe, preset = find("my_lab_of_cli_tests:cold_long")
    assert (recipe.name, preset) == ("my_lab_of_cli_tests:cold", "long")
    assert recipe.with_preset(preset).keywords == {"temperature": 1.0, "epochs": 9}


PACKAGE = {
    "__init__": "'''Two experiments.\n\nMore about them.'''\nfrom {me}.b_second import second, second_smoke\n",
    "b_second": "PAPER = 'somebody'\ndef second(run, *, seed: int = 0):\n    'The second.'\n"
    "from functools import partial\nsecond_smoke = partial(second, seed=1)\n",
    "a_first": "from functools import partial\nfrom fake_recipes import toy\nfrom {me}.b_second import second\n"
    "first = partial(toy, seed=3)\nfirst_quick = partial(first, epochs=1)\n",
    "nets": "raise ImportError('a module without recipes is not imported')\n"
    "def net(run, images, *, width: int = 1): ...\ndef _hidden(run, *, width: int = 1): ...\n",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The name of a package of recipes that lies in the current directory."""
    name = f"lab_{tmp_path.name}"
    (tmp_path / name).mkdir()
    for module, source in PACKAGE.items():
        (tmp_path / name / f"{module}.py").write_text(source.format(me=name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def test_the_recipes_of_a_package_are_those_of_its_modules_in_the_order_of_their_names(package):
    recipes = list(recipes_in(module_named(package), package))
    assert [recipe.name for recipe in recipes] == [f"{package}:first", f"{package}:second"]
    assert [list(recipe.presets) for recipe in recipes] == [["default", "quick"], ["paper", "smoke"]]
    assert headline(module_named(package)) == "Two experiments."
    assert find(f"{package}:first_quick")[1] == "quick"
    assert find(f"{package}.b_second:second")[0].function is find(f"{package}:second")[0].function


def test_two_recipes_of_one_name_in_a_package_are_refused(package, tmp_path):
    (tmp_path / package / "c_third.py").write_text("def first(run, *, seed: int = 0): ...\n")
    with pytest.raises(Usage, match=r"two recipes .*:first, the second in .*c_third"):
        find(f"{package}:first")


@pytest.mark.parametrize(
    ("source", "own", "presets"),
    [
        ("", "default", ["default"]),
        ("PAPER = 'a paper'", "paper", ["paper"]),
        ("mine_paper = partial(mine)", "paper", ["paper"]),
        ("mine_full = partial(mine, seed=0)", "full", ["full"]),
        ("mine_paper = partial(mine, seed=9)", "default", ["default", "paper"]),
        ("PAPER = 'a paper'; mine_paper = partial(mine, seed=9)", "default", ["default", "paper"]),
        ("PAPER = 'a paper'; mine_smoke = partial(mine, seed=9)", "paper", ["paper", "smoke"]),
    ],
)
def test_a_recipes_own_defaults_are_one_preset_and_have_one_name(source, own, presets):
    module = ModuleType("mine")
    exec("from functools import partial\ndef mine(run, *, seed: int = 0): ...\n" + source, vars(module))
    (recipe,) = recipes_in(module, "mine")
    assert (recipe.own_preset, list(recipe.presets)) == (own, presets)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("fake_recipes:tyo", ["'tyo'", "did you mean 'toy'", "failing"]),
        ("fake_recipes:zzzzzz", ["recipe(run, *"]),
        ("fake_recipes", ["Which recipe", "fake_recipes:toy"]),
        ("no_such_module:toy", ["no_such_module:toy", "tutelage ls"]),
        ("mnits:hinton", ["did you mean 'mnist:hinton'"]),
        ("", ["no recipe"]),
        ("../../etc/passwd", ["no recipe '../../etc/passwd'"]),
        (".fake_recipes:toy", ["no recipe", "fake_recipes:toy"]),
        ("fake_recipes.absent:toy", ["no recipe 'fake_recipes.absent:toy'"]),
        ("fake_recipes:_private", ["no recipe '_private'"]),
    ],
)
def test_a_recipe_that_is_not_there_is_answered_with_what_is(path, said):
    with pytest.raises(Usage) as refusal:
        find(path)
    assert all(word in str(refusal.value) for word in said), refusal.value


def test_an_unknown_preset_is_answered_with_the_nearest():
    with pytest.raises(Usage, match=r"did you mean 'quick'.*quick, paper, default"):
        find("fake_recipes:toy")[0].with_preset("quikc")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_dependency", "broken_of_cli_tests needs the module 'no_such_dependency'; .* pip install"),
        (
            "x = 1 / 0",
            r"broken_of_cli_tests ends in ZeroDivisionError: division by zero \(broken_of_cli_tests.py, line 1",
        ),
        ("def f(:", "ends in SyntaxError"),
        ("raise SystemExit(3)", "ends in SystemExit: 3"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused_with_what_failed(tmp_path, monkeypatch, source, said):
    (tmp_path / "broken_of_cli_tests.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ValueError, match=f"^broken_of_cli_tests:x cannot be imported: .*{said}") as refused:
        find("broken_of_cli_tests:x")
    assert exit_code(refused.value) == USAGE


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("print 'of another Python'", "cannot be searched for recipes: .*old ends in SyntaxError"),
        ("x = '\0'", "cannot be searched for recipes: .*old ends in (SyntaxError|ValueError)"),
        ("# coding: nothing", "cannot be searched for recipes: .*old ends in "),
        ("raise RuntimeError('boom')\ndef old(run): ...", "cannot be imported: .*old ends in RuntimeError: boom"),
        ("import no_such_dependency\ndef old(run): ...", "cannot be imported: .*old needs the module 'no_such_depend"),
    ],
)
def test_a_module_of_a_package_that_cannot_be_read_or_imported_is_a_mistake_in_the_command(
    package, tmp_path, source, said
):
    (tmp_path / package / "old.py").write_text(source)
    with pytest.raises(Usage, match=f"^{package}.* {said}"):
        find(f"{package}:first")
    assert find(f"{package}.a_first:first")  # as the sentence advises


def test_a_package_with_a_module_that_does_not_say_where_it_is_from_is_searched(package, monkeypatch):
    without = ModuleType(f"{package}.nets")
    without.__spec__ = None
    monkeypatch.setitem(sys.modules, without.__name__, without)
    assert find(f"{package}:first")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("r_quick = partial(r, nothing=1)", "A partial of .*:r gives it arguments that it does not take"),
        ("r_quick = partial(r, 1, 2)", "A partial of .*:r gives it arguments that it does not take"),
        ("def r(run, *, seed): ...", "The flag seed of .*:r needs a type or a default, as in seed: int = 0"),
        ("def r(run, *, seed: 'Nobody' = 1): ...", "has a flag of the type 'Nobody', which its module lacks"),
    ],
)
def test_a_recipe_that_is_written_wrong_is_said_to_be(tmp_path, monkeypatch, source, said):
    name = f"wrong_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(
        "from functools import partial\ndef r(run, *, seed: int = 0): ...\n"
        f"other = partial(sorted, 1, 2, 3)\n{source}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ValueError, match=said) as refused:
        flags_of(find(f"{name}:r")[0].function)
    assert exit_code(refused.value) == USAGE
