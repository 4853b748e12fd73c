"""``tutelage compress`` as its users meet it: a network, a folder of pictures, a target, and what comes out."""

import json
import math
import shutil
from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import nn
from torch.utils.data import Subset, TensorDataset

import tutelage
from stopping import LEFT, watched
from tutelage import load
from tutelage.cli.command import main
from tutelage.progress import Silence
from tutelage.stages.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("place")]
WORDS = [
    *["--teacher", "my_nets.net(width=16)", "--weights", "teacher.safetensors", "--data", "photos", "--quiet"],
    *["--minutes", "0.1", "--may-lose", "100"],
]
BRANCHED = """
from collections import OrderedDict
from torch import nn
from my_nets import net


class Branched(nn.Sequential):
    def forward(self, x):
        if x.mean() > 9:
            x = 2 * x
        return super().forward(x)


def branched(num_classes: int = 3) -> nn.Module:
    return Branched(OrderedDict(net(width=16).named_children()))
"""


train = Stage.train


def stopped_early(stage, *arguments, **named):
    """The second round of pruning is asked to stop at its third batch: what comes before is whole."""
    LEFT[:] = [3] if stage.name == "pruned 2" else []
    train(stage, *arguments, **named)


def folder():
    (made,) = Path("runs").glob("own-compress/*/arguments.json")
    return made.parent


def results():
    return json.loads((folder() / "results.json").read_text())


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_a_count_is_reached_by_pruning_and_the_same_line_again_trains_nothing():
    line = ["compress", *WORDS, "--target", "half of the parameters", "--epochs", "3"]
    assert main(line) == 0
    said = results()["headline"]
    assert "my_nets.net(width=16), pruned and recovered" in said and "changes no parameters" in said
    networks = {x["name"]: x for x in results()["networks"]}
    small = parameters(load(folder(), allow=["my_nets"]))
    assert small == networks["student"]["parameters"] <= networks["teacher"]["parameters"] / 2
    session = onnxruntime.InferenceSession(str(folder() / "student.onnx"), providers=["CPUExecutionProvider"])
    assert session.run(None, {"input": torch.zeros(2, 3, 12, 12, dtype=torch.uint8).numpy()})[0].shape == (2, 3)
    weights, stages = (folder() / "student.safetensors").read_bytes(), sorted(Path("runs/stages").iterdir())
    assert main(line) == 0
    assert (folder() / "student.safetensors").read_bytes() == weights
    assert sorted(Path("runs/stages").iterdir()) == stages


def test_stopped_in_the_middle_the_same_line_goes_on_to_the_same_file(monkeypatch):
    monkeypatch.setattr("tutelage.study.own.participants.own_views", watched)
    line = ["compress", *WORDS, "--target", "half of the parameters", "--epochs", "4"]
    assert main([*line, "--runs", "whole"]) == 0
    (whole,) = Path("whole").glob("own-compress/*/student.safetensors")
    shutil.copytree("whole/plans", "runs/plans")  # the clock decides in a plan, so both keep to one
    with monkeypatch.context() as first:
        first.setattr(Stage, "train", stopped_early)
        assert main(line) == 143
    assert list(Path("runs/stages").glob("*/checkpoint.safetensors"))
    assert not (folder() / "student.onnx").exists() and not (folder() / "results.json").exists()
    assert main(line) == 0
    for name in ("student.safetensors", "student.onnx"):
        assert (folder() / name).read_bytes() == whole.with_name(name).read_bytes()


def test_int8_and_pruning_reach_a_size_together_and_the_plan_told_first_is_kept_to(capsys):
    line = ["compress", *WORDS, "--target", "12 kB", "--epochs", "2"]
    assert main([*line, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "tried without training: int8" in told and not list(Path("runs").glob("own-compress/*"))
    assert main(line) == 0
    assert json.loads((folder() / "plan.json").read_text())["plan"] == told.splitlines()
    file = folder() / "student.int8.onnx"
    chosen = json.loads((folder() / "plan.json").read_text())["tools"]["chosen"]
    assert (file if chosen["precision"] == "int8" else folder() / "student.onnx").stat().st_size <= 12_000
    card = (folder() / "model_card.md").read_text()
    assert ("of int8 (student.int8.onnx) in ONNX Runtime" in card) == (chosen["precision"] == "int8")


def test_where_less_than_is_tried_cannot_be_left_the_least_that_can_be_is_tried(capsys, monkeypatch):
    monkeypatch.setattr("tutelage.study.planning.tools_tried.SHARES", (1e-6, 1e-7))
    for target, code in (("half", 0), ("0.001 %", 2)):
        assert main(["compress", *WORDS, "--target", target, "--epochs", "1", "--dry-run"]) == code
    said = capsys.readouterr()
    assert "pruned to" in said.out and "cannot be made 0.001 %" in said.err
    assert "the least that was tried takes" in said.err and "--target '" in said.err


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--target", "smaller"], "A target is said as in '4x smaller'"),
        (["--target", "half", "--weights", "nothing.pt"], "nothing.pt"),
        (["--target", "half", "--validation", "0"], "leave --validation above 0"),
        (["--target", "half", "--minutes", "0.001"], "give --minutes"),
        (["--target", "9 MB"], "as it is, no more than 9 MB; ask for less"),
        (["--target", "1000x smaller"], "cannot be made 1000x smaller"),
        (["--target", "half", "--teacher", "program.pt2"], "only answers"),
        (["--target", "half", "--teacher", "branched.branched"], "depends on the values of its input"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_leaves_nothing(capsys, more, sentence):
    Path("branched.py").write_text(BRANCHED)
    assert main(["compress", *WORDS, *more]) in (2, 3)
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
    assert not list(Path("runs").glob("own-compress/*"))


def test_a_target_that_costs_too_much_says_what_can_be_had_instead(capsys):
    line = ["compress", *WORDS, "--target", "3 % of the parameters", "--may-lose", "0", "--epochs", "1"]
    assert main(line) == 2
    said = capsys.readouterr().err
    assert "may be lost" in said and "--may-lose" in said and "Traceback" not in said
    assert not (folder() / "results.json").exists() and not (folder() / "student.onnx").exists()


def test_from_python_with_objects():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
    inputs = torch.rand(120, 8)
    whole = TensorDataset(inputs, (inputs.sum(1) > 4).long())
    train, validation, test = (Subset(whole, range(a, b)) for a, b in ((0, 60), (60, 90), (90, 120)))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), whole.tensors[1]).backward()
        optimizer.step()
    before = {name: x.clone() for name, x in network.state_dict().items()}
    made = tutelage.compressed(
        network,
        (train, validation, test),
        "half of the parameters",
        may_lose=100,
        minutes=0.1,
        epochs=2,
        progress=Silence(),
    )
    assert parameters(made.model) <= parameters(network) / 2 and made.model(inputs).shape == (120, 2)
    assert all(map(torch.equal, before.values(), network.state_dict().values()))
    for wrong in ({"may_lose": math.nan}, {"minutes": 0}, {"target": "tiny"}):
        with pytest.raises(ValueError, match=r"^--(may-lose|minutes) must be|^A target is said"):
            tutelage.compressed(
                network, (train, validation, test), **{"target": "half", "progress": Silence(), **wrong}
            )
    assert {"teacher", "student"} <= set(made.metrics) and (made.folder / "student.onnx").is_file()
