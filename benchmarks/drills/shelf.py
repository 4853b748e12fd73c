"""Runs in several states, made once, for trials to begin with."""

import shutil
import signal
import time
from pathlib import Path

from drills.processes import Ended, start
from drills.trial import SLOW, Shelf, training
from outcome import outcome


def prepared(folder: Path, seed: int) -> Shelf:
    """A finished run, one that was interrupted, another one, and how many boundaries a short one has."""
    folder.mkdir()
    finished, interrupted, counted = folder / "finished", folder / "interrupted", folder / "counted"
    begun = time.monotonic()
    _well(start(training(finished), folder / "slow.out", [SLOW]).wait())
    seconds = time.monotonic() - begun
    shutil.rmtree(finished)
    _well(start(training(finished), folder / "finished.out").wait())
    (arguments,) = finished.glob("*/*/arguments.json")
    run_folder = arguments.parent
    _well(start(training(folder / "another", "--width", "10"), folder / "another.out").wait())
    loaded = _well(start(["load", str(run_folder)], folder / "load.out").wait())
    watched = ("counts", str(counted), str(folder / "boundaries"))
    _well(start(training(counted), folder / "counted.out", [("saves_often",), watched]).wait())
    boundaries = int((folder / "boundaries").read_text())
    stopping = [("saves_often",), ("stops_at", boundaries * 6 // 10, str(interrupted), signal.SIGTERM)]
    ended = start(training(interrupted), folder / "interrupted.out", stopping).wait()
    assert ended.code == 128 + signal.SIGTERM and list(interrupted.rglob("checkpoint.safetensors")), ended
    shutil.rmtree(counted)
    below = str(run_folder.relative_to(finished))
    return Shelf(folder, seed, outcome(finished), loaded.out, below, boundaries, seconds)


def _well(ended: Ended) -> Ended:
    assert ended.code == 0, ended
    return ended
