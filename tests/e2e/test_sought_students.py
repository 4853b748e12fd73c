"""A student that is sought within its teacher, as users of ``tutelage distill`` meet it."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import tutelage
from picture_folders import WORDS, pictures
from stopping import LEFT, watched
from tutelage import load
from tutelage.cli.command import main
from tutelage.measures.cost import macs
from tutelage.progress import Silence

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("place")]
WHOLE, A_CHANNEL = 36336, 27 * 36 + 9 * 9 * 16
LINE = ["distill", *WORDS[:6], "--student", "quarter", "--quiet", "--epochs", "2", "--minutes", "0.1", "--no-baseline"]


@pytest.fixture
def place(place, monkeypatch):
    """The same, where a search is short."""
    monkeypatch.setattr("tutelage.study.own.sought.MOST_STEPS", 30)
    return place


def folder():
    (made,) = Path("runs").glob("own-distill/*/arguments.json")
    return made.parent


def test_a_quarter_of_a_network_of_ones_own_is_planned_sought_taught_and_handed_over(capsys):
    assert main([*LINE, "--dry-run"]) == 0
    told = capsys.readouterr().out.splitlines()
    words = "quarter of my_nets.net(width=16) is sought: 9.084k MACs of 36.34k MACs; channels of my_nets.net(width=16)"
    assert told[0].startswith(words) and ", search " in told[-1] and not list(Path("runs").glob("own-distill/*"))

    assert main(LINE) == 0
    assert "quarter of my_nets.net(width=16) has " in capsys.readouterr().out
    assert json.loads((folder() / "plan.json").read_text())["plan"] == told
    student = load(folder(), allow=["my_nets"])
    assert WHOLE / 4 - A_CHANNEL < macs(student, torch.zeros(1, 3, 12, 12)) <= WHOLE / 4
    assert {type(x).__module__.partition(".")[0] for x in student.modules()} <= {"torch", "tutelage"}
    described = json.loads((folder() / "student.json").read_text())["build"]
    (_, (_, reads), _) = described["named"]["architecture"]["mapping"]
    assert "conv2" in dict(reads["mapping"]) and set(dict(reads["mapping"])) <= {"conv2", "head"}
    assert (folder() / "student.onnx").stat().st_size > 1000 and (folder() / "predict.py").is_file()
    results = json.loads((folder() / "results.json").read_text())
    assert [x["title"] for x in results["tables"]] == ["The search", "What it left of each layer"]


@pytest.mark.usefixtures("without_onnx")
def test_stopped_in_the_search_or_in_the_training_the_same_line_goes_on_to_the_same_bits(monkeypatch):
    monkeypatch.setattr("tutelage.study.own.participants.own_views", watched)
    assert main([*LINE, "--runs", "whole"]) == 0
    (whole,) = Path("whole").glob("own-distill/*/student.safetensors")
    shutil.copytree("whole/plans", "runs/plans")  # the clock decides in a plan, so both keep to one
    for steps in (7, 40):
        LEFT[:] = [steps]
        assert main(LINE) == 143
        LEFT.clear()
    assert main(LINE) == 0
    assert (folder() / "student.safetensors").read_bytes() == whole.read_bytes()
    stages = sorted(Path("runs/stages").iterdir())
    assert main(LINE) == 0  # nothing is trained again
    assert sorted(Path("runs/stages").iterdir()) == stages


@pytest.mark.usefixtures("without_onnx")
def test_from_python_a_student_is_sought_in_a_network_that_is_an_object(place):
    def part(count, seed):
        inputs = pictures(count, seed).flatten(0, 1).float() / 255
        return TensorDataset(inputs, torch.arange(3).repeat_interleave(count))

    torch.manual_seed(0)
    net, data = nn.Sequential(nn.Flatten(), nn.Linear(432, 20), nn.ReLU(), nn.Linear(20, 3)), part(30, 0)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(data.tensors[0]), data.tensors[1]).backward()
        optimizer.step()
    made = tutelage.distill(net, "30 % of the parameters", (data, part(10, 1), part(10, 2)), runs=place / "runs",
                            epochs=2, minutes=0.1, progress=Silence())  # fmt: skip
    sizes = [x.metrics[name]["parameters"] for x in (made,) for name in ("teacher", "student", "baseline")]
    assert sizes[1] == sizes[2] and 0.25 * sizes[0] < sizes[1] <= 0.3 * sizes[0]
    assert made.sentence.startswith("30 % of the parameters of Sequential has ")
    assert [type(x).__name__ for x in made.model] == ["Flatten", "Linear", "ReLU", "Linear"]
