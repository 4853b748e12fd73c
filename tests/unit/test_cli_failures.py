"""What a failure means."""

import errno
import json

import pytest
import torch

from tutelage.cli.failures import Usage, begins_with_a_path, did_you_mean, exit_code, refuse_no_text, sentence


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
        (ValueError("the seed is not a number"), "tutelage.data.idx", 2),
        (ValueError(f"{__file__} is cut short"), "tutelage.checkpoint", 3),
        (ValueError(f"{__file__}.rows: it has 0 bytes"), "tutelage.teachers.anything", 3),
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
        (RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to"), "torch", 4),
        (torch.OutOfMemoryError("CUDA out of memory."), "torch", 4),
        (MemoryError(), "numpy", 4),
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


def test_memory_that_is_used_up_is_said_in_words():
    for failure in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory.\nTried …")):
        assert sentence(failure).startswith("The memory is used up: choose a smaller batch")
    with pytest.raises(RuntimeError) as refusal:
        torch.empty(2**60, dtype=torch.uint8)
    assert (exit_code(refusal.value), sentence(refusal.value)[:22]) == (4, "The memory is used up:")


def test_a_word_that_nobody_would_read_is_shortened():
    said = sentence(ValueError(f"There is no recipe {10_000 * 'x'!r}; see the list."))
    assert len(said) < 250
    assert (said[:30], said[-17:]) == ("There is no recipe 'xxxxxxxxxx", "x'; see the list.")


@pytest.mark.parametrize("word", ["a\0b", "\0", "\udcff", "x\ud800"])
def test_a_word_that_cannot_be_written_is_refused(word):
    refuse_no_text(["run", "é", "a\nb", ""])
    with pytest.raises(Usage, match="is text in UTF-8 without a zero byte; got "):
        refuse_no_text(["run", word])


def test_a_sentence_about_the_current_directory_is_about_a_file():
    assert begins_with_a_path(". holds 'notes' and is not the folder of a run; choose a new or empty one.")
    assert not begins_with_a_path("..., and nothing else") and not begins_with_a_path("x. y")
