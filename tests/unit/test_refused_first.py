"""What costs nothing to know is known first: no sample is read for a command that cannot work whatever they are."""

import pytest
from torch import nn

import tutelage
from picture_folders import away
from tutelage.cli.command import main

MODULE = """
from torch import nn


def undeclared(num_classes=3):
    return nn.Linear(2, num_classes)


class Net(nn.Linear):
    def __init__(self, num_classes: int = 3) -> None:
        super().__init__(2, num_classes)
"""
GOOD = {"teacher": "my_nets:Net", "weights": "net.pt", "student": "resnet8", "method": "kd"}
SLIPS = [
    ("teacher", "resnet999", "no network 'resnet999'"),
    ("teacher", "my_nets:Nat", "Nat"),
    ("teacher", "my_nets:Net(depth=3)", "depth"),
    ("teacher", "gone.onnx", "no file gone.onnx"),
    ("weights", "gone.pt", "no file gone.pt"),
    ("student", "resnet88", "no network 'resnet88'"),
    ("student", "my_nets:undeclared", "-> nn.Module"),
    ("student", "5 GB", "A budget is said as in '90 MMACs'"),
    ("student", "200 %", "a share of what there is less than all of it"),
    ("student", "net.onnx", "only answers"),
    ("method", "kdd", "no method 'kdd'"),
]


@pytest.fixture(autouse=True)
def nothing_is_read(tmp_path, monkeypatch):
    """A module of networks in the current directory, and data that may not be looked at."""

    def read(*_, **__):
        raise AssertionError("the data were read")

    (tmp_path / "my_nets.py").write_text(MODULE)
    (tmp_path / "net.pt").write_bytes(b"not looked at, either")
    for place in ("participants", "measured"):
        monkeypatch.setattr(f"tutelage.study.own.{place}.own_sets", read)
    monkeypatch.setattr("tutelage.study.own.handed_in.own_sets", read)
    with away(monkeypatch, tmp_path):
        yield


def words(slip):
    return [word for name, value in {**GOOD, **slip}.items() if value for word in (f"--{name}", value)]


@pytest.mark.parametrize(("name", "value", "sentence"), SLIPS)
def test_the_command_refuses_a_slip_before_it_reads(name, value, sentence, capsys):
    slip = {name: value} if value != "gone.onnx" else {name: value, "weights": ""}
    assert main(["distill", *words(slip), "--data", "photos", "--runs", "runs"]) in (2, 3)
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said


@pytest.mark.parametrize(("teacher", "sentence"), [
    ("net.onnx", "net.onnx only answers, so that nothing can be taken out of it; name the student"),
    ("my_nets:undeclared", "-> nn.Module"),
])  # fmt: skip
def test_a_student_is_not_sought_where_there_is_nothing_to_take_out_or_build_again(teacher, sentence, capsys, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"not looked at")
    slip = {"teacher": teacher, "student": "half", "weights": "net.pt" if teacher != "net.onnx" else ""}
    assert main(["distill", *words(slip), "--data", "photos", "--runs", "runs"]) in (2, 3)
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
    with pytest.raises(ValueError, match=sentence):
        tutelage.distill(teacher, "half", "photos", weights=slip["weights"] or None, runs=tmp_path / "runs")


@pytest.mark.parametrize(("name", "value", "sentence"), SLIPS)
def test_so_does_python(name, value, sentence, tmp_path):
    slip = {**GOOD, name: value}
    weights = None if value == "gone.onnx" else slip["weights"]
    given = slip["teacher"], slip["student"], "photos"
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        tutelage.distill(*given, weights=weights, runs=tmp_path / "runs", method=slip["method"])


@pytest.mark.parametrize(("name", "value", "sentence"), [slip for slip in SLIPS if slip[0] in ("teacher", "weights")])
def test_and_so_does_measure(name, value, sentence):
    weights = None if value == "gone.onnx" else {**GOOD, name: value}["weights"]
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        tutelage.measure({**GOOD, name: value}["teacher"], "photos", weights=weights)


def test_what_has_no_slip_is_read_for(tmp_path):
    with pytest.raises(AssertionError, match="were read"):
        tutelage.distill(GOOD["teacher"], nn.Linear(2, 3), "photos", weights="net.pt", runs=tmp_path / "runs")
