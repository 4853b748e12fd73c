"""Every file of a run, of its stages and of its answers, damaged in every way; then each command that reads them."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

from drills.trial import Shelf, Site, Trial, Verdict, judged, loaded, report_again

UNCHECKED = ("lock", "SHA256SUMS")
Harm = Callable[[Path, Path, Random], None]
"""What is done to a file; the same file of another run, and what is random about it."""


def _flipped(file: Path, _other: Path, random: Random, *, at: float | int) -> None:
    content = bytearray(file.read_bytes())
    if content:
        place = at if isinstance(at, int) else int(at * len(content) + random.random() * len(content) / 4)
        content[min(place, len(content) - 1)] ^= 1 << random.randrange(8)
        file.write_bytes(content)


def _cut(file: Path, _other: Path, _random: Random, *, share: float) -> None:
    size = file.stat().st_size
    os.truncate(file, max(0, min(int(size * share), size - 1)))


def _grown(file: Path, _other: Path, random: Random) -> None:
    with file.open("ab") as opened:
        opened.write(random.randbytes(8))


def _removed(file: Path, _other: Path, _random: Random) -> None:
    file.unlink()


def _folder(file: Path, _other: Path, _random: Random) -> None:
    file.unlink()
    file.mkdir()


def _loop(file: Path, _other: Path, _random: Random) -> None:
    file.unlink()
    file.symlink_to(file.name)


def _swapped(file: Path, other: Path, _random: Random) -> None:
    shutil.copy(other, file)


HARMS: dict[str, Harm] = {
    "a bit of byte 0": partial(_flipped, at=0),
    "a bit of byte 8": partial(_flipped, at=8),
    "a bit of the first quarter": partial(_flipped, at=0.0),
    "a bit of the second quarter": partial(_flipped, at=0.25),
    "a bit of the third quarter": partial(_flipped, at=0.5),
    "a bit of the last quarter": partial(_flipped, at=0.75),
    "the last byte gone": partial(_cut, share=1),
    "half of it gone": partial(_cut, share=0.5),
    "emptied": partial(_cut, share=0),
    "longer": _grown,
    "removed": _removed,
    "a folder in its place": _folder,
    "a link to itself in its place": _loop,
    "another run's in its place": _swapped,
}


def then_run(shelf: Shelf) -> Iterator[Trial]:
    """Damaged, then the same command again; answers are asked for again by removing the student's stage."""
    for file in _files(shelf.finished):
        yield from _harmed(shelf, shelf.finished, file, _run_again)
    for file in _files(shelf.interrupted):
        yield from _harmed(shelf, shelf.interrupted, file, _run_again)


def then_report(shelf: Shelf) -> Iterator[Trial]:
    """Damaged, then ``tutelage report``."""
    for file in _files(shelf.finished, shelf.run_folder):
        yield from _harmed(shelf, shelf.finished, file, _report)


def then_load(shelf: Shelf) -> Iterator[Trial]:
    """Damaged, then ``tutelage.load``."""
    for file in _files(shelf.finished, shelf.run_folder):
        yield from _harmed(shelf, shelf.finished, file, _load)


def then_verify(shelf: Shelf) -> Iterator[Trial]:
    """Damaged, then ``tutelage verify``: it must tell, but for what holds no results."""
    for state in (shelf.finished, shelf.interrupted):
        for file in _files(state):
            if file.name not in UNCHECKED and file.stem != "report":
                yield from _harmed(shelf, state, file, _verify)


def _files(state: Path, below: str = "") -> list[Path]:
    return sorted(x.relative_to(state) for x in (state / below).rglob("*") if x.is_file())


def _harmed(shelf: Shelf, state: Path, file: Path, act: Callable[[Site, Path], Verdict]) -> Iterator[Trial]:
    for name, harm in HARMS.items():
        if harm is not _swapped or _counterpart(shelf, file) is not None:
            damaged = partial(_damaged, state=state, file=file, harm=harm, act=act)
            yield Trial(f"{state.name}/{file}, {name}", damaged)


def _counterpart(shelf: Shelf, file: Path) -> Path | None:
    """A file of the same name that another run left, with other bytes."""
    found = sorted(shelf.another.rglob(file.name))
    content = (shelf.finished / file).read_bytes() if (shelf.finished / file).is_file() else b""
    return next((x for x in found if x.read_bytes() != content), None)


def _damaged(site: Site, *, state: Path, file: Path, harm: Harm, act: Callable[[Site, Path], Verdict]) -> Verdict:
    site.begin_with(state)
    harm(site.root / file, _counterpart(site.shelf, file) or Path(), site.random)
    return act(site, file)


def _run_again(site: Site, file: Path) -> Verdict:
    answers = file.parts[0] == "answers"
    if answers:  # read by whoever trains the student
        for record in site.root.glob("stages/*/stage.json"):
            if '"name": "student"' in record.read_text():
                shutil.rmtree(record.parent)
    besides = "answers/" if answers else ""  # asked for anew, they may be fewer: the second half of a training's
    return judged(site, site.run(), right=lambda: ", ".join(site.gaps(besides)))


def _report(site: Site, file: Path) -> Verdict:
    old = site.run_folder / "report.json"
    if old.is_file() and file.name != old.name:
        old.unlink()
    return report_again(site)


def _load(site: Site, _file: Path) -> Verdict:
    return loaded(site)


def _verify(site: Site, file: Path) -> Verdict:
    """Told; or nothing that matters, as an answer that nobody asks for; or left to the run, which is unfinished."""
    ended = site.run("verify", str(site.root / file.parts[0] / file.parts[1]))
    if ended.fault or "there is no command" in ended.err:
        return Verdict("traceback", ended.fault or ended.err)
    if ended.code:
        return Verdict("refused", ended.out)
    verdict = _run_again(site, file)
    if verdict.became in ("same bits", "refused"):
        return verdict
    return Verdict("silent", f"verify says {ended.out!r}, then: {verdict.why}")
