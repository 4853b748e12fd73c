"""What every task must keep, and a task without classes from the first epoch to the results."""

import json
from functools import partial
from importlib import import_module
from pkgutil import iter_modules

import pytest
import torch
from torch import nn

import tutelage.tasks
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.measures.predict import predict
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import adam
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.sets import Sets
from tutelage.tasks.frames import Spoken, frames
from tutelage.tasks.regression import REGRESSION
from tutelage.tasks.task import Task

RECORDINGS = torch.arange(60) // 6
SPEECH = frames(Spoken(RECORDINGS, torch.arange(10) % 3, torch.full((3,), 1 / 3).log(), 3))
TASKS = [
    pytest.param(task, id=info.name)
    for info in iter_modules(tutelage.tasks.__path__, "tutelage.tasks.")
    for task in vars(import_module(info.name)).values()
    if isinstance(task, Task)
]
TASKS.append(pytest.param(SPEECH, id="tutelage.tasks.frames"))  # a task of the recordings that it is given


def test_no_task_is_forgotten():
    names = {info.name for info in iter_modules(tutelage.tasks.__path__, "tutelage.tasks.")}
    assert {task.id for task in TASKS} == names - {"tutelage.tasks.task"}


def drawn(task: Task, count: int = 60):
    """A set of the task, and answers that are mostly right."""
    inputs = torch.randn(count, 4)
    if task is not REGRESSION:
        targets = RECORDINGS % 3 if task is SPEECH else torch.arange(count) % 3
        answers = 4 * nn.functional.one_hot(targets, 3) + torch.randn(count, 3)
        return labelled("drawn", inputs, targets, tuple("abc")), answers
    targets = inputs @ torch.randn(4, 2)
    return labelled("drawn", inputs, targets), targets + 0.1 * torch.randn(count, 2)


def perfect(task: Task, data):
    return 99.0 * nn.functional.one_hot(data.targets, 3) if task is not REGRESSION else data.targets.clone()


@pytest.mark.parametrize("task", TASKS)
class TestEveryTask:
    def test_scores_every_metric_and_intervals_hold_the_value(self, task):
        data, answers = drawn(task)
        scores = task.score(answers, data)
        assert list(scores) == [metric.name for metric in task.metrics]
        assert scores[task.deciding.name].interval is not None
        for score in scores.values():
            low, high = score.interval or (score.value, score.value)
            assert low <= score.value <= high

    def test_finds_nothing_better_than_the_right_answer(self, task):
        data, answers = drawn(task)
        best, some = task.score(perfect(task, data), data), task.score(answers, data)
        for metric in task.metrics:
            assert metric.gain(best[metric.name].value, over=some[metric.name].value) >= 0

    def test_a_network_that_learnt_something_beats_the_best_constant_answer(self, task):
        data, answers = drawn(task)
        constant = task.constant(data)
        assert task.deciding.gain(task.score(answers, data)[task.deciding.name].value, over=constant) > 0
        same = answers.mean(0, keepdim=True).expand_as(answers)
        assert task.deciding.gain(task.score(same, data)[task.deciding.name].value, over=constant) <= 1e-6

    def test_scores_do_not_depend_on_the_order_of_the_samples(self, task):
        data, answers = drawn(task)
        order = torch.randperm(len(data))
        there, here = task.score(answers, data), task.score(answers[order], data[order])
        for name, score in there.items():
            assert score.value == pytest.approx(here[name].value, rel=1e-6)

    def test_the_loss_falls_towards_the_right_answer(self, task):
        data, answers = drawn(task)
        assert task.loss(perfect(task, data), data.targets) < task.loss(answers, data.targets)

    def test_a_validation_begins_with_what_decides_and_counts_its_samples(self, task):
        data, _ = drawn(task)
        model = mlp((4, 2 if task is REGRESSION else 3))
        figures = task.validation(model, data)
        assert next(iter(figures)) == task.deciding.name and figures["count"] == len(data)
        assert figures["loss"] == pytest.approx(task.loss(predict(model, data), data.targets).item())


def test_answers_of_another_shape_than_the_targets_are_not_compared_all_with_all():
    data = labelled("column", torch.zeros(5, 1), torch.zeros(5, 1))
    with pytest.raises(ValueError, match=r"compares answers \(5,\) with targets \(5, 1\)"):
        REGRESSION.score(torch.zeros(5), data)


def test_a_task_without_classes_goes_from_the_first_epoch_to_the_results(tmp_path):
    inputs = torch.randn(300, 3)
    targets = inputs @ torch.tensor([[1.0], [-2.0], [0.5]])
    train, test = (labelled("line", inputs[part], targets[part]) for part in (slice(200), slice(200, None)))
    data = Sets(train, test, test, task=REGRESSION)
    plan = Plan(Lesson(train, test, batch_size=50), partial(adam, lr=0.03), epochs=6, task=REGRESSION)
    with Run("lab:line", root=tmp_path, device="cpu") as run:
        model = run.stage("student", partial(mlp, (3, 8, 1)), partial(supervised, plan=plan))
        networks = publish_networks(run, data, {"student": Evaluated("student", "3-8-1", model)}, [])
    found = json.loads((run.folder / "results.json").read_text())
    assert [metric["name"] for metric in found["metrics"]] == ["mean squared error", "R²"]
    (network,) = found["networks"]
    assert network["scores"]["R²"]["value"] == pytest.approx(networks["student"].scores["R²"].value)
    best = min(model.records, key=lambda record: record["validation"]["mean squared error"])
    assert model.best_epoch == best["epoch"]
    assert network["agreement"] is None and network["calibration"] is None and network["confusion"] == []
    assert "errors" not in json.dumps(found)
