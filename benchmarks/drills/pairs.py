"""Two processes at once: in one folder, on one stage, on one cache."""

import json
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from drills.trial import SAME, SLOW, Shelf, Site, Trial, Verdict, goes_on, judged, training
from outcome import differences, outcome

EACH = 12
PAUSE = (SLOW, ("saves_often",))


def together(_shelf: Shelf) -> Iterator[Trial]:
    """The same command twice; two that share a teacher; one of them killed; two that fill one cache."""
    for _ in range(EACH):
        yield Trial("the same command twice", _twice)
        yield Trial("two that share a teacher", partial(_sharing, kill=False))
        yield Trial("two that share a teacher, one killed", partial(_sharing, kill=True))
        yield Trial("two that fill one cache", partial(_filling, kill=False))
        yield Trial("two that fill one cache, one killed", partial(_filling, kill=True))
        yield Trial("a report while the run goes on", _watched)


def _twice(site: Site) -> Verdict:
    first = site.start(troubles=PAUSE)
    time.sleep(site.random.uniform(0, 0.6))
    second = site.start(troubles=PAUSE)
    endings = [second.wait(), first.wait()]
    if fault := next((x.fault for x in endings if x.fault), ""):
        return Verdict("traceback", fault)
    refused = [x for x in endings if x.code]
    if len(refused) == 2 or not all(x.refusal for x in refused):
        return Verdict("dead end", " | ".join(x.err[-200:] for x in refused))
    verdict = goes_on(site, next(x for x in endings if x.code == 0))
    return Verdict("refused", refused[0].refusal) if refused and verdict == SAME else verdict


def _sharing(site: Site, *, kill: bool) -> Verdict:
    return _both(site, kill=kill)


def _filling(site: Site, *, kill: bool) -> Verdict:
    """The teacher is there; the students begin together."""
    site.begin_with(site.shelf.finished)
    for record in site.root.glob("stages/*/stage.json"):
        if json.loads(record.read_text())["name"] != "teacher":
            _remove_all(record.parent)
    for below in ("answers", site.shelf.run_folder):
        _remove_all(site.root / below)
    return _both(site, kill=kill)


def _both(site: Site, *, kill: bool) -> Verdict:
    first = site.start(troubles=PAUSE)
    second = site.start(*training(site.root, "--width", "10"), troubles=PAUSE)
    if kill:
        time.sleep(site.random.uniform(0.1, 1.0))
        first.send(signal.SIGKILL)
    endings = first.wait(), second.wait()
    if endings[1].code != 0 or (endings[0].code != 0 and not kill):
        fault = endings[0].fault or endings[1].fault
        return Verdict("traceback" if fault else "dead end", fault or f"{[(x.code, x.err[-200:]) for x in endings]}")
    if gaps := _missing_or_other(site.shelf.another, site.root):
        return Verdict("silent", f"of the other run: {gaps}")
    again = site.run()
    mine = outcome(site.root)
    wrong = [name for name in site.shelf.expected if mine.get(name, ...) != site.shelf.expected[name]]
    return judged(site, again, right=lambda: ", ".join(wrong))


def _missing_or_other(template: Path, root: Path) -> list[str]:
    expected, mine = outcome(template), outcome(root)
    return [name for name in differences(expected, mine) if name in expected]


def _watched(site: Site) -> Verdict:
    started = site.start(troubles=PAUSE)
    time.sleep(site.random.uniform(0.1, 1.0))
    seen = site.run("report", str(site.root))
    ended = started.wait()
    if seen.fault or (seen.code and not seen.refusal):
        return Verdict("traceback" if seen.fault else "dead end", seen.err[-300:])
    return goes_on(site, ended)


def _remove_all(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
