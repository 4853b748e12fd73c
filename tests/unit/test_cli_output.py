"""Output that cannot be written ends nothing: not a training, not a command, and no sentence becomes a traceback."""

import errno
import io
import logging
import os
import signal
import sys

import pytest
from test_cli_progress import Hours, record, told

import fake_recipes
from tutelage.cli.command import main
from tutelage.cli.events import Events
from tutelage.cli.lines import Lines
from tutelage.cli.output import Steady, steady_output
from tutelage.cli.processes import LIFE, end_with_the_sweep
from tutelage.cli.run import resumable
from tutelage.cli.terminal import Terminal
from tutelage.stages.signals import stopping_gently

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("elsewhere")]

TOY = "fake_recipes:toy"
LISTENERS = {"pipe": errno.EPIPE, "terminal": errno.EIO, "disk": errno.ENOSPC, "quota": errno.EDQUOT}


class Failing(io.StringIO):
    """A stream that fails after so many writes; a ``lazy`` one only when it is flushed."""

    def __init__(self, number=errno.ENOSPC, after=0, lazy=False):
        super().__init__()
        self.number, self.left, self.lazy = number, after, lazy

    def write(self, text):
        self.left -= 1
        if self.left < 0 and not self.lazy:
            raise OSError(self.number, os.strerror(self.number))
        return super().write(text)

    def flush(self):
        if self.left < 0:
            raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("number", LISTENERS.values(), ids=LISTENERS)
def test_those_who_tell_of_progress_go_on_when_nobody_listens(number, lazy, after):
    for teller in (Lines, Terminal):
        clock, stream = Hours(), Failing(number, after, lazy)
        progress = teller(stream, clock=clock)
        if teller is Terminal:
            with progress.bars:
                told(progress, clock)
        else:
            told(progress, clock)
        assert stream.left < 0


def test_a_terminal_that_is_gone_is_told_nothing_more():
    master, slave = os.openpty()
    os.close(master)
    with os.fdopen(slave, "w") as stream:
        clock = Hours()
        progress = Terminal(stream, clock=clock)
        with progress.bars:
            told(progress, clock)
        progress.note("still there")


def test_a_stream_is_silent_after_its_first_failure_and_remembers_it():
    stream = Steady(Failing(after=2))
    for word in ("one", "two", "three", "four"):
        assert stream.write(word) == len(word)
    stream.writelines(["five"])
    stream.flush()
    assert stream.getvalue() == "onetwo" and stream.failure.errno == errno.ENOSPC and not stream.isatty()
    closed = io.StringIO()
    closed.close()
    Steady(closed).write("nothing")
    ascii_only = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Steady(ascii_only).write("✓ holds")
    ascii_only.flush()
    assert ascii_only.buffer.getvalue() == b"? holds"


@pytest.mark.parametrize(("output", "code"), [("pipe", 0), ("terminal", 0), ("disk", 3), ("quota", 3)])
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("words", [["ls", "fake_recipes"], ["--help"], ["completion", "bash"]])
def test_what_only_prints_is_done_if_its_reader_had_enough_and_fails_if_its_disk_is_full(
    words, lazy, output, code, monkeypatch
):
    said, number = io.StringIO(), LISTENERS[output]
    monkeypatch.setattr("sys.stdout", Failing(number, lazy=lazy))
    monkeypatch.setattr("sys.stderr", said)
    before = sys.stdout, sys.stderr
    assert main(words) == code and (sys.stdout, sys.stderr) == before
    sentence = f"tutelage: standard output was not written ({os.strerror(number)}); all else is done.\n"
    assert said.getvalue() == (sentence if code else "")


def chatty(run, *, seed=0):
    """Says things in every way before and after it trains."""
    handler = logging.StreamHandler()
    logging.getLogger("chatty").addHandler(handler)
    try:
        for _ in range(2):
            logging.getLogger("chatty").error("logged")
            print("printed")
            print("printed too", file=sys.stderr, flush=True)
            fake_recipes.toy_quick(run, seed=seed)
    finally:
        logging.getLogger("chatty").removeHandler(handler)


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC])
def test_a_run_ends_whole_whatever_is_said_and_cannot_be_written(number, tmp_path, monkeypatch):
    module = type(sys)("chatty_recipes")
    module.chatty, chatty.__module__ = chatty, module.__name__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("sys.stdout", Failing(number))
    monkeypatch.setattr("sys.stderr", Failing(number))
    assert main(["run", "chatty_recipes:chatty"]) == (0 if number == errno.EPIPE else 3)
    assert list(tmp_path.rglob("results.json")) and list(tmp_path.rglob("report.html"))


