"""A trained network in every form that people have one in, through a whole ``tutelage distill``."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from own_teachers import FORMS, make_all
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
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: True)
    monkeypatch.setattr("tutelage.study.timed_plan.FILES", 0.5)
    monkeypatch.setattr("tutelage.study.timed_plan.CLOCKED", 0)
    monkeypatch.setattr("tutelage.deployment.deploy.export_onnx", not_here)
    monkeypatch.delenv("TUTELAGE_RUNS", raising=False)
    yield tmp_path
    for name in ("my_nets", "filled"):
        sys.modules.pop(name, None)


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
