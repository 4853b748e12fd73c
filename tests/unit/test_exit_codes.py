"""Each kind of failure has its exit code, as the help says, and one sentence."""

import ast
import errno
import os
import shutil
import struct
from pathlib import Path

import pytest
import torch

import tutelage
from tutelage.cli.command import main
from tutelage.cli.failures import EXIT_CODES, begins_with_a_path, exit_code
from tutelage.data.idx import read_idx
from tutelage.stages.locks import locked
from tutelage.teachers.cached import cached
from tutelage.teachers.stores import in_folder
from tutelage.weights.foreign import load_foreign

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("elsewhere")]

TOY = "fake_recipes:toy"
RUN = ["run", TOY, "--preset", "quick", "--quiet"]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A root with a finished run, to copy."""
    root = tmp_path_factory.mktemp("ended") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tutelage.machine.tune_allocator", lambda: True)
        assert main([*RUN, "--runs", str(root)]) == 0
    return root


def damage(name, content):
    def do(root):
        for file in root.rglob(name):
            file.write_bytes(content)

    return do


def without(name):
    def do(root):
        for place in root.rglob(name):
            shutil.rmtree(place) if place.is_dir() else place.unlink()

    return do


def nothing(_root):
    pass


def theirs(root):
    (root.parent / "mine").mkdir()
    (root.parent / "mine" / "diary.txt").write_text("mine")


REPORT = ["report", "runs"]
TABLE = [
    (["report"], nothing, 2),
    (["report", "runs", "--by", "temprature"], nothing, 2),
    (["report", "runs", "--colour"], nothing, 2),
    (["report", "nowhere"], nothing, 3),
    (["report", "mine"], theirs, 3),
    ([*REPORT, "--out", "mine"], theirs, 3),
    ([*REPORT, "--keep", "mine"], theirs, 3),
    (REPORT, without("results.json"), 3),
    (REPORT, without("stages.json"), 3),
    (REPORT, without("environment.json"), 3),
    (REPORT, damage("results.json", b"{"), 3),
    (REPORT, damage("results.json", b'{"networks": 1}'), 3),
    (REPORT, damage("results.json", b'{"networks": [{"name": 3}]}'), 3),
    (REPORT, damage("stages.json", b"{}"), 3),
    (REPORT, damage("log.jsonl", b"{\n"), 3),
    (REPORT, damage("log.jsonl", b'{"stage": 1}\n'), 3),
    (REPORT, damage("environment.json", b"[]"), 3),
    (["sweep", TOY, "--folder", "one"], nothing, 2),
    ([*RUN, "--folder", "mine"], theirs, 3),
    ([*RUN, "--seed", "1", "--folder", "runs/fake_recipes-toy/quick-01237dcf"], nothing, 3),
    ([*RUN, "--runs", "mine/diary.txt"], theirs, 3),
    ([*RUN, "--from", "nowhere.json"], nothing, 3),
    (RUN, damage("arguments.json", b"{"), 3),
    (RUN, damage("stage.json", b"{"), 3),
    (RUN, damage("last.safetensors", b"\0" * 9), 3),
    (RUN, damage("best.safetensors", b"PK"), 3),
    (RUN, damage("lock", b"theirs"), 3),
    ([*RUN, "--temperature", "0"], nothing, 2),
    ([*RUN, "--temperature", "warm"], nothing, 2),
    ([*RUN, "--seed", "2"], nothing, 0),
    (["run", "fake_recipes:failing", "--how", "value", "--quiet"], nothing, 2),
    (["run", "fake_recipes:failing", "--how", "nan", "--quiet"], nothing, 4),
    (["run", "fake_recipes:failing", "--how", "disk", "--quiet"], nothing, 3),
    (["run", "fake_recipes:failing", "--how", "interrupt"], nothing, 130),
    (["run", "fake_recipes:failing", "--how", "terminate"], nothing, 143),
    (["run", "fake_recipes:failing", "--how", "bug"], nothing, 1),
]


@pytest.mark.parametrize(("words", "make", "code"), TABLE)
def test_each_kind_of_failure_has_its_code_and_its_sentence(words, make, code, ended, tmp_path, capsys):
    shutil.copytree(ended, tmp_path / "runs")
    (folder,) = (file.parent for file in Path("runs").rglob("arguments.json"))
    make(tmp_path / "runs")
    words = [str(folder) if word.endswith("quick-01237dcf") else word for word in words]
    assert main(words) == code, capsys.readouterr().err
    said = capsys.readouterr().err.splitlines()
    assert f"  {code}  " in EXIT_CODES and ("Traceback" in "".join(said)) == (code == 1)
    if code in (2, 3, 4):
        (sentence,) = said
        assert sentence.startswith("tutelage: ") and len(sentence) > 20


@pytest.mark.parametrize(
    ("words", "number"),
    [(RUN, errno.ENOSPC), ([*REPORT, "--out", "new"], errno.EDQUOT), ([*REPORT, "--keep", "new"], errno.EROFS)],
)
def test_a_disk_that_takes_no_more_is_three_and_leaves_what_was(words, number, ended, tmp_path, monkeypatch, capsys):
    shutil.copytree(ended, tmp_path / "runs")
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file() and path.name != "lock"}

    def full(*_words):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        assert main(words) == 3
    said = capsys.readouterr().err
    assert "Traceback" not in said and "--" not in said
    left = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file() and path.name != "lock"}
    assert {path: left.get(path) for path in before} == before and not list(tmp_path.rglob(".tutelage*"))
    assert main(words) == 0  # there is room again


def readers(tmp_path):
    """What reads a file, and a file that it must refuse."""
    short = tmp_path / "labels"
    short.write_bytes(struct.pack(">II", 2049, 9))
    other = tmp_path / "weights.pt"
    other.write_bytes(b"<html>")
    student = tmp_path / "student"
    student.mkdir()
    (student / "student.json").write_text("[]")
    cache, key = tmp_path / "answers", {"weights": "1"}
    scene = {"batch": {"input": torch.zeros(2, 3), "index": torch.arange(2), "view": torch.zeros(2, dtype=torch.int64)}}
    wanted = frozenset({"output"})
    ask = cached(lambda _scene, _wanted: {"output": torch.ones(2, 5)}, samples=2, views=1, place=in_folder(cache, key))
    ask(scene, wanted)
    (rows,) = cache.glob("*.rows")
    rows.write_bytes(rows.read_bytes()[:-1])
    nobody = cached(None, samples=2, views=1, place=in_folder(cache, key))
    return {
        "an idx file": lambda: read_idx(short, 1, ""),
        "weights": lambda: load_foreign(other, torch.nn.Linear(2, 2)),
        "a student": lambda: tutelage.load(student),
        "rows of a cache": lambda: nobody(scene, wanted),
        "another's cache": lambda: cached(None, samples=3, views=1, place=in_folder(cache, key)),
    }


def test_every_reader_of_files_ends_in_three(tmp_path):
    for name, read in readers(tmp_path).items():
        with pytest.raises(ValueError) as refused:
            read()
        assert exit_code(refused.value) == 3, (name, refused.value)


def test_a_folder_in_use_is_three(ended, tmp_path):
    shutil.copytree(ended, tmp_path / "runs")
    (folder,) = (file.parent for file in Path("runs").rglob("arguments.json"))
    with locked(folder / "lock", print):
        assert main(RUN) == 3


def test_a_sentence_is_about_a_file_where_it_begins_with_one(tmp_path):
    for name in ("mine", "with spaces", "a.b/c d.json", "x:y"):
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.write_text("")
        for said in (f"{place} is damaged.", f"{place}: line 3 is.", f"{place}", f"{name} is no JSON", f"{name}, too"):
            assert begins_with_a_path(said), said
        assert not begins_with_a_path(f"Of {place}, nothing is known.")
    assert begins_with_a_path(f"{tmp_path}/mine/data_batch_1 does not hold it")
    for said in (
        "",
        " ",
        "/",
        "/: x",
        ".",
        "mind the gap",
        "--temperature must be above 0.",
        "1/2 of it",
        "\0 x",
    ):
        assert not begins_with_a_path(said), said


def sentences():
    """Every ``raise ValueError(f"…")`` of the package: where, and its parts."""
    for file in sorted(Path(tutelage.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                said = node.exc.args[0]
                if ast.unparse(node.exc.func) == "ValueError" and isinstance(said, ast.JoinedStr):
                    yield f"{file.name}:{node.lineno}", said.values


def names_a_file(part):
    """Whether a part of a sentence is a path; one in quotes is a name in a program."""
    if not isinstance(part, ast.FormattedValue) or part.conversion == ord("r"):
        return False
    names = {x.id if isinstance(x, ast.Name) else getattr(x, "attr", "") for x in ast.walk(part.value)}
    return bool(names & {"path", "file", "folder"})


def test_sentences_about_files_begin_with_them():
    found = [(place, parts[0]) for place, parts in sentences() if any(map(names_a_file, parts))]
    assert len(found) > 20 and not [place for place, first in found if not isinstance(first, ast.FormattedValue)]
