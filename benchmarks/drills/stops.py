"""Signals that ask a run to stop, or to hold still for a while, at random moments."""

import signal
import time
from collections.abc import Iterator
from functools import partial

from drills.processes import Ended
from drills.trial import SLOW, Shelf, Site, Trial, Verdict, begun, goes_on

ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EACH = 20


def asked_to_stop(_shelf: Shelf) -> Iterator[Trial]:
    """Ctrl-C, SIGTERM and a terminal that goes away, at any moment and at boundaries between two writes."""
    for number in ASKED:
        for count in range(EACH):
            yield Trial(f"{number.name} at a random moment", partial(_asked, number=number, again=count % 4 == 3))
            yield Trial(f"{number.name} at a boundary", partial(_asked_at_boundary, number=number))


def held_still(_shelf: Shelf) -> Iterator[Trial]:
    """SIGSTOP, and SIGCONT after a while."""
    for _ in range(EACH):
        yield Trial("SIGSTOP, SIGCONT", _held)


def _asked(site: Site, *, number: signal.Signals, again: bool) -> Verdict:
    started = site.start(troubles=[SLOW, ("saves_often",)])
    begun(site, started)
    time.sleep(site.random.uniform(0, site.shelf.seconds))
    started.send(number)
    if again:
        time.sleep(site.random.uniform(0, 0.01))
        started.send(number)
    return _stopped(site, number, started.wait())


def _asked_at_boundary(site: Site, *, number: signal.Signals) -> Verdict:
    at = ("stops_at", site.random.randint(1, site.shelf.boundaries), str(site.root), int(number))
    return _stopped(site, number, site.run(troubles=[("saves_often",), at]))


def _stopped(site: Site, number: signal.Signals, ended: Ended) -> Verdict:
    if ended.code not in (0, 128 + number, -number):
        return Verdict("traceback" if ended.fault else "dead end", f"exit code {ended.code}: {ended.err[-300:]}")
    return goes_on(site, ended)


def _held(site: Site) -> Verdict:
    started = site.start(troubles=[SLOW])
    for _ in range(3):
        time.sleep(site.random.uniform(0.02, 0.3))
        started.send(signal.SIGSTOP)
        time.sleep(0.05)
        started.send(signal.SIGCONT)
    return goes_on(site, started.wait())
