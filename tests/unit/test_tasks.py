"""What every task must keep, and a task without classes from the first epoch to the results."""

import json
from dataclasses import replace
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import get_args

import pytest
import torch
from torch import nn

import tutelage.tasks
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.keys import described, key_of
from tutelage.methods.check import check_network
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import adam
from tutelage.own_data.source import TaskName
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.study.evaluated import Evaluated, publish_networks
from tutelage.study.sets import Sets
from tutelage.tasks.binary import BINARY, by_head
from tutelage.tasks.by_name import task_named, tasks
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.embeddings import EMBEDDINGS
from tutelage.tasks.frames import Spoken, frames
from tutelage.tasks.language import LANGUAGE
from tutelage.tasks.multi_label import MULTI_LABEL
from tutelage.tasks.regression import BOUNDED, REGRESSION
from tutelage.tasks.segmentation import SEGMENTATION
from tutelage.tasks.similarity import similarity
from tutelage.tasks.task import Task
from tutelage.tasks.texts import of_texts

RECORDINGS = torch.arange(60) // 6
SPEECH = frames(Spoken(RECORDINGS, torch.arange(10) % 3, torch.full((3,), 1 / 3).log(), 3))
ALIKE = similarity(2.0)
NO_TASKS = {f"tutelage.tasks.{name}" for name in ("glue", "judged", "spans", "task", "texts", "by_name")}
TASKS = [
    pytest.param(task, id=f"{info.name}:{task.name}")
    for info in iter_modules(tutelage.tasks.__path__, "tutelage.tasks.")
    if info.name not in NO_TASKS
    for name, task in vars(import_module(info.name)).items()
    if isinstance(task, Task) and not (task is CLASSIFICATION and info.name != "tutelage.tasks.classification")
]
TASKS.append(pytest.param(SPEECH, id="tutelage.tasks.frames"))  # a task of the recordings that it is given
TASKS.append(pytest.param(ALIKE, id="tutelage.tasks.similarity"))  # of pairs that people gave such numbers


def test_no_task_is_forgotten():
    names = {info.name for info in iter_modules(tutelage.tasks.__path__, "tutelage.tasks.")}
    assert {task.id.partition(":")[0] for task in TASKS} == names - NO_TASKS


def drawn(task: Task, count: int = 60):
    """A set of the task, and answers that are mostly right."""
    inputs = torch.randn(count, 4)
    if task is EMBEDDINGS:
        targets = inputs @ torch.randn(4, 3)
        return labelled("drawn", inputs, targets), targets + 0.1 * torch.randn(count, 3)
    if task in (REGRESSION, BOUNDED):
        targets = inputs @ torch.randn(4, 2)
        return labelled("drawn", inputs, targets), targets + 0.1 * torch.randn(count, 2)
    if task is LANGUAGE:
        targets = (torch.arange(count)[:, None] + torch.arange(4)) % 3
        targets[:, 3] = -100
        answers = perfect(task, labelled("drawn", targets, targets)) / 25
        return labelled("drawn", targets.roll(1, 1) % 3, targets), answers + torch.randn(count, 4, 3)
    if task is ALIKE:
        cosines = torch.rand(count)
        angles = cosines.acos() + 0.05 * torch.randn(count)
        second = torch.stack([angles.cos(), angles.sin(), 0 * angles, 0 * angles], 1)
        first = torch.eye(4)[:1].expand(count, 4)
        return labelled("drawn", first, 2 * cosines[:, None], second=second), angles.cos()
    if task is SEGMENTATION:
        inputs = torch.rand(count, 4, 6, 5)
        targets = torch.rand(count, 6, 5).mul(2.9).long()
        targets[torch.rand(count, 6, 5) < 0.1] = 255
        answers = perfect(task, labelled("drawn", inputs, targets, tuple("abc"))) / 25
        return labelled("drawn", inputs, targets, tuple("abc")), answers + torch.randn(count, 3, 6, 5)
    if task is MULTI_LABEL:
        targets = (torch.rand(count, 3) < 0.4).float()
        return labelled("drawn", inputs, targets, tuple("abc")), 3 * targets - 1.5 + torch.randn(count, 3)
    if task is BINARY:
        targets = (torch.arange(count) % 3 > 0).long()
        return labelled("drawn", inputs, targets, tuple("ab")), 4.0 * targets[:, None] - 2 + torch.randn(count, 1)
    targets = RECORDINGS % 3 if task is SPEECH else torch.arange(count) % 3
    answers = 4 * nn.functional.one_hot(targets, 3) + torch.randn(count, 3)
    return labelled("drawn", inputs, targets, tuple("abc")), answers


