"""A run that is killed, at any moment and as often as you like, ends as if nothing had been."""

import os
import random
import signal
import time

import pytest
import torch

import tutelage
from killed_recipe import forked, go, killed, outcome


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Never interrupted, and never even saved before its end."""
    root = tmp_path_factory.mktemp("undisturbed")
    go(root, save_every=1e9)
    return outcome(root)


def test_killed_three_times_it_ends_in_the_same_bits(tmp_path, undisturbed):
    moments = random.Random(5)
    assert killed(tmp_path, [moments.uniform(0.02, 0.35) for _ in range(3)]) == 3
    assert outcome(tmp_path) == undisturbed


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_stop_it_stops_soon_and_goes_on_later(tmp_path, undisturbed, number, code):
    with forked(tmp_path) as process:
        while not list(tmp_path.rglob("checkpoint.safetensors")):  # until then it has nothing to save
            time.sleep(0.01)
        asked = time.monotonic()
        os.kill(process.pid, number)
        assert process.wait() == code
    assert time.monotonic() - asked < 5
    assert list(tmp_path.rglob("checkpoint.safetensors")) and not list(tmp_path.rglob(".*"))
    assert not list(tmp_path.rglob("results.json"))
    folder = go(tmp_path)
    assert outcome(tmp_path) == undisturbed
    student = tutelage.load(folder, allow=["killed_recipe"])
    assert not student.training and student(torch.zeros(1, 8)).shape == (1, 5)


def test_started_again_after_its_end_it_trains_nothing_and_says_the_same(tmp_path, undisturbed):
    go(tmp_path)
    stages = {file: file.stat().st_mtime_ns for file in (tmp_path / "stages").rglob("*.safetensors")}
    go(tmp_path)
    assert outcome(tmp_path) == undisturbed
    assert stages == {file: file.stat().st_mtime_ns for file in (tmp_path / "stages").rglob("*.safetensors")}
