"""A file of some kilobytes never takes gigabytes: it is refused in a sentence, or read in little."""

import json
import subprocess
import sys

import pytest

import bombs

pytestmark = pytest.mark.slow

MOST = 2**30
"""Bytes that a reader may take for what is refused."""
READ = {"one value/data.arrow"}
"""What is sound and small, if its values are not written out one by one."""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    bombs.write(folder)
    command = [sys.executable, bombs.__file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_is_small_and_ends_in_a_sentence_before_it_takes_much(found):
    assert len(found) > 20
    for one in found:
        assert one["size"] < 2**19, one
        assert one["took"] < MOST, one
        if one["file"] not in READ:
            assert one["ended"] in ("ValueError", "RefusedProgramError"), one
            assert one["file"].rpartition("/")[2] in one["said"] and "\n" not in one["said"], one
