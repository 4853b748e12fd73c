"""A run of every task, from training to its report: nothing in it is empty, or of another task."""

import io
import json
import re
from dataclasses import replace
from functools import partial

import pytest
import torch
from rich.console import Console

from task_networks import CASES
from tutelage.data.augment import middle
from tutelage.data.lesson import Lesson
from tutelage.measures.latency import latency
from tutelage.methods.response import kd
from tutelage.optimizers.usual import sgd
from tutelage.report.groups import group_runs
from tutelage.report.page import publish_page
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.report.terminal import print_story
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, by_method
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.study import evaluated
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.own.networks import refuse_stranger
from tutelage.study.sets import Sets
from tutelage.tasks.binary import BINARY
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.segmentation import SEGMENTATION

pytestmark = pytest.mark.slow

WORDS = ("error", "accuracy", "calibrat", "agree", "confus", "taken for")


def told(folder, page):
    """All that a report says, as one text without where it was made."""
    groups = group_runs([read_run(folder)])
    publish_page(groups, story_of(groups), page)
    buffer = io.StringIO()
    print_story(story_of(groups), Console(file=buffer, width=110, color_system=None))
    html = re.sub(r"<(style|script)\b.*?</\1>", "", (page / "report.html").read_text(), flags=re.DOTALL)
    return buffer.getvalue() + html + (page / "report.md").read_text()


@pytest.mark.parametrize("name", CASES)
def test_a_run_is_trained_measured_and_told(name, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluated, "latency", partial(latency, rounds=2, warm_up=0, batch_sizes=(1,)))
    case = CASES[name]
    task, train, test = case.task, case.data(), case.data(24, seed=1)
    data = Sets(train, test, test, task=task)
    plan = Plan(Lesson(train, test, batch_size=16), partial(sgd, lr=0.02), 2, task=task)
    with Run("lab:tasks", root=tmp_path, device="cpu", exact=True) as run:
        for build in (case.teacher, case.student):
            refuse_stranger("net", build(), data)
        teacher = run.stage("teacher", case.teacher, partial(supervised, plan=plan))
        teaching = Teaching(kd, teacher.last, ("teacher", "student"))
        student = run.stage("student", case.student, partial(by_method, plan=plan, teaching=teaching))
        alone = run.stage("alone", case.student, partial(supervised, plan=plan), seed=1)
        networks = {
            "teacher": Evaluated("teacher", "the large one", teacher),
            "student": Evaluated("student", "the small one", student),
            "alone": Evaluated("baseline", "without a teacher", alone),
        }
        publish_networks(run, data, networks, [])
    found = json.loads((run.folder / "results.json").read_text())
    assert [metric["name"] for metric in found["metrics"]] == [metric.name for metric in task.metrics]
    for network in found["networks"]:
        assert not network["notes"] and network["macs"] and network["latency_ms"]
        assert set(network["scores"]) == {metric.name for metric in task.metrics}
        assert next(iter(network["validation"])) == task.deciding.name
        assert (network["calibration"] is not None) is (task in (CLASSIFICATION, BINARY))
    text = told(run.folder, tmp_path / "page")
    for metric in task.metrics:
        assert metric.name in text
        text = re.sub(re.escape(metric.name), "", text, flags=re.IGNORECASE)
    if task not in (CLASSIFICATION, BINARY):
        for word in WORDS:
            assert not re.findall(rf".{{0,60}}{word}.{{0,60}}", text, re.IGNORECASE)
    assert not re.search(r"\bnan\b|\bNone\b", text)
    assert (len(found_examples(run.folder)) > 0) is (task in (CLASSIFICATION, BINARY))


def found_examples(folder):
    return json.loads((folder / "results.json").read_text())["examples"]


def test_masks_that_are_kept_larger_than_they_are_seen_fit_a_network():
    case = CASES["segmentation"]
    data = Sets(case.data(), None, case.data(), partial(middle, size=(12, 12)), SEGMENTATION)
    data = replace(data, test=replace(data.test, targets=data.test.targets[:, 2:14, 2:14]))
    refuse_stranger("net", case.teacher(), data)
    refuse_stranger("net", case.student(), data)


def test_answers_of_one_number_may_lack_an_axis():
    evaluated.refuse_nan(torch.zeros(3))
    with pytest.raises(ValueError, match="1 of 3 answers"):
        evaluated.refuse_nan(torch.tensor([0.0, torch.nan, 1.0]))


def test_masks_are_validated_with_what_decides():
    case = CASES["segmentation"]
    figures = SEGMENTATION.validation(case.student(), case.data())
    assert list(figures) == ["mean intersection over union", "pixel accuracy", "count", "loss"]
