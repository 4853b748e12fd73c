"""Somebody's network on somebody's data, in figures: from Python and from the command."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from stripes import Net, sets
from tutelage.cli.command import main
from tutelage.data.labelled import labelled
from tutelage.study.own import measured as measuring
from tutelage.study.own.measured import measured_network
from tutelage.study.sets import Sets
from tutelage.tasks.regression import REGRESSION


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """A folder with a network of one's own, and data that lie where they are asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: True)
    data = three_classes()
    monkeypatch.setattr(measuring, "own_sets", lambda _, where, *_more: data if where == "photos" else {}[where])
    torch.save({"model": {f"module.{name}": x.half() for name, x in knowing().state_dict().items()}}, "net.pt")
    return tmp_path


def three_classes(count=60):
    data = sets(count=count)
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    kept = {name: replace(x, targets=x.targets % 3, classes=("a", "b", "c")) for name, x in parts.items()}
    return replace(data, **kept)


class Mean(nn.Module):
    """Tells colours apart by their mean, without training."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 3)

    def forward(self, x):
        return self.head(x.mean((2, 3)))


def knowing():
    data, network = three_classes(200), Mean()
    x = data.test_transform(data.train.inputs, data.train.index * 0).mean((2, 3))
    x = torch.cat([x, torch.ones(len(x), 1)], 1).double()
    fit = torch.linalg.lstsq(x, 8 * nn.functional.one_hot(data.train.targets, 3).double()).solution.float()
    network.head.weight.data, network.head.bias.data = fit[:3].T.clone(), fit[3].clone()
    return network


def test_figures_of_a_network_are_those_that_its_measures_give():
    found = measured_network(knowing(), three_classes(), device="cpu", rounds=3)
    assert found.scores["accuracy"].value > 90 and found.scores["accuracy"].interval is not None
    assert (found.parameters, found.macs, found.count) == (12, 9, 60)
    assert found.bytes > 48 and found.memory_bytes > 0 and found.input_shape == (3, 16, 16)
    assert found.loss > 0 and 0 <= found.calibration_error <= 1 and {*found.latency_ms} == {"1", "64"}
    assert json.loads(json.dumps(found.as_json()))["macs"] == 9
    assert "<td>parameters</td><td>12</td>" in found._repr_html_() and "Mean" in found._repr_html_()


def test_what_is_clearly_worse_than_expected_is_refused_and_what_would_help_is_said():
    with pytest.raises(ValueError, match="less than the 93 % accuracy that is expected"):
        data = three_classes(400)
        flipped = {part: replace(getattr(data, part), inputs=getattr(data, part).inputs.flip(1).contiguous())
                   for part in ("train", "validation", "test")}  # fmt: skip
        measured_network(knowing(), replace(data, **flipped), expect=0.93, device="cpu", rounds=3)


def test_a_network_of_numbers_has_its_own_metrics_and_no_calibration():
    x = torch.randn(80, 4)
    parts = [labelled(name, x[a:b], 2 * x[a:b, :1]) for name, a, b in (("r", 0, 40), ("v", 40, 60), ("t", 60, 80))]
    network = nn.Linear(4, 1)
    network.weight.data, network.bias.data = torch.tensor([[2.0, 0, 0, 0.1]]), torch.zeros(1)
    found = measured_network(network, Sets(*parts, task=REGRESSION), device="cpu", rounds=3)
    assert found.calibration_error is None and found.scores["R²"].value > 0.9 and found.units["R²"] == ""


@pytest.mark.usefixtures("at_home")
def test_the_command_measures_and_writes_nothing(capsys):
    Path("my_nets.py").write_text("from test_measured import Mean\n")
    words = ["measure", "--model", "my_nets:Mean", "--weights", "net.pt", "--data", "photos", "--device", "cpu"]
    assert main([*words, "--expect", "0.9"]) == 0
    said = capsys.readouterr().out
    assert "accuracy" in said and "latency, batch 64" in said and "took the weights under 'model'" in said
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parameters"] == 12
    assert {x.name for x in Path().iterdir()} <= {"net.pt", "my_nets.py", "__pycache__"}


@pytest.mark.usefixtures("at_home")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "photos"], "which network, on which data?"),
        (["--model", "stripes:Net", "--data", "photos"], "stripes:Net is untrained as it is built"),
        (["--model", "stripes:Net", "--data", "photos", "--expect", "101"], "between 0 and 100"),
        (["--model", "stripes:Net", "--data", "photos", "--size", "-1"], "--size must be at least 0"),
        (["--model", "net.pt", "--data", "photos"], "holds weights, not how the network is built"),
        (["--model", "stripes:Net", "--data", "photos", "--wieghts", "x"], "did you mean '--weights'"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(words, said, capsys):
    assert main(["measure", *words]) in (2, 3)
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_weights_beside_a_network_that_has_them_are_refused():
    with pytest.raises(ValueError, match=r"leave out weights='w\.pt'"):
        measured_network(Net(), three_classes(), weights="w.pt")
