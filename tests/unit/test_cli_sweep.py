"""The grid of a sweep, and the processes that work through it."""

import os
import signal
import sys
import threading
import time

import pytest

from tutelage.cli.failures import Usage
from tutelage.cli.processes import Child, Crew
from tutelage.cli.sweep import combinations

TOY = "fake_recipes:toy"


def grid(*words):
    requests, varied = combinations(TOY, list(words))
    return [[request.arguments[name] for name in varied] for request in requests], varied


def test_every_combination_is_run_once_the_last_flag_fastest():
    points, varied = grid("--temperature", "1", "2", "--epochs", "5", "--seed", "0", "1")
    assert varied == ["temperature", "seed"]
    assert points == [[1.0, 0], [1.0, 1], [2.0, 0], [2.0, 1]]


def test_flags_of_several_words_and_switches_are_repeated_instead():
    points, _ = grid("--widths", "1", "2", "--widths", "3", "--jitter", "--no-jitter")
    assert points == [[(1, 2), True], [(1, 2), False], [(3,), True], [(3,), False]]


def test_values_may_be_negative_written_with_equals_or_repeated():
    assert grid("--temperature=-1", "--temperature", "-2", "3")[0] == [[-1.0], [-2.0], [3.0]]
    assert len(grid("--seed", "1", "1")[0]) == 1


def test_flags_of_every_run_are_not_part_of_the_grid():
    requests, varied = combinations(TOY, ["--seed", "0", "1", "--preset", "quick", "--runs", "here", "--jobs", "2"])
    assert varied == ["seed"]
    assert requests[1].command == f"tutelage run {TOY} --preset quick --seed 1 --runs here"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--temprature", "1", "2"], "did you mean '--temperature'"),
        (["--temperature", "1", "warm"], "warm"),
        (["--folder", "one"], "--runs"),
        (["stray", "--seed", "1"], "stray"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused_before_anything_runs(words, said):
    with pytest.raises(Usage, match=said):
        combinations(TOY, words)


def python(label, code):
    return Child(label, [sys.executable, "-c", code])


def test_children_pass_on_their_lines_and_their_exit_codes(capfd):
    children = [
        python("a", "print('fine')"),
        python("b", "import sys; sys.exit('sad')"),
        python("c", "import os; os.kill(os.getpid(), 9)"),
    ]
    Crew(children, jobs=3).work()
    assert [child.code for child in children] == [0, 1, 137]
    assert children[1].last == "sad"
    assert "[a] fine" in capfd.readouterr().out.splitlines()


def interrupted_when(ready):
    """Ctrl-C as soon as ``ready`` holds."""

    def wait_and_send():
        while not ready():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait_and_send, daemon=True).start()


def test_ctrl_c_stops_the_children_in_order_and_starts_no_others(capfd):
    orderly = (
        "import sys, time, signal\n"
        "signal.signal(signal.SIGINT, lambda *_: (print('saved'), sys.exit(130)))\n"
        "print('ready'); time.sleep(60)"
    )
    children = [python("first", orderly), python("second", "print('never')")]
    interrupted_when(lambda: children[0].last == "ready")
    with pytest.raises(KeyboardInterrupt):
        Crew(children, jobs=1).work()
    assert (children[0].code, children[0].last, children[1].code) == (130, "saved", None)
    assert "never" not in capfd.readouterr().out


def test_a_second_ctrl_c_kills_the_children_that_do_not_stop():
    stubborn = (
        "import time, signal\n"
        "signal.signal(signal.SIGINT, lambda *_: print('no'))\n"
        "print('ready')\nwhile True: time.sleep(0.05)"
    )
    child = python("stubborn", stubborn)
    interrupted_when(lambda: child.last == "ready")
    interrupted_when(lambda: child.last == "no")
    with pytest.raises(KeyboardInterrupt):
        Crew([child], jobs=1).work()
    assert child.code == 137
