"""Every recipe from end to end, on drawn pictures: its smoke preset, run twice."""

import json
import re
from functools import partial

import pytest
import torch

from contract.test_recipes import WRITTEN
from readable import complaints
from tutelage.cli.flags import flags_of
from tutelage.cli.recipe import Recipe
from tutelage.delivery import load
from tutelage.report.groups import group_runs
from tutelage.report.page import page_html
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.report.usage import usage_of
from tutelage.results import Arguments
from tutelage.run import Run
from tutelage.study.dotted import flattened


def example(run: Run) -> torch.Tensor:
    """Two samples of the shape that is said to be the delivered student's: ``float32 (N, 3, 32, 32), …``."""
    words = json.loads((run.folder / "student.json").read_text())["input"]
    sizes = re.match(r"(float32|int64) \(N, ([\d, ]+)\)", words)
    assert sizes is not None, words
    make = torch.zeros if sizes[1] == "float32" else partial(torch.ones, dtype=torch.int64)
    return make(2, *map(int, sizes[2].split(", ")))


def performed(recipe: Recipe, root) -> Run:
    preset = recipe.with_preset("smoke")
    settings = {flag.name: flag.default for flag in flags_of(preset)}
    flat = flattened(settings)
    with Run(Arguments(recipe.name, "smoke", "", flat, flat), root=root, device="cpu") as run:
        preset(run, **settings)
    return run


def page_of(run: Run) -> str:
    groups = group_runs([read_run(run.folder)])
    return page_html(groups, story_of(groups))


def results(run: Run) -> dict:
    found = json.loads((run.folder / "results.json").read_text())
    for network in found["networks"]:
        del network["latency_ms"]
    for table in found["tables"]:  # what clocks say is another thing each time
        clocks = [i for i, name in enumerate(table["columns"]) if {"step", "ms"} & {*re.findall(r"\w+", name)}]
        table["rows"] = [[cell for i, cell in enumerate(row) if i not in clocks] for row in table["rows"]]
    return found


TWINS = {
    *("cifar10:search", "cifar10:search_losses", "cifar10:search_kl0", "cifar10:search_strength"),
    *(f"cifar100:{name}" for name in ("born_again", "refinery", "mutual", "assistants", "efficacy", "ensemble", "mix")),
    *("mnist:search_losses", "mnist:search_kl0"),
}
"""Recipes of which another's smoke preset runs the same code, on other data or with other settings."""


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(x, marks=pytest.mark.long if x.name in TWINS else ()) for x in WRITTEN],
    ids=lambda recipe: recipe.name,
)
def test_the_smoke_preset_leaves_a_student_and_started_again_the_same_results(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = performed(recipe, tmp_path)
    found = results(first)
    assert found["headline"] and found["networks"] and found["methods"]
    assert found["claims"] == []  # drawn digits say nothing about a published figure
    answers = load(first.folder)(example(first))
    assert len(answers) == 2 and (not found["classes"] or answers.shape == (2, len(found["classes"])))
    assert complaints(page_of(first)) == []
    said: dict = {}
    exec(usage_of(group_runs([read_run(first.folder)])).python, said)  # the lines of the report, as they are
    assert len(said["answers"]) == 1
    log = (first.folder / "log.jsonl").read_bytes()
    again = performed(recipe, tmp_path)
    assert results(again) == found and (again.folder / "log.jsonl").read_bytes() == log


def test_twins_are_recipes():
    assert {x.name for x in WRITTEN} > TWINS
