"""A run's folder holds what was asked, what was done and what came out; it is nobody else's meanwhile."""

import json
import multiprocessing
import os
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import tutelage
from examples import SGD, bits, label, mlp, same, vectors
from tutelage.checkpoint import save_weights
from tutelage.learner import Learner
from tutelage.objective import Objective
from tutelage.run import Run


def net(width: int = 8) -> nn.Sequential:
    return mlp(width)


def fit(stage, model, *, epochs=2, fails=False):
    if fails:
        raise ValueError("no data")
    stage.train({"student": Learner(model, Objective(label=label()), SGD)}, vectors(), epochs, model=model)


def idle(stage, model):
    pass


def made(root, **settings):
    return Run("toy:one", "quick", {"seed": 0}, {"seed": 0}, root=root, exact=True, device="cpu", **settings)


def test_everything_is_in_the_folder_and_the_student_comes_back_ready(tmp_path):
    with made(tmp_path) as run:
        done = run.stage("student", net, fit)
        run.deliver(done.last, classes=("a", "b"))
        run.claim("errors", published=1, measured=2, unit="errors", high=3, source="nobody")
        run.publish(headline="done")
    names = {"arguments.json", "environment.json", "lock", "log.jsonl", "results.json", "stages.json"}
    assert {file.name for file in run.folder.iterdir()} == names | {"student.json", "student.safetensors"}
    student = tutelage.load(str(run.folder))
    assert same(bits(student), bits(done.last)) and not student.training
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["epoch"], line["step"]) for line in lines] == [("student", 1, 4), ("student", 2, 8)]


def test_numbers_of_any_library_end_up_as_plain_json(tmp_path):
    with made(tmp_path) as run:
        run.claim("errors", published=1, measured=np.int64(2), unit="errors", high=torch.tensor(3.0), source="nobody")
        run.publish(tables=[{"rows": [[np.float32(0.5), torch.tensor(3)]]}], headline="x")
    results = json.loads((run.folder / "results.json").read_text())
    assert results["tables"] == [{"rows": [[0.5, 3]]}] and results["claims"][0]["measured"] == 2


def test_a_stage_is_trained_once_for_all_runs_that_need_it(tmp_path):
    with made(tmp_path) as one:
        first = one.stage("student", net, fit)
    with Run("toy:two", root=tmp_path, exact=True, device="cpu") as two:
        second = two.stage("pupil", net, fit)
        other = two.stage("longer", net, partial(fit, epochs=3))
    assert first.key == second.key != other.key and same(bits(first.last), bits(second.last))
    assert [record["stage"] for record in second.records] == ["pupil", "pupil"]
    assert len(list((tmp_path / "stages").iterdir())) == 2


def hold(root, pipe):
    with made(root):
        pipe.send("held")
        pipe.recv()


def test_a_second_process_is_refused_and_told_who_is_there(tmp_path):
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    process = fork.Process(target=hold, args=(tmp_path, there))
    process.start()
    assert here.recv() == "held"
    with pytest.raises(BlockingIOError, match=f"in use by process {process.pid}"), made(tmp_path):
        pass
    here.send("go")
    process.join()
    with made(tmp_path) as run:
        assert (run.folder / "lock").read_text() == str(os.getpid())


def test_a_folder_of_another_run_is_refused_and_left_alone(tmp_path):
    with made(tmp_path, folder=tmp_path / "mine") as run:
        run.publish(headline="kept")
    before = (run.folder / "results.json").read_bytes()
    settings = {"root": tmp_path, "folder": tmp_path / "mine", "device": "cpu"}
    for other, sentence in (
        (Run("toy:two", "quick", {"seed": 0}, exact=True, **settings), "holds a run of toy:one, not of toy:two"),
        (Run("toy:one", "quick", {"seed": 1}, exact=True, **settings), "seed = 0 there and 1 here"),
        (Run("toy:one", "quick", {"seed": 0}, exact=False, **settings), "made with --exact"),
    ):
        with pytest.raises(ValueError, match=sentence), other:
            pass
    assert (run.folder / "results.json").read_bytes() == before


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionError, match="cannot be used as a run folder"), made(tmp_path / "file"):
        pass


def test_a_run_that_fails_has_no_results_and_gives_its_lock_back(tmp_path):
    with pytest.raises(ValueError, match="no data"), made(tmp_path) as run:
        run.stage("student", net, partial(fit, fails=True))
    assert not (run.folder / "results.json").exists()
    with pytest.raises(ValueError, match=r"has to call stage\.train"), made(tmp_path) as run:
        run.stage("student", net, idle)
    with pytest.raises(ValueError, match="could not fail"), made(tmp_path) as run:
        run.claim("nothing", published=1, measured=1, unit="errors", source="nobody")


def test_what_cannot_be_delivered_or_loaded_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="comes from elsewhere"), made(tmp_path) as run:
        run.deliver(mlp())
    with pytest.raises(FileNotFoundError, match="no finished student"):
        tutelage.load(tmp_path)
    with made(tmp_path) as run:
        run.deliver(run.stage("student", net, fit).last)
    save_weights(run.folder / "student.safetensors", mlp(9))
    with pytest.raises(ValueError, match="another architecture"):
        tutelage.load(run.folder)
    (run.folder / "student.safetensors").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="is a pickle"):
        tutelage.load(run.folder)
    (run.folder / "student.json").write_text('{"build": {"function": "os:system", "arguments": ["exit 1"]}}')
    with pytest.raises(ValueError, match="not declared to return"):
        tutelage.load(run.folder)
