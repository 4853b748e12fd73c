"""What is kept of a teacher is what a training asked: nobody who measures adds to it, and lost answers are said."""

import os
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from shutil import rmtree

import pytest
import torch
from torch import nn

from examples import bits, same
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.data.views import draw, in_turn
from tutelage.keys import STAGE_KEY
from tutelage.methods.by_name import method
from tutelage.models.mlp import mlp
from tutelage.optimizers.schedules import cosine, stepwise
from tutelage.optimizers.usual import nesterov
from tutelage.progress import Silence
from tutelage.run import Run
from tutelage.schemes import answers
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.distill import distilled
from tutelage.schemes.plan import Plan
from tutelage.study import costs
from tutelage.study.costs import STEPS, costs_of, stepping
from tutelage.study.evaluated import Evaluated, evaluate
from tutelage.study.sets import Sets
from tutelage.study.trials import Trial, run_trial
from tutelage.teachers.cached import cached
from tutelage.teachers.frozen import folded, frozen
from tutelage.teachers.stores import in_folder, in_memory, over_folder

pytestmark = pytest.mark.slow

TRAIN, TEST = digits(90, seed=0), digits(20, seed=1, name="synthetic/test")
OUTPUT = frozenset({"output"})


def black_or_white(images, view):
    """Three views of whole numbers: sums of them are exact in whatever order a processor adds them up."""
    return (images > 64 * (1 + view.view(-1, 1, 1, 1))).float()


LESSON = Lesson(TRAIN, None, black_or_white, 3, batch_size=40, choose=in_turn)
STUDENT = partial(mlp, (784, 16, 10))


def exact_teacher(key="0123456789abcdef"):
    """Its answers are those of its weights, on any processor and whoever else is in the batch; bfloat16 rounds them."""
    teacher = mlp((784, 24, 10))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in teacher.parameters():
            p.copy_(torch.randint(-1, 2, p.shape, generator=generator))
    setattr(teacher, STAGE_KEY, key)
    return teacher


def trial(seed=0, epochs=3, name="kd"):
    plan = Plan(replace(LESSON, seed=seed), partial(nesterov, lr=0.05), epochs)
    return Trial(STUDENT, plan, Teaching(method(name), exact_teacher(), ("", "")))


def files(folder):
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(costs, "SECONDS", 0.0)


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=str)
def precision(request):
    return request.param


def begun(root, precision, progress=None, name="lab:kept"):
    run = Run(name, root=root, device="cpu", progress=progress)
    run.precision = precision
    return run


def test_a_second_seed_in_the_same_root_is_that_of_a_fresh_one(tmp_path, precision):
    with begun(tmp_path / "shared", precision) as run:
        run_trial(run, "first", trial(1, epochs=1))
        costs_of(run, {"first": trial(1), "other": trial(5)})
        second = run_trial(run, "second", trial(2))
    with begun(tmp_path / "fresh", precision) as run:
        fresh = run_trial(run, "second", trial(2))
    assert second.finished.key == fresh.finished.key
    assert same(bits(second.finished.last), bits(fresh.finished.last))


def test_the_same_trial_in_another_precision_is_another(tmp_path):
    ends = []
    for precision in (torch.float32, torch.bfloat16):
        with begun(tmp_path, precision) as run:
            ends.append(run_trial(run, "student", trial()).finished)
    assert len(list((tmp_path / "answers").iterdir())) == 2 and not same(bits(ends[0].last), bits(ends[1].last))


@pytest.mark.parametrize("kept", ["all", "some", "none"])
def test_no_measurement_changes_weights_answers_or_what_is_drawn_at_random(tmp_path, precision, kept):
    with begun(tmp_path, precision) as run:
        trained = run_trial(run, "student", trial(epochs=3 if kept == "all" else 1))
        if kept == "none":
            rmtree(tmp_path / "answers")
        teacher, other = trained.trial.teaching.teacher, trial(name="0.5*kd")
        before, generator, networks = files(tmp_path), torch.get_rng_state(), [teacher, trained.finished.last]
        weights, modes = list(map(bits, networks)), [x.training for net in networks for x in net.modules()]
        measured, _ = costs_of(run, {"student": trained.trial, "other": other})
        evaluate({"student": Evaluated("student", "", trained.finished)}, Sets(TRAIN, TEST, TEST))
        assert len(measured) == 2
        assert files(tmp_path) == before and torch.equal(torch.get_rng_state(), generator)
        assert all(map(same, weights, map(bits, networks)))
        assert modes == [x.training for net in networks for x in net.modules()]


