"""One trial: a place of its own, what is done there, and what became of it."""

import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from drills.processes import Ended, Started, Trouble, start
from outcome import differences, outcome

Became: TypeAlias = Literal["same bits", "refused", "silent", "traceback", "dead end"]
RECIPE = "killed_recipe:recipe"
STOPPED = (0, 129, 130, 143)
"""Exit codes that need no sentence."""
SLOW: Trouble = ("slow", 0.004)


class Verdict(NamedTuple):
    """``refused``: in a sentence, and what it advises leads to the same bits. ``dead end``: it does not."""

    became: Became
    why: str = ""


SAME = Verdict("same bits")


@dataclass(frozen=True)
class Shelf:
    """What trials begin with, made once: runs in several states, and what a run that nobody disturbed leaves."""

    folder: Path
    seed: int
    expected: dict[str, object] = field(repr=False)
    student: str  # what `load` prints
    run_folder: str  # below the root
    boundaries: int  # that a whole run passes
    seconds: float  # that it takes when ``SLOW``

    @property
    def finished(self) -> Path:
        return self.folder / "finished"

    @property
    def interrupted(self) -> Path:
        """With a checkpoint of its second training."""
        return self.folder / "interrupted"

    @property
    def another(self) -> Path:
        """Finished, with another width."""
        return self.folder / "another"


@dataclass(frozen=True)
class Trial:
    """Something that may happen, and what becomes of it in a folder of its own."""

    name: str
    go: "Callable[[Site], Verdict]"


@dataclass
class Site:
    """The place of one trial. Runs are below ``root``."""

    folder: Path
    shelf: Shelf
    random: Random
    root: Path = field(init=False)
    said: list[Path] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.root = self.folder / "runs"

    @property
    def run_folder(self) -> Path:
        return self.root / self.shelf.run_folder

    def begin_with(self, template: Path) -> None:
        shutil.copytree(template, self.root)

    def start(self, *words: str, troubles: Sequence[Trouble] = (), afresh: bool = False) -> Started:
        """The command with ``words``; without any, the run of this place."""
        out = self.folder / f"said-{len(self.said)}.out"
        self.said.append(out)
        return start(words or training(self.root), out, troubles, afresh=afresh)

    def run(self, *words: str, troubles: Sequence[Trouble] = (), afresh: bool = False) -> Ended:
        return self.start(*words, troubles=troubles, afresh=afresh).wait()

    def gaps(self, besides: str = "") -> list[str]:
        """The files that are not as a run leaves them that nobody disturbed, but for those below ``besides``."""
        found = differences(self.shelf.expected, outcome(self.root))
        return [name for name in found if not besides or not name.startswith(besides)]


def training(root: Path, *flags: str) -> tuple[str, ...]:
    """The words of the run that everything happens to."""
    return ("run", RECIPE, "--runs", str(root), "--device", "cpu", "--exact", "--threads", "1", *flags)


def begun(site: Site, started: Started) -> None:
    """Wait until a command writes, or has ended."""
    while started.poll() is None and not site.root.exists():
        time.sleep(0.002)


def goes_on(site: Site, disturbed: Ended, **how: bool) -> Verdict:
    """What became of a run that was disturbed, once the same command was given again."""
    if disturbed.fault:
        return Verdict("traceback", disturbed.fault)
    if disturbed.code == 0 and (gaps := site.gaps()):
        return Verdict("silent", f"exit code 0 with other bits in {', '.join(gaps)}")
    told = disturbed.code in STOPPED or (disturbed.code or 0) < 0 or disturbed.refusal
    if disturbed.code is None or not told:
        return Verdict("dead end", f"exit code {disturbed.code} without one sentence: {disturbed.err.strip()[-300:]}")
    verdict = judged(site, site.run(**how))
    if verdict == SAME and disturbed.refusal:
        return Verdict("refused", disturbed.refusal)
    return verdict


