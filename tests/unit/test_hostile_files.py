"""No reader runs, starts, fetches or writes anything that a file asks for, whatever error it ends in."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import hostile_files
import watch

pytestmark = pytest.mark.slow

ENDS = {"ValueError", "NotAllowedError", "Refused", "RefusedProgramError", "FileNotFoundError", "2", "3"}
FINE = ("report", "completion", "pictures, streamed", "own data: train.parquet", "corpus: pickle 0")
"""Read and shown, or only listed; a pickle of the oldest kind is lines of text."""
PLANTED = ("rich", "tyro", "numpy", "torch", "yaml", "tutelage_evil", "sitecustomize")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "stranger" / "folder"


@pytest.fixture(scope="module")
def found(root):
    """What every reader did, in a process of its own that an audit hook watches."""
    root.mkdir(parents=True)
    command = [sys.executable, hostile_files.__file__, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("deed", watch.deeds(Path()))
def test_the_watch_sees_what_is_done_on_purpose(found, deed):
    (seen,) = [x["seen"] for x in found if x.get("deed") == deed]
    assert any(event.startswith(deed) for event in seen), seen


def test_the_watch_sees_what_a_module_does_that_is_imported(found):
    assert any("evil_deed.ran" in event for x in found if x.get("deed") == "import evil_deed" for event in x["seen"])


def test_no_reader_does_anything_that_a_file_asks_for(found, root):
    done = {x["reader"]: x["seen"] for x in found if "reader" in x}
    assert len(done) >= 130 and not {reader: seen for reader, seen in done.items() if seen}
    assert not [
        x for x in root.rglob("*") if x.name.startswith("pwned") or (x.suffix == ".ran" and "deed" not in x.name)
    ]
    assert not [x for x in root.parents[1].rglob("*") if x.name.startswith("escaped")]


def test_every_reader_ends_in_a_sentence_of_ours(found):
    for x in (x for x in found if "reader" in x and not x["reader"].startswith(FINE)):
        assert x["ended"] in ENDS and "Traceback" not in x["said"], x


def test_the_command_takes_nothing_from_where_somebody_stands(tmp_path):
    for name in PLANTED:
        hostile_files.evil_module(tmp_path, name)
    done = subprocess.run(
        [sys.executable, "-m", "tutelage", "ls"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0 and "mnist:hinton" in done.stdout, done.stderr
    assert not list(tmp_path.glob("*.ran")) and not list(Path(tmp_path).glob("__pycache__"))
