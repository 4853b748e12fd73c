"""Output that fails: pipes that nobody reads, a full disk, streams that are closed."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from drills.processes import Ended, Trouble
from drills.trial import Shelf, Site, Trial, Verdict, goes_on, judged, training

FAILING: dict[str, Trouble] = {
    "standard output is a closed pipe": ("broken_pipe", 1),
    "standard error is a closed pipe": ("broken_pipe", 2),
    "both are a closed pipe": ("broken_pipe", 1, 2),
    "standard output is closed": ("closed", 1),
    "standard error is closed": ("closed", 2),
    "both are closed": ("closed", 1, 2),
    "all three are closed": ("closed", 0, 1, 2),
    "standard output is full": ("output_to", "/dev/full", 1),
    "standard error is full": ("output_to", "/dev/full", 2),
    "both are full": ("output_to", "/dev/full", 1, 2),
}


def failing(shelf: Shelf) -> Iterator[Trial]:
    """Of a run that is new, interrupted or finished, quiet or wordy, and of its report."""
    for name, trouble in FAILING.items():
        for state in (None, shelf.interrupted, shelf.finished):
            for flag in ("--quiet", "--verbose"):
                title = f"{'new' if state is None else state.name}, {flag}: {name}"
                yield Trial(title, partial(_run, trouble=trouble, state=state, flag=flag))
        yield Trial(f"report: {name}", partial(_report, trouble=trouble))


def _run(site: Site, *, trouble: Trouble, state: Path | None, flag: str) -> Verdict:
    """In new interpreters, whose last words are part of it. Exit code 0 only if the run is whole."""
    if state is not None:
        site.begin_with(state)
    ended = site.run(*training(site.root, flag), troubles=[("saves_often",), trouble], afresh=True)
    return _went(site, ended)


def _report(site: Site, *, trouble: Trouble) -> Verdict:
    site.begin_with(site.shelf.finished)
    for old in site.run_folder.glob("report.*"):
        old.unlink()
    return _went(site, site.run("report", str(site.run_folder), troubles=[trouble], afresh=True))


def _went(site: Site, ended: Ended) -> Verdict:
    """A documented code, 0 only if all is there; a sentence where there is still somewhere to say it."""
    if ended.fault or ended.code not in (0, 2, 3):
        return Verdict("traceback", f"exit code {ended.code}: {ended.err[-300:]}")
    if ended.code == 0 or ended.refusal:
        return goes_on(site, ended)
    return judged(site, site.run())
