"""Less memory than a run needs, in steps; afterwards enough of it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from drills.processes import CRASHES, Ended
from drills.trial import SAME, Shelf, Site, Trial, Verdict, goes_on, judged

WHOLE = (50, 100, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 4000)  # MiB, for a new interpreter
MORE = (*range(0, 4096, 128), *range(4096, 32_769, 1024))  # KiB, for a process that has imported everything


def short(shelf: Shelf) -> Iterator[Trial]:
    """From too little for Python to what is plenty."""
    for size in WHOLE:
        yield Trial(f"{size} MiB in all", partial(_whole, size=size))
    for size in MORE:
        yield Trial(f"{size} KiB more", partial(_more, size=size, state=None))
        yield Trial(f"{size} KiB more to go on", partial(_more, size=size, state=shelf.interrupted))


def _whole(site: Site, *, size: int) -> Verdict:
    return _went(site, site.run(troubles=[("short_of_memory", size)], afresh=True))


def _more(site: Site, *, size: int, state: Path | None) -> Verdict:
    if state is not None:
        site.begin_with(state)
    return _went(site, site.run(troubles=[("saves_often",), ("short_of_more_memory", size)]))


def _went(site: Site, ended: Ended) -> Verdict:
    """Libraries that abort where they get no memory are no worse than a kill, and so is Python before it gets to us."""
    aborted = -(ended.code or 0) in CRASHES or (ended.code == 1 and "cli/command.py" not in ended.err)
    if aborted or ended.refused_at_last:
        verdict = judged(site, site.run())
        return Verdict("refused", ended.err[-300:]) if verdict == SAME and ended.refused_at_last else verdict
    return goes_on(site, ended)
