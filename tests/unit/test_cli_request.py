"""What a command line asks for, and the command that asks for it again."""

import json
import shlex

import pytest

from tutelage.cli.failures import Usage
from tutelage.cli.request import understood

TOY = "fake_recipes:toy"


def test_explicit_flags_win_over_the_file_the_file_over_the_preset_and_the_preset_over_the_signature(tmp_path):
    file = tmp_path / "flags.json"
    file.write_text(json.dumps({"temperature": 3.0, "widths": [5, 6], "limit": None, "jitter": True}))
    asked = understood(TOY, ["--preset", "quick", "--from", str(file), "--no-jitter", "--seed", "2"]).arguments
    assert asked["epochs"] == 1  # preset
    assert (asked["temperature"], asked["widths"]) == (3.0, (5, 6))  # file
    assert (asked["jitter"], asked["seed"]) == (False, 2)  # explicit
    assert asked["betas"] == (0.9, 0.99)  # signature


def test_a_runs_own_arguments_give_the_same_run_again(tmp_path):
    first = understood(TOY, ["--preset", "quick", "--temperature", "9"])
    file = tmp_path / "arguments.json"
    plain = {**first.arguments, "teacher": str(first.arguments["teacher"])}
    file.write_text(json.dumps({"recipe": TOY, "preset": "quick", "arguments": plain, "defaults": {}}))
    again = understood(TOY, [f"--from={file}"])
    assert (again.preset, again.arguments, again.defaults) == ("quick", first.arguments, first.defaults)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--preset", "quick"],
        ["--preset=quick", "--temperature", "-1", "--jitter", "--widths", "--teacher", "a b", "--limit", "3"],
        ["--runs", "else where", "--exact", "--threads", "2", "--device", "cpu", "--quiet"],
    ],
)
def test_the_command_of_a_request_asks_for_the_same(words):
    request = understood(TOY, words)
    head, *rest = shlex.split(request.command)[1:]
    assert head == "run"
    again = understood(rest[0], rest[1:])
    assert (again.arguments, again.preset, again.command) == (request.arguments, request.preset, request.command)


def test_the_command_names_only_what_differs_from_the_preset():
    words = ["--preset", "quick", "--epochs", "1", "--seed", "4", "--quiet"]
    assert understood(TOY, words).command == "tutelage run fake_recipes:toy --preset quick --seed 4"
    assert understood("fake_recipes:toy_quick", []).command == "tutelage run fake_recipes:toy --preset quick"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "list"),
        ('{"temprature": 1}', "did you mean 'temperature'"),
        ('{"temperature": "warm"}', "warm"),
        ('{"kind": "medium"}', "medium"),
        ('{"recipe": "mnist:hinton", "arguments": {}}', "mnist:hinton, not of fake_recipes:toy"),
    ],
)
def test_a_file_of_arguments_that_makes_no_sense_is_refused(tmp_path, content, said):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(Usage, match=said):
        understood(TOY, ["--from", str(tmp_path / "a.json")])


def test_a_missing_file_of_arguments_is_a_missing_file():
    with pytest.raises(FileNotFoundError):
        understood(TOY, ["--from", "nowhere.json"])


def test_runs_go_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("TUTELAGE_RUNS", "elsewhere")
    request = understood(TOY, [])
    assert str(request.common.runs) == "elsewhere"
    assert "--runs" not in request.command


def test_the_command_for_somebody_else_names_no_folder_of_this_machine():
    asked = understood("fake_recipes:toy", ["--seed", "3", "--runs", "/here", "--data", "/there", "--threads", "1"])
    assert asked.elsewhere == "tutelage run fake_recipes:toy --seed 3 --threads 1"
    assert "/here" in asked.command and "/there" in asked.command
