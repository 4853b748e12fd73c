"""``tutelage sweep``: every combination of the given values, one process a run."""

import itertools
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from tutelage.cli.common import Common, Processes, Switch
from tutelage.cli.conclude import conclude
from tutelage.cli.failures import DONE, Usage
from tutelage.cli.find import find, first_recipe
from tutelage.cli.flags import flags_of, leaves
from tutelage.cli.processes import Child, Crew
from tutelage.cli.request import Request, understood
from tutelage.cli.run import opened, resumable
from tutelage.files import is_runs
from tutelage.progress import Silence
from tutelage.study.dotted import flattened


@dataclass(frozen=True, kw_only=True)
class Sweeping(Common):
    """The flags of every run, and those of a sweep."""

    jobs: Annotated[Processes, arg(metavar="N", help="So many runs at once; they share the processor's threads.")] = 1
    plan: Annotated[Switch, arg(help_behavior_hint="", help="Only print the commands that would run.")] = False


def sweep(words: Sequence[str]) -> int:
    """Run a recipe once for every combination of the given values: --temperature 1 2 4 --seed 0 1 2 are nine runs.

    A flag that takes one value may be given several; one that takes several (and --flag/--no-flag) may be repeated.
    Each run is a process of its own. Started again, the same sweep leaves finished runs alone and continues the rest.
    At the end: one report of all, grouped by the flags that vary, and what failed, with its exit code.

    --plan only prints the commands; `tutelage sweep RECIPE --help` lists all flags.
    """
    path, rest = first_recipe(words, "sweep")
    requests, varied = combinations(path, rest)
    common = requests[0].common
    assert isinstance(common, Sweeping)
    if common.plan:
        print("\n".join(request.command for request in requests))
        return DONE
    with resumable(shlex.join(["tutelage", "sweep", *words]), again=signal.default_int_handler):
        folders = [opened(request, Silence()).folder for request in requests]
        finished = [has_results(folder) for folder in folders]
        jobs = min(common.jobs, max(finished.count(False), 1))
        children = [_child(request, varied, jobs) for request in requests]
        for child, done in zip(children, finished, strict=True):
            if done:
                print(f"[{child.label}] is finished already")
        Crew([child for child, done in zip(children, finished, strict=True) if not done], jobs).work()
        return _concluded(children, [folder for folder in folders if has_results(folder)], varied)


def has_results(folder: Path) -> bool:
    """Whether a run came to its end there: it writes its results last."""
    return is_runs(folder) and (folder / "results.json").is_file()


def _concluded(children: Sequence[Child], folders: Sequence[Path], varied: Sequence[str]) -> int:
    failed = [child for child in children if child.code]
    try:
        if folders:
            runs = os.path.commonpath([folder.resolve().parent for folder in folders])
            name = "-".join(["sweep", *varied, sha256("".join(sorted(map(str, folders))).encode()).hexdigest()[:8]])
            conclude(folders, by=[flag for flag in varied if flag != "seed"], out=Path(runs) / name)
    finally:  # last of all, where they are seen
        print(f"Runs done: {len(folders)} of {len(children)}.", flush=True)
        for child in failed:
            said = child.last.removeprefix("tutelage: ")
            print(f"tutelage: {child.label} failed with exit code {child.code}: {said}", file=sys.stderr)
    return max((child.code or 0 for child in failed), default=DONE)


def combinations(path: str, words: Sequence[str]) -> tuple[list[Request], list[str]]:
    """The runs, all of them checked before the first begins, and the names of the flags that vary."""
    mine = {spelling: flag for flag in leaves(flags_of(find(path)[0].function)) for spelling in flag.spellings}
    values: dict[str, list[list[str]]] = {}
    for spelled, group in grouped(words):
        flag = mine.get(spelled)
        if flag is None:  # of every run, or unknown: not part of the grid, the last one wins
            values[spelled] = [_joined(spelled, group)]
        elif flag.takes_several or not group:
            values.setdefault(flag.name, []).append(_joined(spelled, group))
        else:
            values.setdefault(flag.name, []).extend([f"{spelled}={value}"] for value in group)
    if "--folder" in values:
        raise Usage("--folder is for one run; a sweep has many. Give them a common root with --runs.")
    grid = [[word for group in point for word in group] for point in itertools.product(*values.values())]
    requests = [understood(path, point, bundle=Sweeping, called="tutelage sweep {}") for point in grid]
    once = {request.command: request for request in requests}
    return list(once.values()), [name for name, alternatives in values.items() if len(alternatives) > 1]


def _joined(spelled: str, group: Sequence[str]) -> list[str]:
    if not spelled:
        return list(group)
    return [f"{spelled}={group[0]}"] if len(group) == 1 else [spelled, *group]


def grouped(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each flag with the words up to the next one; ``""`` for words before the first.

    >>> grouped(["--seed", "0", "-1", "--lr=0.1", "--jitter"])
    [('--seed', ['0', '-1']), ('--lr', ['0.1']), ('--jitter', [])]
    """
    groups: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            name, sign, value = word.partition("=")
            groups.append((name.replace("_", "-"), [value] if sign else []))
        else:
            if not groups:
                groups.append(("", []))
            groups[-1][1].append(word)
    return groups


def _child(request: Request, varied: Sequence[str], jobs: int) -> Child:
    arguments = flattened(request.arguments)
    label = " ".join(f"{name}={arguments[name]}" for name in varied) or request.recipe.name
    share = [] if request.common.threads else ["--threads", str(max(1, _cores() // jobs))]
    apart = ["-P"]  # so that nothing is imported from the current directory that nobody named
    return Child(label, [sys.executable, *apart, "-m", *request.words, *share])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
