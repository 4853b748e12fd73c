"""What a failure means."""

import errno
import json

import pytest

from tutelage.cli.failures import Usage, did_you_mean, exit_code, sentence


def raised(failure, module):
    """``failure`` as if code of ``module`` had raised it."""
    try:
        exec("raise failure", {"__name__": module, "failure": failure})
    except BaseException as error:
        return error


@pytest.mark.parametrize(
    ("failure", "module", "code"),
    [
        (Usage("no such flag"), "anywhere", 2),
        (ValueError("temperature must be above 0"), "tutelage.losses.kd", 2),
        (ValueError("the user's own rule"), "my_lab.runs", 2),
        (ValueError("another rule of theirs"), "my_lab.losses", 2),
        (ValueError("cannot reshape"), "numpy.core", 1),
        (ValueError("wrong checksum"), "tutelage.data.idx", 3),
        (ValueError("cut short"), "tutelage.checkpoint", 3),
        (FileNotFoundError(errno.ENOENT, "No such file"), "tutelage.data.find", 3),
        (PermissionError("not writable"), "tutelage.run", 3),
        (BlockingIOError("in use"), "tutelage.run", 3),
        (OSError(errno.ENOSPC, "No space left on device"), "json", 3),
        (FloatingPointError("soft is nan"), "tutelage.learner", 4),
        (ImportError("pip install 'tutelage[report]'"), "tutelage.report.page", 3),
        (ImportError("cannot import name"), "tutelage.report.page", 1),
        (TypeError("ours"), "tutelage.learn", 1),
        (AssertionError(), "tutelage.learn", 1),
        (RuntimeError("shapes"), "torch", 1),
        (KeyboardInterrupt(), "tutelage.stages", 130),
    ],
)
def test_users_are_told_what_is_theirs_and_programmers_what_is_theirs(failure, module, code):
    assert exit_code(raised(failure, module), spoken=["my_lab.runs"]) == code


def test_an_error_that_python_found_by_itself_is_a_programmers_even_in_our_code():
    for mistake in ("int('x')", "a, b = [1]"):
        try:
            exec(mistake, {"__name__": "tutelage.learn"})
        except ValueError as error:
            assert exit_code(error) == 1


def test_a_sentence_is_one_line_and_says_what_to_do_about_the_disk():
    assert sentence(ValueError("two\n   lines")) == "two lines"
    assert sentence(AssertionError()) == "AssertionError"
    assert "free some space" in sentence(OSError(errno.ENOSPC, "No space left on device", "a.json"))
    with pytest.raises(json.JSONDecodeError) as broken:
        json.loads("{")
    assert "\n" not in sentence(broken.value)


def test_the_nearest_word_is_offered_only_if_it_is_near():
    assert did_you_mean("swep", ["run", "sweep"]) == "; did you mean 'sweep'?"
    assert did_you_mean("qqq", ["run", "sweep"]) == ""
