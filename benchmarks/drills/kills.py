"""SIGKILL: at random moments of a whole run, and at every boundary between two writes."""

import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial

from drills.processes import Ended
from drills.trial import SLOW, Shelf, Site, Trial, Verdict, begun, goes_on

RUNS, KILLS_A_RUN = 100, 3


def at_random_moments(_shelf: Shelf) -> Iterator[Trial]:
    """A hundred runs, each killed several times, once at least before its end; every fourth in new interpreters."""
    for number in range(RUNS):
        afresh = number % 4 == 0
        yield Trial(f"{KILLS_A_RUN} kills{', new interpreters' * afresh}", partial(_at_random, afresh=afresh))


def at_every_boundary(shelf: Shelf) -> Iterator[Trial]:
    """Before every call that changes the disk, and in the middle of every write, from the first to the last."""
    for number in range(1, shelf.boundaries + 1):
        yield Trial(f"boundary {number}", partial(_at_boundary, number=number))


def _at_random(site: Site, *, afresh: bool) -> Verdict:
    latest = site.shelf.seconds
    ended = _killed(site, latest, afresh)
    while ended.code == 0:  # too late: from the start, and sooner
        shutil.rmtree(site.root)
        latest /= 2
        ended = _killed(site, latest, afresh)
    for _ in range(KILLS_A_RUN - 1):
        if not ended.fault:
            ended = _killed(site, latest, afresh)
    return goes_on(site, ended, afresh=afresh)


def _killed(site: Site, latest: float, afresh: bool) -> Ended:
    """Killed at a moment after it has begun to write."""
    started = site.start(troubles=[SLOW, ("saves_often",)], afresh=afresh)
    begun(site, started)
    time.sleep(site.random.uniform(0, latest))
    started.send(signal.SIGKILL)
    return started.wait()


def _at_boundary(site: Site, *, number: int) -> Verdict:
    ended = site.run(troubles=[("saves_often",), ("dies_at", number, str(site.root))])
    if ended.code != -signal.SIGKILL and ended.code != 0:
        return Verdict("dead end", f"exit code {ended.code} before the boundary: {ended.err[-300:]}")
    return goes_on(site, ended)
