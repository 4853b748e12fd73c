"""What is not ours is neither written to nor taken away, whatever it is called and whatever leads to it."""

import errno
import json
import os
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
from test_run import contents, fit, made, net
from torch import nn

from examples import SGD, label, vectors
from tutelage.checkpoint import save_weights, write_json
from tutelage.cli.command import main
from tutelage.cli.events import Events
from tutelage.files import UNFINISHED, append, atomically, is_runs, opened, refuse_other_kinds
from tutelage.learner import Learner
from tutelage.objective import Objective
from tutelage.progress import Silence
from tutelage.report.kept import refuse_foreign_results
from tutelage.report.page import refuse_foreign_place
from tutelage.stages.locks import locked

pytestmark = pytest.mark.slow

TOY = "fake_recipes:toy"
NAMES = [
    *["arguments.json", "environment.json", "results.json", "log.jsonl", "stages.json", "lock", "stage.json"],
    *["student.json", "student.safetensors", "report.html", "report.json", "RESULTS.md", "notes.txt"],
    *[".notes.2024", ".backup.1", ".tmp123456", ".arguments.json.4711", ".report.html.tmp", "x.tmp"],
]
TELLING = [(name, content) for name in ("arguments.json", "report.json", "lock")
           for content in ("{}", "[1, 2]", '{"recipe": "bread", "arguments": {"flour": 1}}', "[" * 5000)]  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tutelage.machine.tune_allocator", lambda: True)
    monkeypatch.delenv("TUTELAGE_RUNS", raising=False)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A finished run, and all that it shares, to copy."""
    root = tmp_path_factory.mktemp("ended")
    with made(root) as run:
        run.deliver(run.stage("student", net, fit).last)
        run.publish(headline="done")
    return root


def everything(root):
    """All that there is below ``root``, byte for byte, links as links."""
    kept = {}
    for path in sorted(root.rglob("*")):
        kind = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        kept[str(path.relative_to(root))] = kind
    return kept


@pytest.mark.parametrize(("name", "content"), [*((name, "precious") for name in NAMES), *TELLING])
def test_a_folder_that_is_somebody_elses_is_refused_and_left_alone(tmp_path, name, content):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / name).write_text(content)
    before = everything(tmp_path)
    for use in (
        made(tmp_path, folder=mine).__enter__,
        partial(refuse_foreign_place, mine),
        partial(refuse_foreign_results, mine, []),
    ):
        with pytest.raises(ValueError, match="choose a new or empty"):
            use()
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", ["report.json", "RESULTS.md"])
def test_a_report_refuses_it_before_it_prints_or_writes_anything(tmp_path, ended, name, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("precious")
    before = everything(tmp_path)
    (source,) = (file.parent for file in ended.rglob("results.json"))
    for words in (["--out", "mine"], ["--keep", "mine", "--out", "new"]):
        assert main(["report", str(source), *words]) == 3
        said = capsys.readouterr()
        assert said.out == "" and "choose a new or empty folder" in said.err and "Traceback" not in said.err
    assert everything(tmp_path) == before


def test_folders_of_folders_are_somebody_elses_too(tmp_path, ended):
    (tmp_path / "mine" / "tensorboard" / "2024").mkdir(parents=True)
    (source,) = (file.parent for file in ended.rglob("results.json"))
    with pytest.raises(ValueError, match="holds 'tensorboard' and is not the folder of a run"):
        made(tmp_path, folder="mine").__enter__()
    assert main(["report", str(source), "--out", "mine"]) == main(["report", str(source), "--keep", "mine"]) == 3
    assert contents(tmp_path) == ["mine", "mine/tensorboard", "mine/tensorboard/2024"]


def test_a_run_and_a_sweep_refuse_it_from_the_command_line_and_leave_no_root(tmp_path, capsys):
    for folder in ("mine", "runs/fake_recipes-toy"):
        Path(folder).mkdir(parents=True)
        (Path(folder) / "log.jsonl").write_text("mine")
    before = everything(tmp_path)
    assert main(["run", TOY, "--folder", "mine"]) == 3
    assert main(["run", TOY, "--temperature", "0", "--runs", "new/root"]) == 2
    assert "Traceback" not in capsys.readouterr().err and everything(tmp_path) == before


KINDS = {
    "link": lambda path, target: path.symlink_to(target),
    "dangling": lambda path, target: path.symlink_to(target.parent / "nowhere"),
    "folder": lambda path, _: path.mkdir(),
    "pipe": lambda path, _: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["arguments.json", "environment.json", "results.json", "log.jsonl", "stages.json",
                                  "lock", "student.json", "student.safetensors", "again"])  # fmt: skip
def test_a_run_writes_through_no_link_and_waits_for_no_pipe(tmp_path, ended, name, kind):
    shutil.copytree(ended, tmp_path / "root", symlinks=True)
    target = tmp_path / "theirs"
    target.write_text("precious")
    (folder,) = (file.parent for file in (tmp_path / "root").rglob("results.json"))
    place = folder / name
    place.unlink(missing_ok=True)
    KINDS[kind](place, target)
    if (name, kind) == ("again", "folder"):
        (place / "diary.txt").write_text("mine")
    before = everything(tmp_path)
    with pytest.raises(ValueError, match=r"choose a new or empty|move it away"):
        made(tmp_path / "root").__enter__()
    assert everything(tmp_path) == before and not (tmp_path / "nowhere").exists()


def test_a_second_name_of_a_file_is_not_written_through_either(tmp_path, ended):
    shutil.copytree(ended, tmp_path / "root")
    (folder,) = (file.parent for file in (tmp_path / "root").rglob("results.json"))
    for name in ("log.jsonl", "results.json", "stages.json", "student.json"):
        os.link(folder / name, tmp_path / name)
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path) if name != "root"}
    with made(tmp_path / "root") as run:
        run.stage("student", net, fit)
        run.publish(headline="other")
    assert before == {name: (tmp_path / name).read_bytes() for name in before}


@pytest.mark.parametrize("content", [b"mine", b"12a", b"4711\n", b"1" * 21, b"\xff", b"4711 4712"])
def test_a_lock_that_is_not_ours_is_refused_and_left_as_it_is(tmp_path, ended, content):
    shutil.copytree(ended, tmp_path / "root")
    for lock in (tmp_path / "root").rglob("lock"):
        lock.write_bytes(content)
        with pytest.raises(ValueError, match="is no lock of tutelage, and stays as it is"), locked(lock, print):
            pass
        assert lock.read_bytes() == content


def test_files_are_opened_where_they_are_files_and_nowhere_else(tmp_path):
    append(tmp_path / "log", "a\n")
    append(tmp_path / "log", "b\n")
    assert (tmp_path / "log").read_text() == "a\nb\n"
    for kind, make in KINDS.items():
        make(tmp_path / kind, tmp_path / "log")
        with pytest.raises(ValueError, match=f"{kind} is .* where a file of tutelage belongs"):
            append(tmp_path / kind, "c\n")
        with pytest.raises(ValueError, match="move it away"):
            opened(tmp_path / kind, os.O_RDWR)
        with pytest.raises(ValueError, match="move it away"):
            refuse_other_kinds(tmp_path / kind)
    assert (tmp_path / "log").read_text() == "a\nb\n"


def test_writing_a_file_replaces_a_link_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "ours").symlink_to("theirs")
    write_json(tmp_path / "ours", {})
    assert (tmp_path / "theirs").read_text() == "precious" and not (tmp_path / "ours").is_symlink()
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(ValueError, match="folder is a folder where a file of tutelage belongs; move it away"),
        atomically(tmp_path / "folder") as x,
    ):
        x.write_text("")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "ours", "theirs"]


def test_a_run_is_known_by_what_its_arguments_say(tmp_path, ended):
    (source,) = (file.parent for file in ended.rglob("results.json"))
    asked = json.loads((source / "arguments.json").read_text())
    shutil.copy(source / "arguments.json", tmp_path)  # as one would for --from
    assert not is_runs(tmp_path)
    assert is_runs(source) and not is_runs(tmp_path / "none")
    shutil.copy(source / "lock", tmp_path)
    assert is_runs(tmp_path)
    for name in ("recipe", "preset", "command", "arguments", "defaults"):
        for changed in ({**asked, name: 1}, {key: asked[key] for key in asked if key != name}):
            (tmp_path / "arguments.json").write_text(json.dumps(changed))
            assert not is_runs(tmp_path)
    (tmp_path / "arguments.json").write_text(json.dumps({key: asked[key] for key in asked if key != "exact"}))
    assert is_runs(tmp_path)  # as earlier versions wrote it


def failing_after(times):
    left = [times]

    def sync(_handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    return sync


def test_reports_go_where_reports_and_runs_are_and_into_new_and_empty_folders(tmp_path, ended, monkeypatch):
    shutil.copytree(ended, tmp_path / "root")
    (source,) = (file.parent for file in (tmp_path / "root").rglob("results.json"))
    Path("empty").mkdir()
    Path("kept").mkdir()
    (Path("kept") / "NOTES.md").write_text("By hand.")
    for words in (
        ["--out", "new"],
        ["--out", "new"],
        ["--out", "empty"],
        [],
        [],
        ["--keep", "kept"],
        ["--keep", "kept"],
    ):
        assert main(["report", str(source), *words]) == 0
    (Path("kept") / "plots").mkdir()  # once it holds results, it is theirs to add to
    assert main(["report", str(source), "--keep", "kept"]) == 0
    assert "By hand." in (Path("kept") / "RESULTS.md").read_text()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", failing_after(2))  # a file and its folder
        assert main(["report", str(source), "--out", "broken"]) == 3
    assert main(["report", str(source), "--out", "broken"]) == 0
    Path("file").write_text("mine")
    assert main(["report", str(source), "--out", "file"]) == main(["report", str(source), "--keep", "file"]) == 3
    assert Path("file").read_text() == "mine"


def test_events_for_tensorboard_take_away_only_events_of_ours(tmp_path):
    theirs = tmp_path / "tensorboard" / "student"
    theirs.mkdir(parents=True)
    for name in ("events.out.tfevents.1.theirs", "plot.png"):
        (theirs / name).write_text("precious")
    log = tmp_path / "log.jsonl"
    log.write_text('{"stage": "student", "epoch": 1, "losses": {"student": {"label": 0.5}}}\n')
    for _ in range(2):
        Events(log, tmp_path, Silence()).close()
        assert len(list(theirs.iterdir())) == 3
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "tensorboard").symlink_to(theirs)
    with pytest.raises(ValueError, match="move it away"):
        Events(log, tmp_path / "link", Silence())


def mutual(stage, models):
    learners = {peer: Learner(model, Objective(label=label()), SGD) for peer, model in models.items()}
    stage.train(learners, vectors(), 1, model=models)


def test_the_folder_of_a_peer_is_not_written_to_through_a_link(tmp_path):
    with pytest.raises(KeyboardInterrupt), made(tmp_path) as run:
        run.peers("mutual", {"a": net, "b": net}, mutual)
        raise KeyboardInterrupt
    (stage,) = (tmp_path / "stages").iterdir()
    (stage / "stage.json").unlink()
    (stage / "b").rename(tmp_path / "theirs")
    (tmp_path / "theirs" / f"{UNFINISHED}theirs").mkdir()
    (stage / "b").symlink_to(tmp_path / "theirs")
    before = everything(tmp_path / "theirs")
    refusal = r"/b is a link where a folder of tutelage belongs; move it away"
    with pytest.raises(ValueError, match=refusal), made(tmp_path) as run:
        run.peers("mutual", {"a": net, "b": net}, mutual)
    assert everything(tmp_path / "theirs") == before
    (stage / "b").unlink()
    with made(tmp_path) as run:
        run.peers("mutual", {"a": net, "b": net}, mutual)


def narrowed(network: nn.Module) -> nn.Module:
    return network


@pytest.mark.parametrize("ended", [True, False], ids=["over", "not over"])
def test_what_a_killed_process_left_half_written_is_taken_from_stages_of_every_kind(tmp_path, ended):
    save_weights(tmp_path / "given.safetensors", net())

    def made_once():
        with made(tmp_path) as run:
            trained = run.stage("student", net, fit)
            run.derive("narrow", narrowed, of=trained)
            run.given("teacher", net, tmp_path / "given.safetensors")

    made_once()
    left = contents(tmp_path / "stages")
    for stage in (tmp_path / "stages").iterdir():
        (stage / f"{UNFINISHED}x").mkdir()
        (stage / f"{UNFINISHED}x" / "last.safetensors").write_bytes(b"half")
        (stage / ".tutelage-notes").write_text("mine")
        if not ended:
            (stage / "stage.json").unlink()
    made_once()
    assert [name for name in contents(tmp_path / "stages") if not name.endswith("notes")] == left


@pytest.mark.parametrize("words", [
    ["run", TOY, "--runs", "loop"], ["run", TOY, "--runs", "loop/below"], ["run", TOY, "--folder", "loop"],
    ["run", TOY, "--folder", "loop/a/b"], ["run", "mnist:hinton", "--data", "loop"],
    ["run", "mnist:hinton", "--data", "loop/below"], ["report", "loop"], ["verify", "loop/below"],
])  # fmt: skip
def test_a_link_that_leads_to_itself_is_no_place_and_something_else_is_advised(tmp_path, words, capsys):
    Path("loop").symlink_to("loop")
    assert main(words) == 3
    said = capsys.readouterr().err
    assert "Errno" not in said and re.search(r"choose another|; name (the|a|one)", said)
    assert contents(tmp_path) == ["loop"] or "runs" in contents(tmp_path)