def perfect(task: Task, data):
    targets = data.targets
    if task is ALIKE:
        return targets.flatten() / 2
    if task in (REGRESSION, BOUNDED, EMBEDDINGS):
        return targets.clone()
    if task is BINARY:
        return 198.0 * targets[:, None] - 99
    if task is MULTI_LABEL:
        return 198.0 * targets - 99
    logits = 99.0 * nn.functional.one_hot(targets.masked_fill((targets == 255) | (targets == -100), 0), 3)
    return logits.movedim(-1, 1).contiguous() if task is SEGMENTATION else logits


def network(task: Task) -> nn.Module:
    """One that answers what ``drawn`` draws."""
    if task is SEGMENTATION:
        return nn.Conv2d(4, 3, 1)
    if task is LANGUAGE:
        return nn.Sequential(nn.Embedding(3, 8), nn.Linear(8, 3))
    return mlp((4, 2 if task in (REGRESSION, BOUNDED) else 1 if task is BINARY else 3))


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
        model = network(task)
        figures = task.validation(model, data)
        assert next(iter(figures)) == task.deciding.name and figures["count"] == len(data)
        assert figures["loss"] == pytest.approx(task.loss(task.predict(model, data), data.targets).item())

    def test_a_teacher_is_learnt_from_and_the_soft_loss_falls_towards_its_answers(self, task):
        data, answers = drawn(task)
        term = task.taught(data, temperature=2.0)
        scene = {"teacher": {"output": answers}, "batch": {"target": data.targets}}
        far = (0.1 * torch.randn_like(answers)).requires_grad_()
        loss = term({**scene, "student": {"output": far}})
        (gradient,) = torch.autograd.grad(loss, far)
        nearer = term({**scene, "student": {"output": far.detach() - 1e-2 * gradient / gradient.norm()}})
        assert loss.shape == () and 0 < nearer < loss

    def test_the_soft_loss_reads_no_labels_where_there_are_none_unless_it_compares_with_them(self, task):
        data, _ = drawn(task)
        reads = set(task.taught(data.unlabelled(), temperature=2.0).reads())
        assert (("batch", "target") in reads) is (task is BOUNDED)

    def test_a_network_of_it_is_taken_and_one_of_another_size_is_not(self, task):
        if task is ALIKE:
            return  # vectors are of any size
        data, _ = drawn(task)
        num_classes = 3 if task is LANGUAGE else len(data.classes)  # a text's tokens have no names
        check_network(network(task), data.inputs[:2], num_classes, "net", task, data.targets[:2])
        wrong = nn.Conv2d(4, 7, 1) if task is SEGMENTATION else nn.Embedding(3, 7) if task is LANGUAGE else mlp((4, 7))
        with pytest.raises(ValueError, match=r"net answers "):
            check_network(wrong, data.inputs[:2], num_classes, "net", task, data.targets[:2])

    def test_an_answer_is_a_text(self, task):
        data, answers = drawn(task)
        for row in perfect(task, data)[:5]:
            assert task.words(row, data.classes) and task.words(row, ())
        assert task.words(answers[0], data.classes) == task.words(answers[0].clone(), data.classes)

    def test_it_can_be_part_of_a_stages_key(self, task):
        assert key_of(task) == key_of(task) and task.name
        kept = json.dumps(described(replace(task, name="another")))
        assert "another" in kept

    def test_answers_that_are_no_numbers_are_scored_without_a_word_from_torch(self, task):
        data, answers = drawn(task)
        task.score(torch.full_like(answers, torch.nan), data)


def test_classification_is_described_as_it_always_was():
    """A stage's key holds this: another description would train every kept network of a frames task again."""
    assert key_of(CLASSIFICATION) == "70c2a19d7e68557a"


def test_a_task_is_found_by_its_name():
    assert task_named("classification") is CLASSIFICATION and task_named("multi-label") is MULTI_LABEL
    assert {*get_args(TaskName)} - {"spans"} <= {*tasks()}  # spans are made of questions
    with pytest.raises(ValueError, match=r"There is no task 'detection'; the tasks are .*regression, segmentation"):
        task_named("detection")


# ---- the forms that people have


def test_one_number_a_sample_is_compared_in_either_form():
    column, row = torch.randn(9, 1), torch.randn(9)
    worked = (column[:, 0] - row).square().mean()
    for answers, targets in ((column, row), (column[:, 0], row), (column[:, 0], row[:, None]), (column, row[:, None])):
        assert torch.allclose(REGRESSION.loss(answers, targets), worked)
        data = labelled("numbers", torch.zeros(9, 1), targets)
        assert REGRESSION.score(answers, data)["mean squared error"].value == pytest.approx(worked.item())
    assert torch.allclose(BOUNDED.soft(1.0)(column, row[:, None], row), worked)
    assert BOUNDED.soft(1.0)(column, column + 99, row) == 0  # a teacher that is far off bounds nothing
    whole = torch.arange(9)
    assert torch.allclose(REGRESSION.loss(column, whole), (column[:, 0] - whole).square().mean())