def test_the_step_that_is_measured_asks_nobody(tmp_path):
    with begun(tmp_path, torch.float32) as run:
        one, asked = trial(), []
        one.teaching.teacher.register_forward_hook(lambda *_: asked.append(1))
        step = stepping(run, one)
        before = len(asked)
        for _ in range(STEPS + 4):
            step()
        assert len(asked) == before > 0 and not (tmp_path / "answers").exists()


class Noted(Silence):
    def __init__(self, stop_after=0):
        self.notes, self.stop_after = [], stop_after

    def note(self, text):
        self.notes.append(text)

    def epoch(self, record):
        if record["epoch"] == self.stop_after:
            raise RuntimeError("power cut")


def lost(notes):
    return [note for note in notes if "asked anew" in note]


@pytest.mark.parametrize("left", [True, False])
def test_answers_that_were_lost_within_a_training_come_again_and_that_is_said(tmp_path, precision, left, monkeypatch):
    monkeypatch.setattr(Run, "save_every", 0.0)
    with begun(tmp_path / "whole", precision, progress := Noted()) as run:
        straight = run_trial(run, "kd", trial(epochs=4)).finished.last
    assert not lost(progress.notes)
    with pytest.raises(RuntimeError, match="power cut"), begun(tmp_path / "cut", precision, Noted(2)) as run:
        run_trial(run, "kd", trial(epochs=4))
    if not left:
        rmtree(tmp_path / "cut" / "answers")
    with begun(tmp_path / "cut", precision, progress := Noted()) as run:
        resumed = run_trial(run, "kd", trial(epochs=4)).finished.last
    assert same(bits(resumed), bits(straight))
    assert [note.startswith("kd: its teacher is asked anew for answers which were kept in") for note in
            lost(progress.notes)] == [True] * (not left)  # fmt: skip


@pytest.mark.parametrize(("batch_size", "said"), [(45, False), (40, True)])
def test_answers_in_memory_go_with_the_process_which_is_said_where_batches_are_small(
    tmp_path, batch_size, said, monkeypatch
):
    monkeypatch.setattr(Run, "save_every", 0.0)
    plan = Plan(replace(LESSON, batch_size=batch_size), partial(nesterov, lr=0.05), 4)
    fit = partial(distilled, plan=plan, teacher=exact_teacher(), temperature=4.0, label=0.5, soft=0.5)
    progress = Noted()
    with begun(tmp_path / "whole", torch.float32, progress) as run:
        straight = run.stage("kd", STUDENT, fit).last
    assert not lost(progress.notes)
    with pytest.raises(RuntimeError, match="power cut"), begun(tmp_path / "cut", torch.float32, Noted(2)) as run:
        run.stage("kd", STUDENT, fit)
    with begun(tmp_path / "cut", torch.float32, progress) as run:
        resumed = run.stage("kd", STUDENT, fit).last
    assert same(bits(resumed), bits(straight)) and bool(lost(progress.notes)) == said


def test_answers_that_no_training_reads_again_are_not_kept_and_the_student_is_the_same(tmp_path, monkeypatch):
    caches, ends = [], []
    monkeypatch.setattr(answers, "cached", lambda *args, **named: caches.append(1) or cached(*args, **named))
    for epochs, always in ((3, False), (4, False), (3, True)):
        if always:
            monkeypatch.setattr(Lesson, "repeats", lambda *_: True)
        plan = Plan(LESSON, partial(nesterov, lr=0.05), epochs)
        fit = partial(distilled, plan=plan, teacher=exact_teacher(), temperature=4.0, label=0.5, soft=0.5)
        with begun(tmp_path / f"{epochs}{always}", torch.float32) as run:
            ends.append((run.stage("kd", STUDENT, fit).last, len(caches)))
    assert [count for _, count in ends] == [0, 1, 2] and same(bits(ends[0][0]), bits(ends[2][0]))


