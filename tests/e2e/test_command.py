"""The command as its users meet it: words in, an exit code, sentences and a run folder out."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import fake_recipes
import tutelage.recipes
from tutelage.cli.command import COMMANDS, main

TOY = "fake_recipes:toy"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A current directory of its own, and the allocator as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: True)
    monkeypatch.delenv("TUTELAGE_RUNS", raising=False)
    monkeypatch.setenv("COLUMNS", "120")


def folder_of(runs="runs"):
    (made,) = Path(runs).glob("fake_recipes-toy/*/arguments.json")
    return made.parent


def log_of(folder):
    """Its records without the clock."""
    return [{**json.loads(line), "seconds": 0} for line in (folder / "log.jsonl").read_text().splitlines()]


def test_help_version_and_completion_answer_without_torch():
    code = (
        "import sys, contextlib, io\n"
        "from tutelage.cli import main\n"
        "out = io.StringIO()\n"
        "with contextlib.redirect_stdout(out):\n"
        "    assert main(['--help']) == 0\n"
        "with contextlib.redirect_stdout(out):\n"
        "    for words in (['--version'], ['run', '--help'], ['run', 'fake_recipes:toy', '--help'],\n"
        "                  ['ls', 'fake_recipes'], ['completion', '--line', 'tutelage run fake_recipes:toy --']):\n"
        "        assert main(words) == 0, words\n"
        "assert 'softness of the targets' in out.getvalue() and '--jitter' in out.getvalue()\n"
        "print([name for name in ('torch', 'numpy', 'matplotlib') if name in sys.modules])\n"
    )
    here = str(Path(fake_recipes.__file__).parent)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=here)
    assert said.stdout == "[]\n"  # how long it takes is measured in benchmarks/startup.py


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    assert main([name, "--help"]) == 0
    assert "usage: tutelage" in capsys.readouterr().out


def test_the_overview_names_every_command_and_every_exit_code(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(f"tutelage {name}" in said for name in COMMANDS)
    assert all(f"  {code}  " in said for code in (0, 1, 2, 3, 4, 129, 130, 143))
    assert main(["--version"]) == 0
    assert torch.__version__ in capsys.readouterr().out


def test_ls_lists_recipes_with_what_they_do_and_their_presets(capsys):
    assert main(["ls", "fake_recipes"]) == 0
    said = capsys.readouterr().out
    for words in (
        "Recipes as a user would write them",
        TOY,
        "Train one tiny network",
        "presets: quick, paper, default",
    ):
        assert words in said
    assert main(["ls"]) == 0


def test_a_reader_that_stops_listening_is_no_failure():
    reader, writer = os.pipe()
    os.close(reader)
    said = subprocess.run([sys.executable, "-m", "tutelage", "ls"], stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (said.returncode, said.stderr) == (0, "")


def test_a_run_leaves_its_folder_its_report_and_says_what_came_out(capsys, monkeypatch):
    tuned = []
    monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: tuned.append(1))
    assert main(["run", TOY, "--preset", "quick", "--seed", "1", "--threads", "1"]) == 0
    said = capsys.readouterr()
    folder = folder_of()
    assert tuned == [1]
    assert {"arguments.json", "results.json", "report.html", "student.safetensors"} <= {
        x.name for x in folder.iterdir()
    }
    asked = json.loads((folder / "arguments.json").read_text())
    assert asked["command"] == f"tutelage run {TOY} --preset quick --seed 1 --threads 1"
    assert (asked["preset"], asked["arguments"]["temperature"], asked["defaults"]["seed"]) == ("quick", 2.0, 0)
    assert "errors" in said.out
    assert "✓ holds" in said.out
    assert f"Report: {folder / 'report.html'}" in said.out
    assert "student: epoch 1/1" in said.err
    assert "\x1b" not in said.err
    assert "\r" not in said.err


PAIR = "fake_recipes:pair"


def test_a_run_is_asked_for_kept_and_told_by_the_dotted_names_of_its_settings(capsys):
    words = ["run", PAIR, "--preset", "smoke", "--teacher.weights", "some/where.pt", "--student.epochs", "1"]
    assert main(words) == 0
    assert "tiny had 1 epochs." in capsys.readouterr().out
    (file,) = Path("runs/fake_recipes-pair").glob("*/arguments.json")
    asked = json.loads(file.read_text())
    assert asked["command"] == "tutelage " + " ".join(words)
    changed = {name: value for name, value in asked["arguments"].items() if asked["defaults"][name] != value}
    assert changed == {"student.epochs": 1, "teacher.weights": "some/where.pt"}
    assert main(["run", PAIR, "--from", str(file)]) == 0
    assert main(["run", PAIR, "--from", str(file), "--student.epochs", "2"]) == 0
    assert "tiny had 2 epochs." in capsys.readouterr().out
    assert len(list(Path("runs/fake_recipes-pair").glob("*/arguments.json"))) == 2
    assert main(["report", "runs", "--by", "student.epochs", "--out", "all"]) == 0


def test_no_preset_and_the_own_preset_of_a_recipe_are_one_folder():
    assert main(["run", PAIR, "--student.epochs", "1"]) == 0
    assert main(["run", PAIR, "--preset", "paper", "--student.epochs", "1"]) == 0
    (file,) = Path("runs/fake_recipes-pair").glob("*/arguments.json")
    assert file.parent.name.startswith("paper-student.epochs=1-")


def test_data_that_no_recipe_reads_is_told(capsys):
    assert main(["run", TOY, "--preset", "quick", "--data", "pets"]) == 0
    assert f"{TOY} has not read --data pets" in capsys.readouterr().err


def test_what_a_recipe_refuses_before_anything_is_trained_leaves_no_folder_behind():
    assert main(["run", TOY, "--temperature", "0"]) == 2
    assert not list(Path().glob("runs/*/*"))
    assert main(["run", TOY, "--preset", "quick"]) == 0
    folder = folder_of()
    assert main(["run", TOY, "--preset", "quick", "--folder", str(folder), "--seed", "1"]) == 3
    assert (folder / "results.json").exists()


@pytest.mark.parametrize("words", [["--student.batch-size", "0"], ["--preset", "smoke", "--data", "pets"]])
def test_what_is_refused_leaves_nothing_behind(words):
    assert main(["run", PAIR, *words]) == 2
    assert main(["sweep", PAIR, *words, "--seed", "0", "1"]) == 2
    assert not Path("runs").exists()


def test_a_run_can_be_repeated_from_its_own_arguments_and_then_loads_what_is_there(capsys):
    assert main(["run", TOY, "--epochs", "2", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["run", TOY, "--from", str(folder_of() / "arguments.json")]) == 0
    assert "student: loaded from" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_stopped_run_says_how_to_go_on_and_ends_like_one_that_was_never_stopped(number, code, capsys):
    whole, parts = ["run", TOY, "--runs", "whole"], ["run", TOY, "--runs", "parts"]
    fake_recipes.INTERRUPT.append(number)
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert main(parts) == code
    said = capsys.readouterr().err
    assert f"Go on with: tutelage run {TOY} --runs parts" in said
    assert "Traceback" not in said
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers
    assert not (folder_of("parts") / "results.json").exists()
    assert main(parts) == 0
    assert "going on after 1" in capsys.readouterr().err
    assert main(whole) == 0
    weights = [(folder_of(runs) / "student.safetensors").read_bytes() for runs in ("whole", "parts")]
    assert weights[0] == weights[1]
    assert log_of(folder_of("whole")) == log_of(folder_of("parts"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["rnu"], 2, "did you mean 'run'"),
        (["run"], 2, "which recipe?"),
        (["run", "fake_recipes:tyo"], 2, "did you mean 'toy'"),
        (["run", TOY, "--temprature", "3"], 2, "did you mean '--temperature'"),
        (["run", TOY, "--temperature", "0"], 2, "must be above 0, but is 0.0"),
        (["run", TOY, "--preset", "papper"], 2, "did you mean 'paper'"),
        (["run", PAIR, "--student.lr", "-1"], 2, "--student.lr must be at least 1e-09; got -1.0."),
        (["run", PAIR, "--epochs", "1"], 2, "did you mean '--teacher.epochs' or '--student.epochs'?"),
        (["run", TOY, "--threads", "0"], 2, "--threads must be more than 0; got 0."),
        (["run", TOY, "--device", "quantum"], 2, "--device must be one that computes here"),
        (["run", TOY, "--from", "nowhere.json"], 3, "--from nowhere.json cannot be read: no such file"),
        (["run", TOY, "--from", "."], 3, "--from . cannot be read"),
        (["run", TOY, "--folder", "file/within"], 3, "file/within"),
        (["run", "fake_recipes:failing", "--how", "value"], 2, "The weight must not be negative"),
        (["run", "fake_recipes:failing", "--how", "nan"], 4, "Term 'soft' is nan"),
        (["run", "fake_recipes:failing", "--how", "disk"], 3, "the disk is full"),
        (["sweep", TOY, "--jobs", "0"], 2, "--jobs must be more than 0; got 0."),
        (["report"], 2, "which runs?"),
        (["report", "nowhere"], 3, "nowhere"),
        (["report", "--buy", "seed"], 2, "did you mean '--by'"),
        (["completion", "tcsh"], 2, "bash, zsh, fish"),
        (["ls", "no_such_module"], 2, "no_such_module"),
        (["ls", "--verbose"], 2, "ls has no flag --verbose"),
    ],
)
def test_bad_input_gets_one_sentence_an_exit_code_and_no_traceback(words, code, said, capsys):
    Path("file").write_text("")
    assert main(words) == code
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("tutelage: ")
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize("how", ["--traceback", "TUTELAGE_TRACEBACK"])
def test_the_traceback_of_a_users_error_is_shown_if_asked_for(how, capsys, monkeypatch):
    monkeypatch.setenv("TUTELAGE_TRACEBACK", "1" if how.isupper() else "0")
    assert main(["run", TOY, "--temperature", "0", *([how] if how.islower() else [])]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_mistake_in_a_program_is_shown_with_its_traceback(capsys):
    assert main(["run", "fake_recipes:failing", "--how", "bug"]) == 1
    assert "invalid literal" in capsys.readouterr().err


@pytest.mark.parametrize(("how", "code"), [("interrupt", 130), ("terminate", 143)])
def test_a_run_can_be_stopped_between_its_stages_too(how, code, capsys):
    assert main(["run", "fake_recipes:failing", "--how", how]) == code
    assert "Go on with: tutelage run fake_recipes:failing" in capsys.readouterr().err


def test_a_folder_made_with_other_arguments_is_refused_and_left_alone(capsys):
    assert main(["run", TOY, "--folder", "mine", "--preset", "quick"]) == 0
    before = {file: file.read_bytes() for file in Path("mine").iterdir()}
    assert main(["run", TOY, "--folder", "mine", "--preset", "quick", "--seed", "5"]) == 3
    assert "seed = 0 there and 5 here" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in Path("mine").iterdir()} == before


def test_without_the_extra_for_reports_the_run_is_done_all_the_same(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert main(["run", TOY, "--preset", "quick"]) == 0
    said = capsys.readouterr()
    assert "pip install 'tutelage[report]'" in said.err
    assert "✓ holds" in said.out
    assert main(["report", "runs"]) == 3


def test_tensorboard_hears_every_epoch_once():
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main(["run", TOY, "--tensorboard"]) == 0
    assert main(["run", TOY, "--tensorboard"]) == 0  # loaded, and written anew
    events = EventAccumulator(str(folder_of() / "tensorboard" / "student"))
    events.Reload()
    assert [event.step for event in events.Scalars("losses/student.label")] == [1, 2, 3]
    errors = [record["validation"]["errors"] for record in log_of(folder_of())]
    assert [event.value for event in events.Scalars("validation/errors")] == errors


def test_a_report_of_many_runs_is_grouped_by_the_flags_that_differ(capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for temperature in ("1", "2"):
        assert main(["run", TOY, "--preset", "quick", "--temperature", temperature, "--quiet"]) == 0
    capsys.readouterr()
    assert main(["report", "runs", "--by", "temperature", "--out", "all", "--open"]) == 0
    assert "temperature 1" in capsys.readouterr().out
    assert opened == [Path("all/report.html").resolve().as_uri()]
    assert main(["report", "runs"]) == 0
    assert Path("runs/fake_recipes-toy/report/report.html").exists()
    capsys.readouterr()
    assert main(["report", "runs", "--by", "temprature"]) == 2
    assert "fake_recipes:toy has no flag 'temprature'; did you mean 'temperature'?" in capsys.readouterr().err
    assert main(["report", "runs", "--by", "zzz"]) == 2
    assert "has no flag 'zzz'; it has temperature, epochs, " in capsys.readouterr().err
    assert main(["run", PAIR, "--preset", "smoke", "--quiet"]) == 0
    assert main(["report", "runs"]) == 2
    said = capsys.readouterr().err
    assert "runs are of fake_recipes:pair, fake_recipes:toy; name one: tutelage report " in said
    assert said.strip().endswith("runs/fake_recipes-pair")


def test_a_sweep_leaves_finished_runs_alone_does_the_others_lists_failures_and_reports_all(capfd, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(fake_recipes.__file__).parent), prepend=os.pathsep)
    grid = ["--preset", "quick", "--temperature", "0", "1", "2"]
    assert main(["sweep", TOY, *grid, "--plan"]) == 0
    assert len(capfd.readouterr().out.splitlines()) == 3
    assert main(["run", TOY, "--preset", "quick", "--temperature", "2", "--quiet"]) == 0
    done = folder_of() / "results.json"
    before = done.stat().st_mtime_ns
    assert main(["sweep", TOY, *grid, "--jobs", "2"]) == 2
    said = capfd.readouterr()
    assert done.stat().st_mtime_ns == before
    assert "[temperature=2.0] is finished already" in said.out
    assert "[temperature=1.0] student: loaded from" in said.out
    assert "temperature=0.0 failed with exit code 2: The temperature must be above 0" in said.err
    assert said.out.endswith("Runs done: 2 of 3.\n")
    (page,) = Path("runs/fake_recipes-toy").glob("sweep-temperature-*/report.html")
    assert "temperature" in page.read_text()


def test_the_shipped_recipes_name_no_flag_that_every_run_has_and_explain_themselves(capsys):
    from tutelage.cli.recipe import recipes_in, shipped

    for name, module in shipped().items():
        for recipe in recipes_in(module, name):
            assert main(["run", recipe.name, "--help"]) == 0
            assert "common options" in capsys.readouterr().out
    assert os.path.isdir(tutelage.recipes.__path__[0])
