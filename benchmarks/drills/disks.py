"""A disk that fills up, and one that may not be written to."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from drills.mounts import can_mount, change, small
from drills.processes import Ended
from drills.trial import Shelf, Site, Trial, Verdict, goes_on, judged, report_again
from outcome import APART, differences, outcome

ROOM = "size=16m,nr_inodes=10000"
PAGES, INODES = range(1, 41), range(3, 45)  # a whole run takes fewer
LENGTHS = (0, 1, 100, 500, 1000, 2000, 2500, 3000, 4000, 5000, 6000, 8000, 10_000, 12_000, 16_000, 20_000)


def full(_shelf: Shelf) -> Iterator[Trial]:
    """Full at one moment after the other; room is made, and the same command goes on."""
    for length in LENGTHS:
        yield Trial(f"no file beyond {length} bytes", partial(_too_long, length=length))
    if can_mount():
        for pages in PAGES:
            yield Trial(f"{4 * pages} KiB", partial(_full, options=f"size={4 * pages}k"))
        for inodes in INODES:
            yield Trial(f"{inodes} inodes", partial(_full, options=f"size=1m,nr_inodes={inodes}"))


def full_for_reports(_shelf: Shelf) -> Iterator[Trial]:
    """A finished run on a full disk is reported, and again when there is room."""
    for length in (0, 50, 200, 1000, 3000, 10_000, 20_000):
        yield Trial(f"no file beyond {length} bytes", partial(_report_too_long, length=length))
    if can_mount():
        for spare in range(12):
            yield Trial(f"{4 * spare} KiB left", partial(_report_full, spare=spare))


def read_only(shelf: Shelf) -> Iterator[Trial]:
    """Nothing may be written: new, interrupted and finished runs, and what only reads."""
    states = {"new": None, "interrupted": shelf.interrupted, "finished": shelf.finished}
    for name, state in states.items():
        yield Trial(f"{name}, by permissions", partial(_by_permissions, state=state))
        if can_mount():
            yield Trial(f"{name}, by the file system", partial(_by_file_system, state=state))
    yield Trial("load, by permissions", _load_by_permissions)
    yield Trial("report, by permissions", _report_by_permissions)
    for what in (_a_file, _a_link_to_nowhere, _a_link_to_itself):
        name = what.__name__.replace("_", " ").strip()
        yield Trial(f"{name} is the root", partial(_no_root, make=what))
        yield Trial(f"{name} is above the root", partial(_no_root, make=what, above=True))
    yield Trial("parents of the root are missing", _missing_parents)
    yield Trial("a file is the run's folder", _file_for_run)


def _full(site: Site, *, options: str) -> Verdict:
    with small(site.root, options):
        ended = site.run(troubles=[("saves_often",)])
        change(site.root, ROOM)
        return goes_on(site, ended)


def _too_long(site: Site, *, length: int) -> Verdict:
    return goes_on(site, site.run(troubles=[("saves_often",), ("short_files", length)]))


def _report_full(site: Site, *, spare: int) -> Verdict:
    with small(site.root, ROOM):
        shutil.copytree(site.shelf.finished, site.root, dirs_exist_ok=True)
        for old in site.run_folder.glob("report.*"):
            old.unlink()
        used = os.statvfs(site.root)
        change(site.root, f"size={4 * (used.f_blocks - used.f_bfree + spare)}k")
        ended = site.run("report", str(site.run_folder))
        change(site.root, ROOM)
        return _reported(site, ended)


def _report_too_long(site: Site, *, length: int) -> Verdict:
    site.begin_with(site.shelf.finished)
    return _reported(site, site.run("report", str(site.run_folder), troubles=[("short_files", length)]))


def _reported(site: Site, ended: Ended) -> Verdict:
    """Whole reports or a sentence, nothing half-written; then, with room, the right one."""
    if ended.fault:
        return Verdict("traceback", ended.fault)
    if ended.code and not ended.refusal:
        return Verdict("dead end", f"exit code {ended.code}: {ended.err[-300:]}")
    known = {Path(name).name for name in site.shelf.expected} | set(APART)
    if left := [x.name for x in site.run_folder.iterdir() if x.name not in known]:
        return Verdict("silent", f"left behind: {left}")
    verdict = report_again(site)
    return Verdict("refused", ended.refusal) if verdict.became == "same bits" and ended.refusal else verdict


def _by_permissions(site: Site, *, state: Path | None) -> Verdict:
    _lay_out(site, state)
    _forbid(site.root)
    ended = site.run(troubles=[("bound_by_permissions",)])
    return _refused_there(site, ended)


def _by_file_system(site: Site, *, state: Path | None) -> Verdict:
    with small(site.root, ROOM):
        if state is not None:
            shutil.copytree(state, site.root, dirs_exist_ok=True)
        before = outcome(site.root)
        change(site.root, f"ro,{ROOM}")
        verdict = _refused_there(site, site.run())
        changed = differences(before, outcome(site.root))
        return Verdict("silent", f"changed: {changed}") if changed else verdict


def _refused_there(site: Site, ended: Ended) -> Verdict:
    """Refused in a sentence, which says to go elsewhere, where all is well."""
    if ended.code == 0:
        gaps = site.gaps()
        return Verdict("silent", f"exit code 0 without a run: {gaps}") if gaps else Verdict("same bits")
    return judged(site, ended)


def _load_by_permissions(site: Site) -> Verdict:
    site.begin_with(site.shelf.finished)
    _forbid(site.root)
    ended = site.run("load", str(site.run_folder), troubles=[("bound_by_permissions",)])
    if ended.fault or ended.code:
        return Verdict("traceback" if ended.fault else "dead end", ended.err[-300:])
    return Verdict("same bits") if ended.out == site.shelf.student else Verdict("silent", "another student")


def _report_by_permissions(site: Site) -> Verdict:
    site.begin_with(site.shelf.finished)
    _forbid(site.root)
    ended = site.run("report", str(site.run_folder), troubles=[("bound_by_permissions",)])
    if ended.fault or not ended.refusal:
        return Verdict("traceback" if ended.fault else "silent", f"exit code {ended.code}: {ended.err[-300:]}")
    out = site.folder / "out"
    if "--out" in ended.refusal and site.run("report", str(site.run_folder), "--out", str(out)).code:
        return Verdict("dead end", ended.refusal)
    return Verdict("refused", ended.refusal)


def _no_root(site: Site, *, make: Callable[[Path], object], above: bool = False) -> Verdict:
    site.root = site.folder / "above" / "runs"
    place = site.root.parent if above else site.root
    place.parent.mkdir(exist_ok=True)
    make(place)
    return _refused_there(site, site.run())


def _a_file(place: Path) -> None:
    place.write_text("mine\n")


def _a_link_to_nowhere(place: Path) -> None:
    place.symlink_to("nowhere/at/all")


def _a_link_to_itself(place: Path) -> None:
    place.symlink_to(place.name)


def _missing_parents(site: Site) -> Verdict:
    site.root = site.folder / "not" / "yet" / "there"
    return judged(site, site.run())


def _file_for_run(site: Site) -> Verdict:
    site.run_folder.parent.mkdir(parents=True)
    site.run_folder.write_text("mine\n")
    verdict = judged(site, site.run())
    return verdict if site.run_folder.read_text() == "mine\n" else Verdict("silent", "the file is gone")


def _lay_out(site: Site, state: Path | None) -> None:
    if state is None:
        site.root.mkdir()
    else:
        site.begin_with(state)


def _forbid(folder: Path) -> None:
    """Nobody may write below ``folder``."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
