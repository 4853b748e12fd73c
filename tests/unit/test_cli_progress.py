"""Progress in words: lines in a log, one moving line on a terminal."""

import io
import os
import re

import pytest

from tutelage.cli.display import shown
from tutelage.cli.lines import Lines
from tutelage.cli.pace import Pace, validation_in_words
from tutelage.cli.terminal import Terminal
from tutelage.progress import Silence


class Hours:
    """A clock that stands still until it is moved."""

    now = 1000.0

    def __call__(self):
        return self.now


def record(epoch, errors=10):
    figures = {"errors": errors, "count": 1000}
    return {"stage": "teacher", "epoch": epoch, "step": 4 * epoch, "validation": figures,
            "losses": {"student": {"label": 0.25, "soft": 1.5}}}  # fmt: skip


def told(progress, clock, epochs=6, seconds=2.0, done=0):
    progress.stage("teacher", epochs, done)
    for epoch in range(done + 1, epochs + 1):
        for step in range(4 * epoch - 4, 4 * epoch):
            progress.step(step + 1, None)
        clock.now += seconds
        progress.epoch(record(epoch))
    progress.finished("teacher")


def test_a_log_gets_the_first_and_the_last_epoch_and_one_line_every_few_seconds_in_between():
    clock, stream = Hours(), io.StringIO()
    told(Lines(stream, pause=5.0, clock=clock), clock)
    assert stream.getvalue().splitlines() == [
        "teacher: 6 epochs",
        "teacher: epoch 1/6, validation errors 1.00 % (10 of 1000), eta 0:10",
        "teacher: epoch 4/6, validation errors 1.00 % (10 of 1000), eta 0:04",
        "teacher: epoch 6/6, validation errors 1.00 % (10 of 1000), eta 0:00",
        "teacher: done in 0:12",
    ]


def test_one_epoch_is_one_epoch():
    stream = io.StringIO()
    told(Lines(stream, clock=Hours()), Hours(), epochs=1)
    assert stream.getvalue().splitlines()[0] == "teacher: 1 epoch"


def test_every_epoch_and_every_term_is_told_if_asked_for():
    clock, stream = Hours(), io.StringIO()
    told(Lines(stream, pause=0.0, clock=clock), clock)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 8
    assert "student.label 0.25, student.soft 1.5" in lines[1]


def test_the_time_to_go_counts_only_what_this_process_did():
    clock = Hours()
    pace = Pace("teacher", 100, 90, clock)
    assert pace.eta == "-:--"
    clock.now += 60
    pace.over(record(91))
    assert pace.eta == "9:00"


def test_the_time_to_go_counts_the_part_of_an_epoch_once_its_length_is_known():
    clock = Hours()
    pace = Pace("teacher", 3, 0, clock)
    pace.within(2, None)
    assert pace.done == 0
    pace.within(2, 4)
    assert pace.done == 0.5
    pace.over(record(1))
    pace.within(7, None)  # 4 steps an epoch
    assert pace.done == 1.75
    pace.within(99, None)
    assert int(pace.done) == 1


@pytest.mark.parametrize(
    ("validation", "words"),
    [
        ({"errors": 71, "count": 5000, "loss": 0.05}, "validation errors 1.42 % (71 of 5000)"),
        ({"count": 50, "false alarms": 5, "loss": 0.05}, "validation false alarms 10.00 % (5 of 50)"),
        ({"perplexity": 23.0712, "count": 5000}, "validation perplexity 23.07"),
        ({"F1": 0.5, "errors": 3, "count": 6}, "validation F1 0.5"),
        ({"pairs": 12}, "validation pairs 12"),
        ({"count": 12}, ""),
        ({}, ""),
        (None, ""),
    ],
)
def test_the_metric_that_decides_comes_first_and_is_told_by_its_name(validation, words):
    assert validation_in_words(validation) == words


def test_a_stage_without_validation_says_nothing_of_it():
    clock, stream = Hours(), io.StringIO()
    lines = Lines(stream, clock=clock)
    lines.stage("hints", 1, 0)
    lines.epoch({"stage": "hints", "epoch": 1, "step": 4})
    assert stream.getvalue().splitlines()[-1] == "hints: epoch 1/1, eta 0:00"


@pytest.fixture
def terminal(monkeypatch):
    """A pseudo terminal: what is written to ``stream`` is read with ``text()``."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as stream:

        def text():
            print("(all)", end="", file=stream, flush=True)
            said = b""
            while not said.endswith(b"(all)"):  # a terminal passes things on piece by piece
                said += os.read(master, 1 << 16)
            return said.decode()

        yield stream, text
    os.close(master)


def test_a_terminal_shows_one_line_a_stage_with_validation_and_time_to_go(terminal):
    stream, text = terminal
    clock = Hours()
    progress = Terminal(stream, clock=clock)
    with progress.bars:
        told(progress, clock, epochs=3)
        progress.note("student: loaded from [somewhere]")
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text())
    for words in ("teacher", "2/3", "validation errors 1.00 %", "eta 0:02", "done in 0:06", "[somewhere]"):
        assert words in said


def test_no_color_is_respected(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    stream, text = terminal
    clock = Hours()
    progress = Terminal(stream, clock=clock)
    with progress.bars:
        told(progress, clock, epochs=2)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9][;m]", text())


def test_bars_are_for_terminals_lines_for_logs_and_nothing_for_the_quiet(terminal, monkeypatch, capsys):
    with shown(quiet=False, verbose=False) as progress:
        assert isinstance(progress, Lines)
    with shown(quiet=True, verbose=False) as progress:
        assert isinstance(progress, Silence)
        told(progress, Hours())
    stream, _ = terminal
    monkeypatch.setattr("sys.stderr", stream)
    with shown(quiet=False, verbose=False) as progress:
        assert isinstance(progress, Terminal)
    monkeypatch.setenv("TERM", "dumb")
    with shown(quiet=False, verbose=False) as progress:
        assert isinstance(progress, Lines)
    assert capsys.readouterr() == ("", "")
