"""``tutelage export`` as somebody types it, on a run that a recipe left."""

import json
import sys

import onnxruntime
import pytest
import torch
from safetensors.torch import save_file

import tutelage
from tutelage.cli.command import main

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    root = str(folder.with_name("root"))
    assert main(["run", "mnist:hinton", "--preset", "smoke", "--folder", str(folder), "--runs", root, "--quiet"]) == 0
    return folder


def test_a_run_without_samples_is_compared_on_made_up_inputs_which_is_said(run, tmp_path, capfd):
    assert main(["export", str(run), "--to", "small.onnx", "--probabilities"]) == 0
    said = capfd.readouterr()
    assert "made-up inputs" in said.out and "float32 (N, 1, 28, 28)" in said.out and "gives probabilities" in said.out
    assert said.err == ""
    batch = torch.rand(3, 1, 28, 28)
    (answers,) = onnxruntime.InferenceSession("small.onnx").run(None, {"input": batch.numpy()})
    assert torch.allclose(torch.from_numpy(answers), tutelage.load(run)(batch).softmax(1).detach(), atol=1e-4)
    assert [x.name for x in tmp_path.iterdir()] == ["small.onnx"]


def test_the_other_formats_and_a_run_that_stays_whole(run, capsys):
    for name in ("small.pt2", "small.safetensors"):
        assert main(["export", str(run), "--to", name]) == 0
    assert "bytes of weights" in capsys.readouterr().out
    assert main(["verify", str(run)]) == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "tutelage export RUN --to small.onnx"),
        (["RUN"], 2, "where to?"),
        (["RUN", "--to", "small.tflite"], 2, "ends in .onnx"),
        (["RUN", "--to", "gone/small.onnx"], 3, "There is no folder gone"),
        (["RUN", "--to", "mine.onnx"], 3, "add --force"),
        (["RUN", "--to", "small.onnx", "--input", "pixels"], 2, "no picture"),
        (["RUN", "--to", "small.onnx", "--input", "bytes"], 2, "must be one of"),
        (["RUN", "--to", "small.onnx", "--halve"], 2, "--halve"),
        (["gone", "--to", "small.onnx"], 3, "holds no finished student"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_no_file(run, tmp_path, capsys, words, code, said):
    (tmp_path / "mine.onnx").write_bytes(b"mine")
    assert main(["export", *(str(run) if word == "RUN" else word for word in words)]) == code
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1, err
    assert [x.name for x in tmp_path.iterdir()] == ["mine.onnx"]


def test_a_module_in_the_current_directory_builds_the_network_once_it_is_allowed(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [x for x in sys.path if x not in ("", str(tmp_path))])
    made = "from torch import nn\n\n\ndef net() -> nn.Module:\n    return nn.Linear(3, 2)\n"
    (tmp_path / "nets_that_lie_here.py").write_text(made)
    (tmp_path / "run").mkdir()
    save_file(torch.nn.Linear(3, 2).state_dict(), tmp_path / "run" / "student.safetensors")
    build = {"function": "nets_that_lie_here:net", "arguments": [], "named": {}}
    (tmp_path / "run" / "student.json").write_text(json.dumps({"build": build, "input": "float32 (N, 3)"}))
    words = ["export", "run", "--to", "small.safetensors"]
    assert main(words) == 2
    assert "add --allow nets_that_lie_here" in capsys.readouterr().err and "nets_that_lie_here" not in sys.modules
    assert main([*words, "--allow", "nets_that_lie_here"]) == 0, capsys.readouterr().err
    del sys.modules["nets_that_lie_here"]