@pytest.mark.parametrize(("choose", "views"), [(in_turn, 3), (draw, 3), (in_turn, 2**16 + 1)])
def test_a_lesson_knows_whether_a_sample_is_shown_in_a_view_again(choose, views):
    lesson, index = replace(LESSON, choose=choose, num_views=views), torch.arange(90)
    for epochs in (1, 3, 4, 6):
        seen = torch.stack([choose(0, epoch, index, views) for epoch in range(epochs)])
        repeated = any(len(column.unique()) < epochs for column in seen.T)
        assert lesson.repeats(epochs) or not repeated


# ---- places


def batch(count=32):
    g = torch.Generator().manual_seed(2)
    index = torch.arange(count)
    return {"batch": {"input": torch.randn(count, 8, generator=g), "index": index, "view": index * 0}}


@pytest.fixture
def teacher():
    return frozen(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)))


def test_over_a_folder_what_is_there_is_read_and_what_is_not_stays_in_memory(tmp_path, teacher):
    key = {"weights": "a"}
    cached(teacher, samples=64, views=1, place=in_folder(tmp_path, key))(batch(), OUTPUT)
    before = files(tmp_path)
    reader = cached(teacher, samples=64, views=1, place=over_folder(tmp_path, key))
    more = reader(batch(64), frozenset({"0", "output"}))
    assert files(tmp_path) == before
    live = teacher(batch(64), frozenset({"0", "output"}))
    assert all(torch.allclose(more[what], live[what], atol=1e-6) for what in live)
    silent = cached(None, samples=64, views=1, place=in_folder(tmp_path, key))
    with pytest.raises(ValueError, match="lacks"):
        silent(batch(64), OUTPUT)
    with pytest.raises(ValueError, match="keeps other answers"):
        cached(teacher, samples=64, views=1, place=over_folder(tmp_path, {"weights": "b"}))


def test_over_a_folder_that_is_not_there_nothing_is_made(tmp_path, teacher):
    cached(teacher, samples=64, views=1, place=over_folder(tmp_path / "no", {}))(batch(), OUTPUT)
    assert os.listdir(tmp_path) == []


def asked_in(precision):
    return nullcontext() if precision is None else torch.autocast("cpu", precision)


@pytest.mark.parametrize("where", ["memory", "folder"])
@pytest.mark.parametrize("first", [None, torch.bfloat16, torch.float16])
def test_answers_of_one_precision_are_never_given_for_those_of_another(tmp_path, where, first, teacher):
    place = in_memory if where == "memory" else in_folder(tmp_path, {})
    ask, answers, lives = cached(teacher, samples=32, views=1, place=place), {}, {}
    for precision in (first, None, torch.bfloat16, torch.float16):
        with asked_in(precision):
            answers[precision], lives[precision] = (x(batch(), OUTPUT)["output"].float() for x in (ask, teacher))
    assert all(torch.equal(answers[precision], lives[precision]) for precision in answers)
    assert not torch.equal(answers[None], answers[torch.bfloat16])


@pytest.mark.parametrize("filled", [None, torch.bfloat16])
@pytest.mark.parametrize("read", [None, torch.bfloat16])
def test_with_nobody_to_ask_answers_of_any_precision_are_taken(tmp_path, filled, read, teacher):
    place = in_folder(tmp_path, {})
    with asked_in(filled):
        answer = cached(teacher, samples=32, views=1, place=place)(batch(), OUTPUT)["output"]
    with asked_in(read):
        assert torch.equal(cached(None, samples=32, views=1, place=place)(batch(), OUTPUT)["output"], answer.float())


def test_a_folded_teacher_and_a_frozen_one_keep_their_answers_apart(tmp_path):
    network = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4))
    for wrap, other in ((frozen, folded), (folded, frozen)):
        place = in_folder(tmp_path / wrap.__name__, {})
        assert cached(wrap(network), samples=32, views=1, place=place)(batch(), OUTPUT)["output"].shape == (32, 4)
        with pytest.raises(ValueError, match=r"keeps other answers .*folded"):
            cached(other(network), samples=32, views=1, place=place)(batch(), OUTPUT)


@pytest.mark.parametrize("epochs", [0, -1, 1.5, float("nan"), float("inf"), None, "3"])
@pytest.mark.parametrize("schedule", [cosine, partial(stepwise, at=(0.5,))])
def test_a_plan_counts_its_epochs_in_whole_numbers(epochs, schedule):
    with pytest.raises(ValueError, match="1 or more epochs, a whole number; got"):
        Plan(LESSON, partial(nesterov, lr=0.05), epochs, schedule)
