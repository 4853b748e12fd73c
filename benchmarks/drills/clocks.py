"""Clocks that are set back or far forward, and files whose times mean nothing."""

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from drills.trial import Shelf, Site, Trial, Verdict, goes_on

YEAR = 365 * 24 * 3600.0
SHIFTS = (-50 * YEAR, -YEAR, -3600.0, -1.0, 1.0, 3600.0, YEAR, 50 * YEAR)


def changed(shelf: Shelf) -> Iterator[Trial]:
    """Off from the start, and set in the middle; then stopped, times of files shuffled, and gone on with."""
    for shift in SHIFTS:
        yield Trial(f"off by {shift:.0f} s", partial(_shifted, before=shift, after=shift, at=0))
        yield Trial(f"off by {shift:.0f} s, new", partial(_shifted, before=shift, after=shift, at=0, afresh=True))
        yield Trial(f"set by {shift:.0f} s meanwhile", partial(_shifted, before=0.0, after=shift, at=200))
        yield Trial(f"set back from {shift:.0f} s meanwhile", partial(_shifted, before=shift, after=0.0, at=200))
    for state in (shelf.interrupted, shelf.finished):
        for _ in range(5):
            yield Trial(f"{state.name}: times of files shuffled", partial(_shuffled, state=state))


def _shifted(site: Site, *, before: float, after: float, at: int, afresh: bool = False) -> Verdict:
    """In a new interpreter clocks are changed before anybody imports them by name."""
    stop = ("stops_at", site.random.randint(1, site.shelf.boundaries), str(site.root), signal.SIGKILL)
    site.run(troubles=[("shifted_clocks", before, after, at), ("saves_often",), stop], afresh=afresh)
    return goes_on(site, site.run(troubles=[("shifted_clocks", after, before, at)], afresh=afresh))


def _shuffled(site: Site, *, state: Path) -> Verdict:
    site.begin_with(state)
    for path in (site.root, *site.root.rglob("*")):
        moment = site.random.choice((0.0, 1.0, site.random.uniform(0, 4e9), 4e9))
        os.utime(path, (moment, moment))
    return goes_on(site, site.run())