def test_a_stopped_run_whose_output_is_gone_is_not_taken_for_a_finished_one(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdout", Failing(errno.EPIPE))
    monkeypatch.setattr("sys.stderr", Failing(errno.EPIPE))
    fake_recipes.INTERRUPT.append(signal.SIGHUP)
    assert main(["run", TOY]) == 129
    assert not list(tmp_path.rglob("results.json")) and list(tmp_path.rglob("checkpoint.safetensors"))
    assert main(["run", "fake_recipes:failing", "--how", "value"]) == 2


def test_closed_output_is_output_that_nobody_wants(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    with steady_output() as lost:
        print("anything")
        print("else", file=sys.stderr)
        assert lost() == ""
    assert main(["ls", "fake_recipes"]) == 0


def leaving(run, *, code="0"):  # noqa: ARG001
    """Ends the process itself, before the run is done."""
    raise SystemExit(None if code == "none" else int(code) if code.isdigit() else code)


@pytest.mark.parametrize("code", ["0", "none", "7", "bye"])
def test_a_recipe_that_ends_the_process_has_not_finished_its_run(code, monkeypatch, capsys, tmp_path):
    module = type(sys)("leaving_recipes")
    module.leaving, leaving.__module__ = leaving, module.__name__
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert main(["run", "leaving_recipes:leaving", "--code", code]) == 2
    assert "before its run was done" in capsys.readouterr().err and not list(tmp_path.rglob("results.json"))


@pytest.mark.parametrize("begun", [0, 1, 2])
def test_events_that_cannot_be_written_end_and_the_run_does_not(begun, tmp_path, monkeypatch):
    from tensorboard.summary.writer.record_writer import RecordWriter

    left, write = [begun], RecordWriter.write

    def full(self, data):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, data)

    monkeypatch.setattr(RecordWriter, "write", full)
    said = io.StringIO()
    log = tmp_path / "log.jsonl"
    log.write_text("")
    events = Events(log, tmp_path, Lines(said))
    for epoch in (1, 2):
        with log.open("a") as file:
            file.write('{"stage": "teacher", "epoch": 1, "losses": {"student": {"label": 0.5}}}\n')
        events.epoch(record(epoch))
    events.close()
    assert said.getvalue().count("TensorBoard gets no more events (No space left on device), the run goes on") == 1


@pytest.mark.parametrize("scope", [stopping_gently, lambda: resumable("go on")])
def test_a_terminal_that_goes_away_stops_a_run_unless_it_was_started_to_outlive_it(scope):
    before = signal.getsignal(signal.SIGHUP)
    with pytest.raises(SystemExit) as end, scope():
        os.kill(os.getpid(), signal.SIGHUP)
    assert end.value.code == 129
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with scope():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_run_of_no_sweep_waits_for_none(monkeypatch):
    monkeypatch.delenv(LIFE, raising=False)
    end_with_the_sweep()


def test_a_run_of_a_sweep_is_asked_to_stop_when_that_is_gone(monkeypatch):
    life, others = os.pipe()
    monkeypatch.setenv(LIFE, str(life))
    end_with_the_sweep()
    assert LIFE not in os.environ and not os.get_inheritable(life)
    with pytest.raises(SystemExit) as end, stopping_gently() as received:
        os.close(others)
        while not received:
            pass
    assert end.value.code == 143
    os.close(life)


@pytest.mark.parametrize("columns", ["0", "1", "2", "7", "-1", "x", "²", "1000000"])
def test_a_terminal_without_width_hides_nothing(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["ls", "fake_recipes"]) == 0 and "fake_recipes:toy" in capsys.readouterr().out
    assert main(["run", "fake_recipes:toy", "--help"]) == 0 and "--temperature" in capsys.readouterr().out
