"""What a message advises helps: whoever follows it to the letter ends with what there was, or would have been."""

import ast
import json
import os
import re
import shutil
import tomllib
from functools import partial
from pathlib import Path

import pytest
import torch
from test_run import QUICK, net

import tutelage
from examples import SGD, bits, label, same, vectors
from tutelage.cli.command import COMMANDS, main
from tutelage.cli.common import Common
from tutelage.cli.export import Exporting
from tutelage.cli.flags import flags_of, flags_of_bundle, leaves
from tutelage.cli.measure import Measuring
from tutelage.cli.recipe import recipes_in, shipped
from tutelage.cli.report import Asked
from tutelage.cli.sweep import Sweeping
from tutelage.integrity import findings
from tutelage.learner import Learner
from tutelage.objective import Objective
from tutelage.report.read import read_run
from tutelage.run import Run

pytestmark = pytest.mark.slow

TOY = "fake_recipes:toy"


def loss(model):
    with torch.no_grad():
        return {"loss": sum(float(model(batch["input"]).square().sum()) for batch in vectors())}


def fit(stage, model):
    learners = {"student": Learner(model, Objective(label=label()), SGD)}
    stage.train(learners, vectors(), 2, model=model, validate=partial(loss, model))


def start(root, folder=None):
    """One start of the command."""
    with Run(QUICK, root=root, folder=folder, exact=True, device="cpu") as run:
        run.deliver(run.stage("student", net, fit).last)
        run.publish(headline="done")
    return run.folder


def outcome(folder):
    """All that a reader of the run gets to know, but for what clocks say."""
    seen = read_run(folder)
    log = [{**line, "seconds": 0} for line in seen.parts["log"]]
    stages = [(stage.name, stage.key, stage.epochs) for stage in seen.stages]
    return (
        seen.request,
        log,
        stages,
        seen.results,
        sorted(seen.environment),
        bits(tutelage.load(folder, allow=["test_run"])),
    )


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    root = tmp_path_factory.mktemp("ended")
    return root, outcome(start(root))


def subject(said):
    """The file or folder that a sentence begins with."""
    ends = [place for place, letter in enumerate(said) if letter in " :;,."]
    return max((Path(said[:end]) for end in ends if end and os.path.lexists(said[:end])), key=lambda x: len(str(x)))


def away(place):
    shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()


def follow(said, root):
    """Do what the sentence says to do before the command is started again; in which folder that then is, if it says."""
    if found := re.search(r"(?:re)?move (/\S+) away|(?:remove|delete) (/[^\s,;:]+)", said):
        away(Path(found[1] or found[2]))
    elif re.search(r"remove it|move it away", said):
        away(subject(said))
    elif re.search(r"[Cc]hoose (a new or empty|another)", said):
        return root / "another"
    return None


def written(content):
    return lambda file: file.write_bytes(content)


def gone(file):
    file.unlink()


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def folder_there(file):
    file.unlink()
    file.mkdir()


def link_to_itself(file):
    file.unlink()
    file.symlink_to(file.name)


def pipe(file):
    file.unlink()
    os.mkfifo(file)


DAMAGES = [gone, cut, *map(written, (b"", b"[]", b"\xff\x00\xfe"))]
OTHER_KINDS = [folder_there, link_to_itself, pipe]
OF_A_RUN = [f"toy-one/*/{name}" for name in (
    "arguments.json", "environment.json", "stages.json", "log.jsonl", "results.json", "student.json",
    "student.safetensors", "SHA256SUMS", "lock")]  # fmt: skip
OF_A_STAGE = [f"stages/*/{name}" for name in ("stage.json", "last.safetensors", "best.safetensors", "SHA256SUMS")]


def advised(root, folder=None):
    """Where the run is, once all that its starts advise was done."""
    for _ in range(3):
        try:
            return start(root, folder)
        except (ValueError, OSError) as refused:
            assert "Errno" not in str(refused)
            folder = follow(str(refused), root) or folder
    return start(root, folder)


