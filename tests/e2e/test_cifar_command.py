"""CIFAR's recipes as their users meet them: what cannot work is said in one sentence before anything is trained."""

import sys
from pathlib import Path

import pytest
import torch

from tutelage.cli.command import main
from tutelage.models.resnet import resnet8

RUN = ["run", "cifar100:compare", "--preset", "smoke"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: True)
    monkeypatch.delenv("TUTELAGE_RUNS", raising=False)
    monkeypatch.delenv("TUTELAGE_DATA", raising=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--teacher.layers", "layer9"], "has no layer 'layer9'. Did you mean one of 'layer"),
        (["--student.layers", "head"], "Layer 'head' of Sequential shows no map"),
        (["--methods", "kdd"], "There is no method 'kdd'. Did you mean 'kd' or"),
        (["--methods", "two*kd"], "'two' is not a number"),
        (["--student.name", "resnat8"], "There is no network 'resnat8' here. Did you mean one of 'resnet8'"),
        (["--student.name", "nowhere.net(3)"], "no module 'nowhere'"),
        (["--teacher.name", "resnet8(num_classes=7)"], "There are 10 classes; resnet8(num_classes=7) answers with 7"),
        (["--teacher.name", "zoo:teacher56"], "zoo.teacher56 cannot be imported: there is no module 'zoo' here"),
        (["--teacher.name", "resnet8", "--teacher.mean", "0.5"], "for each of 3 channels"),
        (["--strengths", "1", "3", "--images.validation", "0"], "keep some with --images.validation"),
        (["--strengths", "0"], "--strengths must be at least 1e-06; got 0.0"),
        (["--student.views", "163"], "--student.views must be between 0 and 162"),
    ],
)
def test_what_cannot_work_is_one_sentence_before_anything_is_trained(words, said, capsys):
    assert main([*RUN, *words]) == 2
    error = capsys.readouterr().err
    assert error.splitlines()[-1].startswith("tutelage: ") and said in error and "Traceback" not in error
    assert not Path("runs", "stages").exists()


ZOO = """
import torch
from torch import nn

def load(num_classes: int) -> nn.Module:
    norm, mean = nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), norm, mean, nn.Flatten(), nn.Linear(4, num_classes))
    drawn = torch.Generator().manual_seed(0)
    for x in net.state_dict().values():
        if x.is_floating_point():
            x.uniform_(generator=drawn)
    return net
"""


class TestATeacherMadeElsewhere:
    def test_that_comes_trained_is_not_trained_again(self, capsys, tmp_path, monkeypatch):
        monkeypatch.setattr("sys.path", [*sys.path])
        (tmp_path / "own_zoo.py").write_text(ZOO)
        assert main([*RUN, "--teacher.name", "own_zoo.load", "--methods", "kd"]) == 2
        error = capsys.readouterr().err
        assert "own_zoo.load comes with trained weights" in error and "--teacher.weights" in error

    def test_that_only_guesses_ends_the_run(self, capsys):
        torch.save(resnet8(num_classes=10).state_dict(), "fresh.pth")
        assert main([*RUN, "--teacher.weights", "fresh.pth"]) == 2
        error = capsys.readouterr().err
        assert "clearly better than one constant answer" in error.splitlines()[-1] and "kd: " not in error

    @pytest.mark.parametrize(("file", "code"), [("nowhere.pth", 3), ("text.pth", 3)])
    def test_whose_file_is_none_ends_the_run_and_leaves_nothing(self, file, code, capsys):
        Path("text.pth").write_text("<html>not found</html>")
        assert main([*RUN, "--teacher.weights", file]) == code
        assert file in capsys.readouterr().err.splitlines()[-1]
        assert not list(Path("runs").glob("cifar100-compare/*"))


def test_cifar_that_is_not_there_is_said_with_where_it_was_looked_for(capsys, monkeypatch):
    monkeypatch.setenv("TUTELAGE_DATA", "nowhere")
    assert main(["run", "cifar100:kd", "--preset", "cpu", "--data", "nowhere"]) == 3
    assert "nowhere" in capsys.readouterr().err
