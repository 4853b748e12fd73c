"""A trained network in every form that people have one in, through a whole ``tutelage distill``."""

import json
import shutil
from pathlib import Path

import pytest

from own_teachers import FORMS, make_all, moments
from picture_folders import away
from tutelage.cli.command import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("place")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Pictures and a trained network, made once."""
    make_all(folder := tmp_path_factory.mktemp("made"))
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """A current directory of one's own with these."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr("tutelage.deployment.deploy.export_onnx", not_here)
    with away(monkeypatch, tmp_path):
        yield tmp_path


def not_here(*_, **__):
    raise ValueError("other tests look at that")


LINE = [
    *["--data", "photos", "--student", "my_nets.net", "--epochs", "1", "--minutes", "0.05", "--no-baseline", "--quiet"]
]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_teacher_goes_through_and_again_to_the_same_bits(form, capsys):
    line = ["distill", *FORMS[form](), *LINE]
    assert main(line) == 0, capsys.readouterr().err
    (made,) = Path("runs").glob("own-distill/*/results.json")
    networks = {x["name"]: x for x in json.loads(made.read_text())["networks"]}
    assert networks["teacher"]["scores"]["accuracy"]["value"] > 60
    assert (networks["teacher"]["latency_ms"] is None) == form.startswith(("csv", "npz", "parquet"))
    student = made.with_name("student.safetensors")
    before, stages = student.read_bytes(), sorted(Path("runs/stages").iterdir())
    assert main(line) == 0
    assert student.read_bytes() == before and sorted(Path("runs/stages").iterdir()) == stages


ANSWERS = {"a program": ("program", "net.pt2"), "ONNX": ("ONNX", "net.onnx"), "a table": ("csv", "answers.csv")}


@pytest.mark.parametrize("form", ANSWERS)
@pytest.mark.parametrize(
    ("more", "said"), [(["--method", "srrl"], "srrl"), (["--student", "half"], "nothing can be taken out of it")]
)
def test_what_only_answers_cannot_do_is_one_sentence_before_anything_is_trained(form, more, said, capsys):
    make, file = ANSWERS[form]
    assert main(["distill", *FORMS[make](), *LINE, *more]) in (2, 3)
    error = capsys.readouterr().err
    assert error.count("tutelage: ") == 1 and "Traceback" not in error and len(error) < 500
    assert said in error
    assert file in error
    assert not list(Path("runs").glob("own-distill/*")) and not list(Path("runs").glob("stages/*/log.jsonl"))


@pytest.mark.parametrize("form", ANSWERS)
def test_a_method_is_chosen_for_what_only_answers(form):
    line = ["distill", *FORMS[ANSWERS[form][0]](), *LINE]
    line[line.index("--minutes") + 1] = "0.3"
    assert main([*line, "--method", "auto"]) == 0
    (plan,) = Path("runs").glob("own-distill/*/plan.json")
    assert json.loads(plan.read_text())["plan"][1].startswith("method kd: no layers of the two can be compared")


def test_what_is_known_of_a_teacher_reaches_it(capsys):
    """Its normalisation, and what it is known to do."""
    line = ["distill", *FORMS["state dict"](), *LINE]
    assert main([*line, "--expect", "0.99", "--teacher-mean", "0", "0", "0", "--teacher-std", "5", "5", "5"]) == 2
    error = capsys.readouterr().err
    assert "less than the 99 % accuracy that is expected" in error and "normalised as the data are" in error
    mean, std = ([f"{x:.4f}" for x in numbers.tolist()] for numbers in moments())
    own = ["--mean", "0.5", "0.5", "0.5", "--std", "0.5", "0.5", "0.5"]
    assert main([*line, *own, "--expect", "0.8", "--teacher-mean", *mean, "--teacher-std", *std]) == 0