def unchanged(after, before):
    return after[:-1] == before[:-1] and same(after[-1], before[-1])


@pytest.fixture
def copy(tmp_path, ended):
    return Path(shutil.copytree(ended[0], tmp_path / "root"))


@pytest.mark.parametrize("damage", [*DAMAGES, *OTHER_KINDS])
@pytest.mark.parametrize("name", [*OF_A_RUN, *OF_A_STAGE, "stages/*/lock"])
def test_whatever_file_is_damaged_its_advice_leads_to_what_there_was(copy, ended, name, damage):
    (file,) = copy.glob(name)
    damage(file)
    assert unchanged(outcome(advised(copy)), ended[1])


@pytest.mark.parametrize("damage", [*DAMAGES, *OTHER_KINDS])
@pytest.mark.parametrize("name", OF_A_RUN[1:-1])
def test_what_a_reader_of_a_run_advises_helps(copy, ended, name, damage):
    (file,) = copy.glob(name)
    damage(file)
    try:
        outcome(file.parent)
    except (ValueError, OSError) as refused:
        assert "Errno" not in str(refused)
        follow(str(refused), copy)
    assert unchanged(outcome(advised(copy)), ended[1])


@pytest.mark.parametrize("damage", OTHER_KINDS)
@pytest.mark.parametrize("name", [*OF_A_RUN, *OF_A_STAGE, "stages/*/lock"])
def test_what_is_no_file_where_one_belongs_is_found_by_verify_and_moving_it_away_is_advised(copy, name, damage):
    (file,) = copy.glob(name)
    damage(file)
    problems = [problem for finding in findings(copy) for problem in finding.problems]
    assert any(problem.startswith(f"{file} is ") and "move it away" in problem for problem in problems)


def test_a_command_that_is_named_in_advice_does_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: True)
    run = ["run", TOY, "--preset", "quick", "--quiet"]
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "jinja2", None)
        assert main(run) == 0
    advised = re.search(r"then `tutelage (.*)`", capsys.readouterr().err)[1]
    assert not list(tmp_path.rglob("report.html")) and main(advised.split()) == 0
    assert main([*run, "--folder", str(next(tmp_path.rglob("arguments.json")).parent), "--seed", "1"]) == 3
    assert "Choose another folder, or the same values" in capsys.readouterr().err
    assert main([*run, "--folder", "another", "--seed", "1"]) == 0
    assert main(["sweep", TOY, "--folder", "x"]) == 2
    assert "with --runs" in capsys.readouterr().err
    assert main(["sweep", TOY, "--plan", "--runs", "x"]) == 0


def said():
    """Every text in the package that stands in a ``raise`` or is printed: what users may be told."""
    for file in sorted(Path(tutelage.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("note")):
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield file, part.value


COMMANDS_OWN = (Common, Sweeping, Asked, Exporting, Measuring)


def test_advice_names_flags_commands_and_extras_that_there_are():
    recipes = [recipe for name, module in shipped().items() for recipe in recipes_in(module, name)]
    own = [flag for recipe in recipes for flag in leaves(flags_of(recipe.function))]
    flags = [spelling for flag in own for spelling in flag.spellings]
    flags += ["--help", *(flag.spelled for bundle in COMMANDS_OWN for flag in flags_of_bundle(bundle))]
    project = tomllib.loads((Path(tutelage.__file__).parents[2] / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    for file, text in said():
        assert not (unknown := {*re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", text)} - {*flags}), (file, unknown)
        assert {*re.findall(r"`tutelage (\w+)", text)} <= {*COMMANDS}, (file, text)
        assert {*re.findall(r"tutelage\[(\w+)\]", text)} <= {*extras}, (file, text)


def test_what_lies_where_a_run_writes_is_said_without_flags_that_only_some_commands_have(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="choose a new or empty one") as refused:
        start(tmp_path, tmp_path / "mine")
    assert "--" not in str(refused.value)
    assert json.loads((start(tmp_path, follow(str(refused.value), tmp_path)) / "stages.json").read_text())
