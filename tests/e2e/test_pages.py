"""Every page does what it says: its code runs, its commands are understood."""

import doctest
import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

import docs_stand_ins
from contract.test_losses import LAWS
from pages import GENERATED, PAGES, ROOT, blocks, named
from picture_folders import write_all
from text_teachers import write_all as write_texts
from tutelage.cli.command import main
from tutelage.cli.compress import COMPRESS
from tutelage.cli.distill import DISTILL
from tutelage.cli.failures import Usage
from tutelage.cli.request import understood
from tutelage.cli.sweep import combinations


def perform(text):
    """Run a page in the current directory: Python in one namespace, files written, ``tutelage`` commands obeyed."""
    namespace = {"__name__": "page"}
    for language, code in blocks(text, "python", "sh"):
        first = code.partition("\n")[0]
        if language == "sh":
            for command in commands(code):
                obey(command)
        elif path := re.fullmatch(r"# ([\w/]+\.py)", first):
            file = Path(path[1])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code)
        else:
            exec(compile(code, first, "exec"), namespace)


def commands(code):
    """The ``tutelage`` commands of a block, without comments."""
    lines = [line.partition(" # ")[0].strip() for line in code.splitlines()]
    return [line for line in lines if line.startswith("tutelage ")]


def obey(command):
    """Do it if it takes seconds: a recipe of the page's own, or a smoke preset. Otherwise only understand it."""
    name, *words = shlex.split(command)[1:]
    if name in ("run", "sweep") and words and "--help" not in words:
        recipe, *flags = words
        requests = [understood(recipe, flags)] if name == "run" else combinations(recipe, flags)[0]
        for request in requests if recipe.startswith("my_lab") or "smoke" in flags else []:
            assert main(request.words[1:]) == 0, command  # a sweep's runs one after the other, not as processes
    elif name in ("distill", "compress") and "--help" not in words:
        request = understood(DISTILL if name == "distill" else COMPRESS, words)
        if Path(request.arguments["data"]).exists():
            assert main([name, *words]) == 0, command
    elif name == "measure" and "--data" in words:
        if Path(words[words.index("--data") + 1]).exists():
            assert main([name, *words]) == 0, command
    elif name not in ("report", "verify", "check", "export") or Path(words[0]).exists():
        assert main([name, *words]) == 0, command


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A directory to write to, stand-ins for libraries that are not installed, and everything put back afterwards."""
    for name in ("TUTELAGE_RUNS", "TUTELAGE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "lightning", docs_stand_ins.lightning())
    monkeypatch.setitem(sys.modules, "transformers", docs_stand_ins.transformers())
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("my_lab", "my_nets"):
            del sys.modules[name]
    torch.set_num_threads(1)


@pytest.mark.parametrize("page", named(page for page in PAGES if page.name not in GENERATED))
def test_every_page_runs_as_it_is_written(page, elsewhere, monkeypatch):
    readers = {"from_a_folder.md": write_all, "compress.md": write_all, "texts.md": write_texts}
    if prepare := readers.get(page.name):  # whose reader has data and a network
        prepare(elsewhere)
        monkeypatch.setattr("tutelage.study.planning.timed_plan.epochs_within", lambda _seconds, _paces: 2)
        monkeypatch.setattr(
            "tutelage.study.planning.timed_plan.refuse_too_short", lambda *_: None
        )  # however busy a machine is
        monkeypatch.setattr("tutelage.study.planning.pilot.SHARE", 0.01)  # of a minute, as others take of a tenth of it
        monkeypatch.setattr("tutelage.study.own.sought.SHARE", 0.02)
    perform(page.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "broken",
    [
        "```python\nassert 1 == 2\n```\n",
        "```python\nfrom tutelage.losses.kd import soft_target\n```\n",
        "```python\nx = 1\n```\nand then\n```python\nassert x == 2\n```\n",
        "```sh\ntutelage run mnist:hintom\n```\n",
        "```sh\ntutelage run mnist:hinton --temprature 3\n```\n",
        "```sh\ntutelage ls no_such_module\n```\n",
        "```sh\ntutelage sweep mnist:hinton --preset quik\n```\n",
    ],
)
def test_a_page_that_does_not_run_is_caught(broken):
    with pytest.raises((AssertionError, ImportError, Usage)):
        perform(broken)


@pytest.mark.usefixtures("elsewhere")
def test_the_example_of_a_new_loss_keeps_the_contract_and_its_docstring_is_true():
    perform((ROOT / "docs" / "adding_a_method.md").read_text(encoding="utf-8"))
    module = importlib.import_module("my_lab.margins")
    for law in LAWS:
        law(module.margins)
    assert doctest.testmod(module) == (0, 2)