def judged(site: Site, ended: Ended, act: Callable[[], Ended] | None = None, right: Callable[[], str] | None = None,
           rounds: int = 4) -> Verdict:  # fmt: skip
    """What a command made of its place: by default the run, whose bits decide; a refusal's advice is followed.

    ``act`` gives the command again, ``right`` says what is wrong after it ended with 0, if anything.
    """
    act = act or site.run
    right = right or (lambda: ", ".join(site.gaps()))
    if ended.fault:
        return Verdict("traceback", ended.fault)
    if ended.code == 0:
        wrong = right()
        return Verdict("silent", f"exit code 0 with other bits: {wrong}") if wrong else SAME
    if not ended.refusal:
        return Verdict("dead end", f"exit code {ended.code} without one sentence: {ended.err.strip()[-300:]}")
    if not rounds:
        return Verdict("dead end", f"refused again and again: {ended.refusal}")
    if re.search(r"(choose|use) (another|a new|a folder)|--folder|--runs", ended.refusal, re.IGNORECASE):
        return _elsewhere(site, ended.refusal)
    if not _followed(site, ended.refusal, literally=rounds < 3):
        return Verdict("dead end", f"no advice that can be followed: {ended.refusal}")
    after = judged(site, act(), act, right, rounds - 1)
    return after if after.became not in ("same bits", "refused") else Verdict("refused", ended.refusal)


def _followed(site: Site, sentence: str, *, literally: bool) -> bool:
    """Do one of the things that a refusal advises: remove a file or folder, restore it; or just start again.

    What it advises for whoever changed a file himself is tried only where the rest did not help: ``literally``.
    """
    meant = sentence if literally else sentence.partition(", or, if ")[0]
    advised = list(re.finditer(r"\b(remove|delete|restore|move|again)\b(?: (/[^\s'\"(),;]+))?", meant))
    if not advised:
        return False
    advice = site.random.choice([x for x in advised if x[1] != "again"] or advised)
    named = [advice[2]] if advice[2] else re.findall(r"/[^\s'\"(),;]+", sentence)
    below = [path for path in map(Path, (x.rstrip(".,:;") for x in named)) if path.is_relative_to(site.folder)]
    if advice[1] != "again" and not below:
        return False
    match advice[1]:
        case "restore":
            _restore(site, below[0])
            return True
        case "remove" | "delete":
            _remove(below[0])
        case "move":
            below[0].rename(site.folder / "away")
    site.run()
    return True


def _elsewhere(site: Site, sentence: str) -> Verdict:
    """A run in another folder, as was advised."""
    other = site.folder / "elsewhere"
    ended = site.run(*training(other))
    if ended.fault or ended.code != 0:
        return Verdict("dead end", f"{sentence} — but there: {ended.err[-300:]}")
    gaps = differences(site.shelf.expected, outcome(other))
    return Verdict("silent", f"other bits in another folder: {gaps}") if gaps else Verdict("refused", sentence)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _restore(site: Site, path: Path) -> None:
    _remove(path)
    if path.is_relative_to(site.root) and (source := site.shelf.finished / path.relative_to(site.root)).exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)


def report_again(site: Site) -> Verdict:
    """What ``tutelage report`` makes of the run in its place."""
    words = "report", str(site.run_folder)
    return judged(site, site.run(*words), lambda: site.run(*words), lambda: _wrong_in_report(site))


def loaded(site: Site) -> Verdict:
    """Whether ``tutelage.load`` gives the right student."""
    words = "load", str(site.run_folder)
    ended = [site.run(*words)]

    def again() -> Ended:
        ended.append(site.run(*words))
        return ended[-1]

    return judged(site, ended[0], again, lambda: "" if ended[-1].out == site.shelf.student else "another student")


def _wrong_in_report(site: Site) -> str:
    name = f"{site.shelf.run_folder}/report.json"
    try:
        return "" if outcome(site.root).get(name) == site.shelf.expected[name] else "report.json"
    except ValueError as error:
        return f"report.json is damaged: {error}"
