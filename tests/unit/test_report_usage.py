"""How to use what a run delivered: there where it delivered something, and nothing where it did not."""

import json
import re
import shutil

import pytest

from exporting import PETS
from report_sample import make
from tutelage.files import write_text
from tutelage.report.groups import group_runs
from tutelage.report.page import publish_page
from tutelage.report.read import read_run
from tutelage.report.story import story_of
from tutelage.report.usage import usage_of

pytestmark = pytest.mark.slow


def page(*folders):
    groups = group_runs([read_run(folder) for folder in folders])
    place = folders[0].parent / "page"
    publish_page(groups, story_of(groups), place)
    return groups, (place / "report.html").read_text(), (place / "report.md").read_text(), place


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make(tmp_path / "runs" / "one")


def deliver(folder, **facts):
    (folder / "student.safetensors").write_bytes(bytes(2000))
    write_text(folder / "student.json", json.dumps({"build": {}, **facts}))


def test_nothing_is_said_where_nothing_was_delivered(run):
    groups, html, text, _ = page(run)
    assert usage_of(groups) is None and "How do I use it" not in html + text


def test_files_lines_and_what_the_file_takes_are_told(run):
    deliver(run, **PETS.facts(), input=PETS.input_words)
    for name in ("student.onnx", "predict.py", "model_card.md"):
        (run / name).write_text("Written by tutelage")
    _, html, text, _ = page(run)
    for said in (re.sub(r'<span class="nowrap">|</span>', "", html), text):
        for words in ("How do I use it?", "student.onnx", "2.00 kB", "tutelage export runs/one --to small.onnx",
                      "python runs/one/predict.py photo.jpg", "uint8 (N, 3, 32, 32)", "softmax"):  # fmt: skip
            assert words in said, words
    assert "samples.safetensors" not in html  # which is not there
    assert html.index("How do I use it?") < html.index("Does the published claim hold?")
    assert 'student = tutelage.load("runs/one")' in text


def test_of_a_student_in_int8_it_is_that_file_that_is_asked(run):
    deliver(run, **PETS.facts(), input=PETS.input_words)
    for name in ("student.onnx", "predict.py", "student.int8.onnx", "student.int8.predict.py"):
        (run / name).write_text("Written by tutelage")
    _, _, text, _ = page(run)
    assert "python runs/one/student.int8.predict.py photo.jpg" in text and "one/predict.py" not in text


@pytest.mark.parametrize(
    ("said", "call"),
    [
        ("float32 (N, 1, 28, 28), grey levels 0 to 1", "student(torch.zeros(1, 1, 28, 28))"),
        ("float32 (N, 3, 32, 32): (x / 255 - mean) / std", "student(torch.zeros(1, 3, 32, 32))"),
        ("int64 (N, 12), the words' numbers", "student(torch.ones(1, 12, dtype=int))"),
        ("float32 (N, 3, 32, 32, 9, 9, 9)", "student(batch)"),
        ("", "student(batch)"),
    ],
)
def test_the_lines_run_as_they_are_where_the_shape_of_an_input_is_known(run, said, call):
    deliver(run, input=said)
    usage = usage_of(group_runs([read_run(run)]))
    compile(usage.python, "lines", "exec")
    assert len(usage.python.splitlines()) == 3 and usage.python.endswith(f"answers = {call}")
    assert usage.python.startswith("import torch, tutelage" if "torch" in call else "import tutelage")


def test_the_package_that_builds_a_student_of_ones_own_is_allowed_in_the_lines(run):
    deliver(run, build={"function": "my_nets:net", "arguments": [{"function": "torch.nn:ReLU"}], "named": {}})
    usage = usage_of(group_runs([read_run(run)]))
    assert "tutelage.load(\"runs/one\", allow=['my_nets'])" in usage.python
    assert usage.shell.endswith("--to small.onnx --allow my_nets") and "my_nets" in usage.takes
    deliver(run, build={"function": "tutelage.models.mlp:mlp", "arguments": [[4, 2]], "named": {}})
    assert "allow" not in str(usage_of(group_runs([read_run(run)])))


def test_without_the_file_nothing_is_said_of_it_and_a_predict_of_the_users_own_is_not_ours(run):
    deliver(run, input="float32 (N, 1, 28, 28), grey levels 0 to 1")
    (run / "predict.py").write_text("print('mine')")
    _, _, text, _ = page(run)
    assert "float32 (N, 1, 28, 28), grey levels 0 to 1" in text and "tutelage export runs/one" in text
    assert "predict.py" not in text and "student.onnx" not in text


def test_a_report_of_many_has_no_such_section_and_the_record_is_the_same_with_and_without(run):
    other = shutil.copytree(run, run.with_name("two"))
    deliver(run)
    _, html, _, place = page(run)
    assert "How do I use it" in html
    record = (place / "report.json").read_bytes()
    groups, _, _, place = page(other)
    assert (place / "report.json").read_bytes() == record and usage_of(groups) is None
    assert "How do I use it" not in "".join(page(run, other)[1:3])


@pytest.mark.parametrize("said", ["[]", "{", '{"input": 3, "task": "x"}', '{"input": "<script>\\u202e"}'])
def test_whatever_stands_in_the_description_is_text_or_passed_over(run, said):
    deliver(run)
    (run / "student.json").write_text(said)
    (run / "student.onnx").write_text("tutelage")
    _, html, _, _ = page(run)
    assert "How do I use it?" in html and html.count("<script") == 1 and "\u202e" not in html