def test_one_logit_is_scored_and_learnt_as_two():
    data, answers = drawn(BINARY)
    two = torch.cat([torch.zeros_like(answers), answers], 1)
    for one in (answers, answers[:, 0]):
        assert BINARY.score(one, data) == CLASSIFICATION.score(two, data)
        assert BINARY.loss(one, data.targets).item() == pytest.approx(CLASSIFICATION.loss(two, data.targets).item())
        assert BINARY.soft(4.0)(one, one + 1).item() == pytest.approx(
            CLASSIFICATION.soft(4.0)(two, torch.cat([two[:, :1], answers + 1], 1)).item(), rel=1e-5
        )
        assert BINARY.details(one, one, data)["agreement"] is None
        assert BINARY.details(one, -one, data)["agreement"] == 0
    assert BINARY.words(torch.tensor([3.5]), ("dog", "cat")) == "cat (97 %)"
    with pytest.raises(ValueError, match="task classification"):
        BINARY.loss(two, data.targets)


@pytest.mark.parametrize("task", [REGRESSION, MULTI_LABEL])
def test_what_answers_are_wanted_follows_from_the_samples_that_are_asked_about(task):
    """A part of one sample is looked at beside an example of two."""
    assert task.answers(torch.zeros(1, 3), 3, 2) == (2, 3) and task.answers(torch.zeros(2, 0), 3, 2) == (2, 3)


def test_the_head_says_whether_two_classes_are_told_apart_by_one_logit():
    assert by_head(CLASSIFICATION, 1, 2) is BINARY
    assert by_head(CLASSIFICATION, 1, 3) is CLASSIFICATION and by_head(REGRESSION, 1, 2) is REGRESSION
    texts = of_texts(CLASSIFICATION, 0)  # which are asked about by their length
    assert by_head(texts, 1, 2) == replace(BINARY, predict=texts.predict) and by_head(texts, 2, 2) is texts
    with pytest.raises(ValueError, match=r"There are 2 classes; net answers with 1\. A single logit .* task binary"):
        check_network(mlp((4, 1)), torch.rand(2, 4), 2, "net")


@pytest.mark.parametrize(
    ("task", "answers", "targets", "sentence"),
    [
        (MULTI_LABEL, torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64), r"0 and 1, \[4, 3\] .*one_hot"),
        (MULTI_LABEL, torch.zeros(4, 3), torch.full((4, 3), 2.0), "from 2 to 2"),
        (SEGMENTATION, torch.zeros(4, 3, 8, 8), torch.zeros(4, 16, 16, dtype=torch.int64), "interpolate"),
        (SEGMENTATION, torch.zeros(4, 3, 8, 8), torch.zeros(4, 8, 8), "float32 targets"),
        (SEGMENTATION, torch.zeros(4, 3, 8, 8), torch.full((4, 8, 8), 3), "0 to 2, and 255 .*; 3 is among"),
        (REGRESSION, torch.zeros(4, 3), torch.zeros(4), r"\(4, 3\) with targets \(4,\)"),
    ],
)
def test_targets_in_another_form_are_refused_in_a_sentence(task, answers, targets, sentence):
    with torch.no_grad(), pytest.raises(ValueError, match=sentence):  # as in a rehearsal
        task.loss(answers, targets)
    with pytest.raises(ValueError, match=sentence):
        task.score(answers, labelled("drawn", torch.zeros(4, 1), targets))


def test_masks_of_bytes_are_masks():
    answers, targets = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    assert torch.equal(SEGMENTATION.loss(answers, targets.byte()), SEGMENTATION.loss(answers, targets))
    sets = [labelled("x", torch.zeros(2, 1), kind, tuple("abc")) for kind in (targets, targets.byte())]
    assert SEGMENTATION.score(answers, sets[0]) == SEGMENTATION.score(answers, sets[1])
    assert SEGMENTATION.loss(answers, torch.full_like(targets, 255)) == 0


def test_a_label_that_no_sample_has_counts_in_no_mean():
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    data = labelled("rare", torch.zeros(3, 1), targets, ("common", "absent"))
    scores = MULTI_LABEL.score(torch.tensor([[2.0, -9.0], [-2.0, -9.0], [1.0, -9.0]]), data)
    assert {name: score.value for name, score in scores.items()} == dict.fromkeys(scores, 100.0)
    assert MULTI_LABEL.constant(data) == pytest.approx(200 / 3)


def test_answers_of_another_shape_than_the_targets_are_not_compared_all_with_all():
    data = labelled("column", torch.zeros(5, 1), torch.zeros(5, 5))
    with pytest.raises(ValueError, match=r"compares answers \(5,\) with targets \(5, 5\)"):
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
