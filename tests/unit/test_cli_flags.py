"""A recipe's signature as flags."""

from functools import partial
from pathlib import Path

import pytest

import fake_recipes
from tutelage.cli.common import Common
from tutelage.cli.docstrings import meanings_in, prose_of
from tutelage.cli.failures import Usage
from tutelage.cli.flags import flags_of, parse


def parsed(words, recipe=fake_recipes.toy):
    return parse(flags_of(recipe), Common, words, prog="tutelage run fake:toy", description="")


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ([], "temperature", 4.0),
        (["--temperature", "2.5"], "temperature", 2.5),
        (["--temperature=-3"], "temperature", -3.0),
        (["--temperature", "1", "--temperature", "2"], "temperature", 2.0),
        (["--epochs", "7"], "epochs", 7),
        (["--widths", "1", "2", "3"], "widths", (1, 2, 3)),
        (["--widths"], "widths", ()),
        (["--betas", "-1", "0.5"], "betas", (-1.0, 0.5)),
        (["--kind", "hard"], "kind", "hard"),
        (["--jitter"], "jitter", True),
        (["--no-jitter"], "jitter", False),
        (["--limit", "5"], "limit", 5),
        (["--limit", "None"], "limit", None),
        (["--teacher", "a/b"], "teacher", Path("a/b")),
    ],
)
def test_words_become_values_of_the_annotated_type(words, name, value):
    assert parsed(words)[0][name] == value


def test_a_value_and_the_words_for_it_are_the_same_thing():
    values = {
        "temperature": -2.5,
        "epochs": 7,
        "widths": (1, 2),
        "betas": (-1.0, 0.5),
        "kind": "hard",
        "jitter": True,
        "limit": None,
        "teacher": Path("-odd name"),
        "pause": 0.0,
        "seed": 3,
    }
    words = [word for flag in flags_of(fake_recipes.toy) for word in flag.words(values[flag.name])]
    assert parsed(words)[0] == values


def test_the_flags_of_every_run_are_kept_apart_from_those_of_the_recipe():
    arguments, common = parsed(["--seed", "3", "--runs", "here", "--exact", "--threads", "1"])
    assert arguments["seed"] == 3
    assert "runs" not in arguments
    assert (common.runs, common.exact, common.threads) == (Path("here"), True, 1)


def test_a_partial_has_the_flags_of_its_function_with_its_own_defaults():
    flags = {flag.name: flag.default for flag in flags_of(partial(fake_recipes.toy, temperature=1.5))}
    assert flags["temperature"] == 1.5
    assert flags["epochs"] == 3


def test_flags_are_explained_by_the_args_list_of_the_docstring_and_the_rest_of_it_describes_the_recipe():
    flags = {flag.name: flag.help for flag in flags_of(fake_recipes.toy)}
    assert flags["temperature"] == "softness of the targets, above 0"
    assert flags["epochs"] == "how often the data is shown"
    assert flags["kind"] == ""
    assert prose_of(fake_recipes.toy).endswith("which the help shows.")
    assert meanings_in("No list.") == {}


def test_help_shows_defaults_explanations_and_both_groups(capsys):
    with pytest.raises(SystemExit) as end:
        parsed(["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ["softness of the targets", "default: 4.0", "options", "common options"])


def test_help_says_none_where_nothing_is_given_and_names_the_type_of_what_may_be_left_out(capsys):
    def recipe(run, *, layers: tuple[str, ...] = (), limit: int | None = None, file: Path | None = None) -> None: ...

    with pytest.raises(SystemExit):
        parsed(["--help"], recipe)
    said = capsys.readouterr().out
    assert "(default: none)" in said and "(default: )" not in said
    assert "--limit INT" in said and "--file PATH" in said and "{None}" not in said
    assert parsed(["--layers", "a", "--limit", "None"], recipe)[0] == {"layers": ("a",), "limit": None, "file": None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--temprature", "3"], ["--temprature", "did you mean '--temperature'", "--help"]),
        (["--temperature", "x"], ["--temperature takes a number; got 'x'."]),
        (["--temperature=hot"], ["--temperature takes a number; got 'hot'."]),
        (["--limit", "few"], ["--limit takes a whole number; got 'few'."]),
        (["--threads", "many"], ["--threads takes a whole number; got 'many'."]),
        (["--betas", "1", "x"], ["--betas takes numbers; got 'x'."]),
        (["--widths", "1", "2.5", "--seed", "x"], ["--widths takes whole numbers; got '2.5'."]),
        (["--temperature"], ["--temperature", "1 value"]),
        (["--kind", "medium"], ["--kind must be one of soft, hard; got 'medium'."]),
        (["--betas", "1"], ["--betas", "2 values"]),
        (["stray"], ["stray"]),
        (["--epochs", "1.5"], ["--epochs takes a whole number; got '1.5'."]),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(words, said, capsys):
    with pytest.raises(Usage) as refusal:
        parsed(words)
    text = str(refusal.value)
    assert all(word in text for word in said), text
    assert "\n" not in text
    assert "│" not in text
    assert capsys.readouterr().err == ""


def test_a_flag_without_a_default_has_to_be_given():
    def recipe(run, *, teacher: str) -> None: ...

    assert parsed(["--teacher", "big"], recipe)[0] == {"teacher": "big"}
    with pytest.raises(Usage, match="--teacher"):
        parsed([], recipe)


def test_a_recipe_must_not_take_the_name_of_a_flag_that_every_run_has():
    def recipe(run, *, threads: int = 1) -> None: ...

    with pytest.raises(Usage, match="threads"):
        parsed([], recipe)


def test_an_annotation_that_only_a_type_checker_can_see_does_not_matter_for_run():
    def recipe(run: "Nowhere", *, seed: "int" = 0) -> None: ...  # noqa: F821

    assert parsed(["--seed", "4"], recipe)[0] == {"seed": 4}
