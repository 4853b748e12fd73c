"""Output that goes away does not end a run, a terminal that goes away stops it, and no child outlives its sweep."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

import fake_recipes

TOY = "fake_recipes:toy"
COMMAND = [sys.executable, "-m", "tutelage"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(fake_recipes.__file__).parent), prepend=os.pathsep)
    monkeypatch.delenv("TUTELAGE_RUNS", raising=False)


def results(root):
    """The numbers of the finished runs below ``root``, and how many lines their logs have."""
    found = {}
    for file in Path(root).rglob("results.json"):
        log = file.with_name("log.jsonl").read_text().splitlines()
        found[file.parent.name] = json.loads(file.read_text())["headline"], [json.loads(line)["epoch"] for line in log]
    return list(found.values())


WHOLE = [("At temperature 2.0 it makes 20.0 errors.", [1])]


@pytest.mark.parametrize(
    ("redirection", "code"),
    [("2>&1 | head -1", 0), (">&- 2>&- <&-", 0), (">/dev/full 2>/dev/full", 3)],
)
def test_a_run_goes_on_to_its_end_where_nothing_can_be_written_to_its_output(redirection, code):
    words = f"set -o pipefail; {sys.executable} -m tutelage run {TOY} --preset quick --verbose {redirection}"
    said = subprocess.run(["bash", "-c", words], capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (code, "")
    assert results("runs") == WHOLE and list(Path("runs").rglob("report.html"))


def started_on_a_terminal(words, on_hang_up):
    """A process, and the other side of its terminal."""
    master, slave = os.openpty()

    def begin():
        signal.signal(signal.SIGHUP, on_hang_up)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        words,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=begin,
        env={**os.environ, "TERM": "dumb"},
    )
    os.close(slave)
    return process, master


def read_until(master, words):
    said = b""
    while words not in said:
        said += os.read(master, 4096)


def test_a_run_whose_terminal_goes_away_is_stopped_and_can_go_on():
    run = [*COMMAND, "run", TOY, "--pause", "0.2"]
    process, master = started_on_a_terminal(run, signal.SIG_DFL)
    read_until(master, b"epoch 1/3")
    os.close(master)
    assert process.wait() == 129
    assert list(Path("runs").rglob("checkpoint.safetensors")) and results("runs") == []
    process, master = started_on_a_terminal(run, signal.SIG_IGN)  # as nohup starts it
    read_until(master, b"going on after 1")
    os.close(master)
    assert process.wait() == 0
    assert results("runs") == [("At temperature 4.0 it makes 40.0 errors.", [1, 2, 3])]


def test_the_runs_of_a_sweep_that_is_killed_stop_by_themselves_and_go_on_later():
    words = [*COMMAND, "sweep", TOY, "--pause", "1.5", "--seed", "0", "1", "--jobs", "2"]  # one may begin much later
    sweep = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    begun = set()
    while len(begun) < 2:
        begun |= {line for line in (sweep.stdout.readline(),) if b"epoch 1/3" in line}
    locks = [lock for lock in Path("runs").rglob("lock") if "stages" not in lock.parts]
    sweep.send_signal(signal.SIGKILL)
    sweep.communicate()
    children = [int(lock.read_text()) for lock in locks]
    deadline = time.monotonic() + 60
    while any(map(is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(children) == 2 and not any(map(is_alive, children)) and results("runs") == []
    assert len(list(Path("runs").rglob("checkpoint.safetensors"))) == 2


def is_alive(process):
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
