"""A finished run that is started again keeps what it has until the new is whole, wherever that start is broken off."""

import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from test_run import QUICK, contents, fit, made, net

import tutelage
from examples import bits, same
from tutelage import renewal
from tutelage.integrity import findings
from tutelage.report.read import read_run
from tutelage.run import Run

pytestmark = pytest.mark.slow


def recipe(run, headline):
    run.deliver(run.stage("student", net, fit).last)
    run.publish(headline=headline)


def finished(root, headline="first"):
    with made(root) as run:
        recipe(run, headline)
    return run.folder


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "lock"}


def test_started_again_it_reads_as_before_until_its_end_and_then_as_the_new_one(tmp_path):
    folder = finished(tmp_path)
    (folder / "report.html").write_text("of the first")
    before = files(folder)
    with made(tmp_path) as run:
        recipe(run, "second")
        assert files(folder) == before and read_run(folder).results.headline == "first"
        assert len(run.log.read_text().splitlines()) == 2
    assert read_run(folder).results.headline == "second" and not (folder / "again").exists()
    assert run.log == folder / "log.jsonl"
    assert files(folder).keys() == before.keys()
    assert same(bits(tutelage.load(folder, allow=["test_run"])), bits(tutelage.load(folder, allow=["test_run"])))


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, RuntimeError, OSError, ValueError])
@pytest.mark.parametrize("late", [False, True])
def test_a_second_start_that_does_not_end_changes_nothing(tmp_path, end, late):
    folder = finished(tmp_path)
    before = files(folder)
    with pytest.raises(end), made(tmp_path) as run:
        if late:
            recipe(run, "second")
        raise end
    assert files(folder) == before and read_run(folder).results.headline == "first"
    tutelage.load(folder, allow=["test_run"])
    assert finished(tmp_path, "third") == folder
    assert read_run(folder).results.headline == "third" and not (folder / "again").exists()


class Killed(BaseException):
    """A kill: nothing that comes after it is done."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run that another start was about to replace, all of whose files are whole."""
    root = tmp_path_factory.mktemp("whole")
    folder = finished(root)
    (folder / "source.safetensors").write_bytes(b"of the first alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tutelage.folders.settle", lambda _folder: None)
        with made(root) as run:
            run.deliver(run.stage("pupil", net, fit).last)
            run.publish(headline="second")
    return folder


@contextmanager
def killed_after(step, monkeypatch, synced):
    """What is done within ends as a process does that is killed when it has changed the disk ``step`` times."""
    left = [step]

    def perhaps(act):
        def acting(*words, **named):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return act(*words, **named)

        return acting

    with monkeypatch.context() as patch, suppress(Killed):
        for owner, name in ((os, "replace"), (Path, "unlink"), (Path, "rmdir"), synced):
            patch.setattr(owner, name, perhaps(getattr(owner, name)))
        yield


@pytest.mark.parametrize("step", range(20))
def test_a_kill_while_the_new_takes_its_place_leaves_the_new_and_no_mixture(tmp_path, whole, step, monkeypatch):
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    assert (folder / "again" / "results.json").exists() and b"first" in (folder / "results.json").read_bytes()
    with killed_after(step, monkeypatch, (renewal, "sync")):
        renewal.settle(folder)
    for _ in range(2):
        seen = read_run(folder)
        assert (seen.results.headline, {line.stage for line in seen.log}) == ("second", {"pupil"})
        assert [stage.name for stage in seen.stages] == ["pupil"]
        tutelage.load(folder, allow=["test_run"])
        renewal.settle(folder)
    assert not (folder / "again").exists() and not (folder / "source.safetensors").exists()


def test_what_a_second_start_leaves_no_longer_is_gone_and_what_nobody_of_ours_made_is_kept(tmp_path):
    folder = finished(tmp_path)
    (folder / "notes.txt").write_text("mine")
    (folder / "plots").mkdir()
    with made(tmp_path) as run:
        run.publish(headline="nothing delivered")
    assert not (folder / "student.json").exists() and not (folder / "student.safetensors").exists()
    assert (folder / "notes.txt").read_text() == "mine" and (folder / "plots").is_dir()


def test_an_again_that_holds_what_no_run_put_there_is_refused_and_left_alone(tmp_path):
    folder = finished(tmp_path)
    (folder / "again").mkdir()
    (folder / "again" / "diary.txt").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=r"holds 'diary\.txt', which no run put there; move it away"), made(tmp_path):
        pass
    assert contents(tmp_path) == before
    (folder / "again" / "diary.txt").rename(tmp_path / "diary.txt")
    assert finished(tmp_path, "second") == folder and read_run(folder).results.headline == "second"


def test_a_recipe_without_any_stage_can_be_reported(tmp_path):
    with Run(QUICK, root=tmp_path, exact=True, device="cpu") as run:
        run.publish(headline="nothing was trained")
    assert json.loads((run.folder / "stages.json").read_text()) == []
    assert read_run(run.folder).results.headline == "nothing was trained"


def flipped(file, words):
    content = file.read_bytes()
    place = content.index(words)
    file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])


@pytest.mark.parametrize(("name", "words"), [
    ("arguments.json", b'tutelage run'), ("arguments.json", b'quick'), ("environment.json", b'float32'),
    ("environment.json", b'"processor"'), ("environment.json", b'20'), ("SHA256SUMS", b"log.jsonl"),
])  # fmt: skip
def test_what_changed_in_a_run_that_has_not_ended_is_written_anew(tmp_path, name, words):
    request = replace(QUICK, command="tutelage run toy:one")

    def opened():
        return Run(request, root=tmp_path / "runs", exact=True, device="cpu")

    with opened() as run:
        recipe(run, "done")
    before = files(run.folder)
    (run.folder / "results.json").unlink()  # as a kill after the checksums leaves it
    flipped(run.folder / name, words)
    with opened() as run:
        recipe(run, "done")
    dates = [json.loads(made["environment.json"]).pop("date") for made in (before, files(run.folder))]
    assert dates[0] <= dates[1]
    environments = [json.loads(made["environment.json"]) | {"date": ""} for made in (before, files(run.folder))]
    assert environments[0] == environments[1]
    assert before["arguments.json"] == files(run.folder)["arguments.json"]
    assert {finding.verdict for finding in findings(tmp_path)} == {"whole"}


@pytest.mark.parametrize("step", range(0, 60, 3))
def test_a_kill_at_any_moment_of_a_start_leaves_what_can_be_gone_on_with_and_is_verified(tmp_path, step, monkeypatch):
    folder = finished(tmp_path)
    (folder / "environment.json").unlink()
    monkeypatch.setattr("tutelage.folders.RunFolder.withdraw", lambda _self: None)
    with killed_after(step, monkeypatch, (os, "fsync")):
        finished(tmp_path, "second")
    monkeypatch.undo()
    assert "damaged" not in {found.verdict for found in findings(tmp_path) if (folder / "environment.json").exists()}
    assert finished(tmp_path, "third") == folder and read_run(folder).results.headline == "third"
    assert {finding.verdict for finding in findings(tmp_path)} == {"whole"}
