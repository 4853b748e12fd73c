"""Networks made elsewhere: known by what their file holds, never trained, never mistaken for one another."""

import json
from functools import partial

import pytest
import torch
from torch import nn

import tutelage
from examples import SGD, bits, kd, mlp, same, vectors
from tutelage.checkpoint import save_weights
from tutelage.learner import Learner
from tutelage.progress import Silence
from tutelage.run import Run
from tutelage.teachers.frozen import frozen


class Notes(Silence):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 5))


def student() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 5))


def taught(stage, model, *, teacher):
    learner = Learner(model, kd(), SGD, teachers={"teacher": frozen(teacher)})
    stage.train({"student": learner}, vectors(), 2, model=model)


def distil(root, weights, build=net):
    """The same command every time: a teacher from a file, and its student."""
    with Run("toy:given", root=root, exact=True, device="cpu", progress=Notes()) as run:
        teacher = run.given("teacher", build, weights)
        small = run.stage("student", student, partial(taught, teacher=teacher.last))
    return run, teacher, small


def test_the_weights_are_those_of_the_file_and_nothing_is_trained(tmp_path):
    save_weights(tmp_path / "mine.safetensors", mlp(16, seed=5))
    run, teacher, _ = distil(tmp_path / "runs", str(tmp_path / "mine.safetensors"))
    assert same(bits(teacher.last), bits(mlp(16, seed=5)))
    assert teacher.records == [] and teacher.best is teacher.last and teacher.best_epoch is None
    stages = json.loads((run.folder / "stages.json").read_text())
    assert [(stage["kind"], stage["epochs"]) for stage in stages] == [("given", 0), ("trained", 2)]
    assert stages[1]["uses"] == ["teacher"]
    assert same(
        bits(tutelage.load(delivered(tmp_path / "runs", tmp_path / "mine.safetensors"), allow=[__name__])),
        bits(teacher.last),
    )


def delivered(root, weights):
    with Run("toy:delivers", root=root, exact=True, device="cpu") as run:
        run.deliver(run.given("teacher", net, weights).last)
    return run.folder


def test_another_file_under_the_same_name_teaches_anew_and_the_same_under_another_does_not(tmp_path):
    file, moved = tmp_path / "teacher.safetensors", tmp_path / "deep" / "renamed.safetensors"
    save_weights(file, mlp(16, seed=1))
    _, first, small = distil(tmp_path / "runs", file)
    (tmp_path / "deep").mkdir()
    moved.write_bytes(file.read_bytes())
    again, same_teacher, same_small = distil(tmp_path / "runs", moved)
    assert (same_teacher.key, same_small.key) == (first.key, small.key)
    assert any("student: loaded from" in note for note in again.progress.notes)
    save_weights(file, mlp(16, seed=2))
    anew, other, other_small = distil(tmp_path / "runs", file)
    assert other.key != first.key and other_small.key != small.key
    assert same(bits(other.last), bits(mlp(16, seed=2))) and not same(bits(other_small.last), bits(small.last))
    assert not any("loaded from" in note for note in anew.progress.notes)


def test_the_copy_among_the_stages_outlives_the_network_that_somebody_trains_on(tmp_path):
    file = tmp_path / "teacher.safetensors"
    save_weights(file, mlp(16, seed=1))
    with Run("toy:given", root=tmp_path / "runs", exact=True, device="cpu") as run:
        teacher = run.given("teacher", net, file)
        with torch.no_grad():
            teacher.last[0].weight.zero_()
        assert same(bits(run.given("teacher", net, file).last), bits(mlp(16, seed=1)))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_files_of_other_programs_are_read_and_what_was_done_is_said_again_when_they_are_loaded(tmp_path, prefix):
    network, file = mlp(16, seed=7), tmp_path / "teacher.pth"
    torch.save({"state_dict": {f"{prefix}{name}": x for name, x in network.state_dict().items()}, "epoch": 3}, file)
    first, teacher, _ = distil(tmp_path / "runs", file)
    again, same_teacher, _ = distil(tmp_path / "runs", file)
    assert same(bits(teacher.last), bits(network)) and same(bits(same_teacher.last), bits(network))
    told = [[note for note in run.progress.notes if "loaded from" not in note] for run in (first, again)]
    assert told[0] == told[1] and all(note.startswith("teacher: ") for note in told[0]) and told[0]


def test_a_file_that_is_missing_or_of_another_architecture_is_refused_and_leaves_no_stage(tmp_path):
    save_weights(tmp_path / "other.safetensors", mlp(9))
    with pytest.raises(ValueError, match="architecture"):
        distil(tmp_path / "runs", tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*gone\.safetensors"):
        distil(tmp_path / "runs", tmp_path / "gone.safetensors")
    with pytest.raises(ValueError, match="is a folder; name the file of weights in it"):
        distil(tmp_path / "runs", tmp_path)
    assert not (tmp_path / "runs").exists()


def test_a_run_that_refuses_the_network_it_was_given_leaves_no_folder_but_keeps_the_copy(tmp_path):
    save_weights(tmp_path / "mine.safetensors", mlp(16))
    with (
        pytest.raises(ValueError, match="no better than chance"),
        Run("toy:given", root=tmp_path / "runs", exact=True, device="cpu") as run,
    ):
        run.given("teacher", net, tmp_path / "mine.safetensors")
        raise ValueError("no better than chance")
    assert not run.folder.exists() and list((tmp_path / "runs").rglob("last.safetensors"))
