"""Folders that are moved, copied or renamed between one command and the next."""

import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from drills.trial import SAME, SLOW, Shelf, Site, Trial, Verdict, judged, loaded, report_again, training


def moved(shelf: Shelf) -> Iterator[Trial]:
    """The whole root, or the run's folder alone; interrupted or finished; moved, copied, reached by a link."""
    for name, state in (("interrupted", shelf.interrupted), ("finished", shelf.finished)):
        yield Trial(f"{name}: the root moved", partial(_root, state=state, move=_rename))
        yield Trial(f"{name}: the root copied", partial(_root, state=state, move=shutil.copytree))
        yield Trial(f"{name}: the root reached by a link", partial(_root, state=state, move=_link))
        yield Trial(f"{name}: the run's folder renamed", partial(_run_folder, state=state))
        yield Trial(f"{name}: the stages gone", partial(_without, state=state, what="stages"))
        yield Trial(f"{name}: the answers gone", partial(_without, state=state, what="answers"))
        yield Trial(f"{name}: the run's folder gone", partial(_without, state=state, what="killed_recipe-recipe"))
    yield Trial("report and load from a folder moved away", _away)
    yield Trial("the root moved while the run goes on", _under_way)


def _rename(source: Path, target: Path) -> None:
    source.rename(target)


def _link(source: Path, target: Path) -> None:
    target.symlink_to(source)


def _root(site: Site, *, state: Path, move: Callable[[Path, Path], object]) -> Verdict:
    site.begin_with(state)
    move(site.root, site.folder / "moved")
    site.root = site.folder / "moved"
    return judged(site, site.run())


def _run_folder(site: Site, *, state: Path) -> Verdict:
    site.begin_with(state)
    other = site.folder / "renamed"
    site.run_folder.rename(other)
    ended = site.run(*training(site.root), "--folder", str(other))
    other.rename(site.run_folder)
    return judged(site, ended)


def _without(site: Site, *, state: Path, what: str) -> Verdict:
    site.begin_with(state)
    shutil.rmtree(site.root / what)
    return judged(site, site.run(), right=lambda: ", ".join(site.gaps("answers/" if what == "answers" else "")))


def _away(site: Site) -> Verdict:
    site.begin_with(site.shelf.finished)
    for rest in ("stages", "answers"):
        shutil.rmtree(site.root / rest)
    site.root.rename(site.folder / "moved")
    site.root = site.folder / "moved"
    verdict = report_again(site)
    return loaded(site) if verdict == SAME else verdict


def _under_way(site: Site) -> Verdict:
    started = site.start(troubles=[SLOW, ("saves_often",)])
    while not list(site.root.rglob("checkpoint.safetensors")) and started.poll() is None:
        time.sleep(0.002)
    site.root.rename(site.folder / "moved")
    ended = started.wait()
    if ended.fault:
        return Verdict("traceback", ended.fault)
    old = site.root
    site.root = site.folder / "moved"
    verdict = judged(site, site.run())
    if (
        verdict == SAME
        and ended.code == 0
        and old.exists()
        and not (old / site.shelf.run_folder / "results.json").exists()
    ):
        return Verdict("silent", "exit code 0 without results")
    return Verdict("refused", ended.refusal) if verdict == SAME and ended.refusal else verdict
