"""``tutelage distill`` as its users meet it: a network, a folder of pictures, and what comes out."""

import json
import shutil
from pathlib import Path

import pytest

from picture_folders import WORDS
from stopping import LEFT, watched
from tutelage import load
from tutelage.cli.command import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("place")]


def folder():
    (made,) = Path("runs").glob("own-distill/*/arguments.json")
    return made.parent


def weights():
    return (folder() / "student.safetensors").read_bytes()


def test_a_network_and_a_folder_become_a_smaller_network_that_is_measured(capsys):
    assert main(["distill", *WORDS, "--epochs", "2", "--minutes", "0.1"]) == 0
    said = capsys.readouterr().out
    assert "my_nets.net" in said and "Without a teacher" in said
    made = json.loads((folder() / "results.json").read_text())
    assert [x["name"] for x in made["networks"]] == ["teacher", "student", "baseline"]
    plan = json.loads((folder() / "plan.json").read_text())
    assert plan["epochs"] == 2
    assert sum(p.numel() for p in load(folder(), allow=["my_nets"]).parameters()) < 500
    assert (folder() / "student.onnx").stat().st_size > 1000 and (folder() / "predict.py").is_file()


@pytest.mark.usefixtures("without_onnx")
def test_the_same_line_again_trains_nothing_and_leaves_the_same_bits():
    line = ["distill", *WORDS, "--epochs", "2", "--minutes", "0.1", "--no-baseline"]
    assert main(line) == 0
    before, stages = weights(), sorted(Path("runs/stages").iterdir())
    assert main(["run", "own:distill", *line[1:]]) == 0
    assert weights() == before and sorted(Path("runs/stages").iterdir()) == stages


@pytest.mark.usefixtures("without_onnx")
def test_a_dry_run_tells_the_plan_and_the_run_after_it_keeps_to_it(capsys):
    line = ["distill", *WORDS, "--epochs", "2", "--minutes", "0.1", "--no-baseline"]
    assert main([*line, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "epochs of" in told and not list(Path("runs").glob("own-distill/*"))
    assert main(line) == 0
    assert json.loads((folder() / "plan.json").read_text())["plan"] == told.splitlines()


@pytest.mark.usefixtures("without_onnx")
def test_stopped_in_the_middle_the_same_line_goes_on_to_the_same_bits(monkeypatch):
    monkeypatch.setattr("tutelage.study.own.participants.own_views", watched)
    line = ["distill", *WORDS, "--epochs", "3", "--minutes", "0.1", "--no-baseline"]
    assert main([*line, "--runs", "whole"]) == 0
    (whole,) = Path("whole").glob("own-distill/*/student.safetensors")
    shutil.copytree("whole/plans", "runs/plans")  # the clock decides in a plan, so both keep to one
    LEFT[:] = [7]
    assert main(line) == 143
    assert list(Path("runs/stages").glob("*/checkpoint.safetensors"))
    assert main(line) == 0
    assert weights() == whole.read_bytes()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--minutes", "0"], "--minutes must be more than 0"),
        (["--minutes", "0.001"], "give --minutes"),
        (["--student", "9 MACs"], "cannot be reached by gates on conv2, head; the least that is left is 1.056k MACs"),
        (["--student", "9 GMACs"], "A search ends below what the whole network costs, 36.34k MACs"),
        (["--student", "resnet999"], "no network 'resnet999'"),
        (["--method", "magic"], "no method 'magic'"),
        (["--data", "nowhere"], "nowhere"),
        (["--weights", "nothing.pt"], "nothing.pt"),
        (["--student", "my_nets.net(num_classes=4)"], "4"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_leaves_nothing(capsys, more, sentence):
    assert main(["distill", *WORDS, *more]) in (2, 3)
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
    assert not list(Path("runs").glob("own-distill/*"))
