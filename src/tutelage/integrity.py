"""Whether runs, stages, plans, caches, decoded pictures, students and collected results are still what was written."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from tutelage import plain_json
from tutelage.checkpoint import file_hash, read_json
from tutelage.checksums import MANIFEST, cure, listed
from tutelage.delivery import CURE, DESCRIPTION, sums_of
from tutelage.files import UNFINISHED, is_file, is_runs
from tutelage.folders import ONCE, REQUEST
from tutelage.own_data.decoded_file import NAME as DECODED
from tutelage.own_data.decoded_file import PICTURES, opened_pictures
from tutelage.plurals import counted
from tutelage.renewal import AGAIN, DEPLOYED, ENVIRONMENT, LOG, OURS, RESULTS, STAGES, current, ours
from tutelage.report import page
from tutelage.report.finished import is_record, read_finished
from tutelage.schemes.written_texts import CURE as ANEW
from tutelage.schemes.written_texts import TEXTS, WRITTEN
from tutelage.stages import storage
from tutelage.study.planning.timed_plan import PLANS, read_plan
from tutelage.study.planning.tools_tried import read_tools
from tutelage.teachers.cache_layout import CacheLayout
from tutelage.teachers.folder_store import WITHOUT_SUMS, FolderStore
from tutelage.teachers.forms import form_named
from tutelage.tensors import read_tensors

Verdict: TypeAlias = Literal["whole", "unverified", "unfinished", "damaged"]
CACHE, LAYER = "cache.json", re.compile(r"layer-.*\.(json|rows)")
PLAN, TRIED = re.compile(r"[0-9a-f]{16}(-[0-9a-f]{8})?\.json"), re.compile(r".*-[0-9a-f]{8}\.json")
"""Of a distillation, and what was tried for a compression."""
NAMES = (*ONCE, *DEPLOYED, storage.STAGE, storage.LAST, storage.BEST, storage.CHECKPOINT, CACHE, *page.FILES)
"""What files of ours are called, beside those that every start of a run makes anew, and those of a cache's layers."""
AT_ONCE = 4096  # rows of a cache


@dataclass(frozen=True)
class Finding:
    """What was found out about a run, a stage, a cache …: ``problems`` are sentences, each with what helps."""

    kind: str
    place: Path
    verdict: Verdict
    problems: tuple[str, ...] = ()


def findings(folder: Path) -> Iterator[Finding]:
    """What was found out about everything of ours in ``folder``, itself included; nothing is changed.

    Links to folders are followed, each folder once: a root's ``stages`` may lie on another disk.
    """
    seen: set[Path] = set()
    for place, inner, names in os.walk(folder, followlinks=True):
        found = Path(place)
        if found.resolve() in seen:
            inner.clear()
            continue
        seen.add(found.resolve())
        kind = _kind(found, [*names, *inner])
        others = _other_kinds(found, [*names, *inner]) if kind else []
        if kind in ("stage", "cache", "plans", "decoded pictures", "written texts"):
            inner.clear()
        inner[:] = sorted(name for name in inner if kind != "run" or name != AGAIN)  # a run's own, made once more
        if kind:
            yield _judged(kind, found, *(("damaged", others) if others else CHECKS[kind](found)))
        for name in sorted(names):
            if name.endswith(".json") and name != "report.json" and is_record(found / name):
                yield _judged("collected result", found / name, "unverified", _problems(read_finished, found / name))


def _judged(kind: str, place: Path, verdict: Verdict, problems: list[str]) -> Finding:
    return Finding(kind, place, "damaged" if problems else verdict, tuple(problems))


def _other_kinds(folder: Path, names: list[str]) -> list[str]:
    """What lies in the way of files of ours: folders, pipes, links that lead to no file."""
    known = [name for name in sorted(names) if name in NAMES or OURS.fullmatch(name) or LAYER.fullmatch(name)]
    return [problem for name in known for problem in _problems(is_file, folder / name)]


def _kind(folder: Path, names: list[str]) -> str:
    try:
        had = {*names, *(listed(folder) or {})}
    except ValueError:  # the checksums are damaged, and will be said to be
        had = set(names)
    if REQUEST in names or (REQUEST in had and not {RESULTS, LOG, STAGES, ENVIRONMENT}.isdisjoint(names)):
        return "run"
    if {storage.STAGE, storage.CHECKPOINT} & had or (folder.parent.name == "stages" and "lock" in had):
        return "stage"
    if CACHE in had or any(LAYER.fullmatch(name) and name.endswith(".rows") for name in names):
        return "cache"
    if any(map(DECODED.fullmatch, names)):
        return "decoded pictures"
    if folder.name == PLANS and any(map(PLAN.fullmatch, names)):
        return "plans"
    if folder.name == WRITTEN and any(name.endswith(TEXTS) for name in names):
        return "written texts"
    return "student" if DESCRIPTION in had else ""


def _run(folder: Path) -> tuple[Verdict, list[str]]:
    if current(folder, RESULTS).is_file():
        return _files(folder, lambda name: cure(folder / name), _own(folder))
    problems = _problems(read_json, folder / REQUEST, cure(folder / REQUEST))
    if not problems and not is_runs(folder):
        problems = [f"{folder / REQUEST} is damaged or no run's: {cure(folder / REQUEST)}."]
    return "unfinished", problems


def _stage(folder: Path) -> tuple[Verdict, list[str]]:
    if (folder / storage.STAGE).is_file():
        verdict, problems = _files(folder, lambda _: _how_again(folder), _kept(folder))
        return verdict, problems or _problems(_refuse_incomplete, folder)
    path = folder / storage.CHECKPOINT
    return "unfinished", _problems(read_tensors, path, storage.cure_of_checkpoint(folder)) if path.is_file() else []


def _own(folder: Path) -> set[str]:
    """The files of a run, or of a student, that its checksums are of."""
    made = ours(current(folder, MANIFEST).parent) - {MANIFEST}
    return made | {name for name in (REQUEST, ENVIRONMENT) if current(folder, name).is_file()}


def _kept(stage: Path) -> set[str]:
    """The files of a stage, and of its peers, that its checksums are of."""
    kept = (storage.STAGE, storage.LAST, storage.BEST)
    places = [stage, *(place for place in stage.iterdir() if not place.name.startswith(UNFINISHED))]
    return {(place / x).relative_to(stage).as_posix() for place in places for x in kept if (place / x).is_file()}


def _refuse_incomplete(folder: Path) -> None:
    for name in storage.files_of(folder):
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} is missing: {_how_again(folder)}.")


def _how_again(folder: Path) -> str:
    try:
        given = "weights" in read_json(folder / storage.STAGE)["made"]
    except (ValueError, KeyError, TypeError):
        given = False
    return f"remove {folder}, and give the same weights again" if given else storage.cure(folder)


def _student(folder: Path) -> tuple[Verdict, list[str]]:
    """One that was copied out of its run."""
    verdict, problems = _files(folder, lambda _: CURE, _own(folder), gone=False)
    try:
        sums = sums_of(read_json(folder / DESCRIPTION))
    except (ValueError, AttributeError, OSError):
        return verdict, problems
    apart = [x for name, digest in sums.items() for x in _problems(read_tensors, folder / name, CURE, digest)]
    return verdict, list(dict.fromkeys([*problems, *apart]))


def _files(
    folder: Path, how: Callable[[str], str], own: Collection[str], *, gone: bool = True
) -> tuple[Verdict, list[str]]:
    """What is wrong with the files of a folder that is finished, of which ``own`` are there and have checksums.

    ``gone`` where it is wrong that one is not there.
    """
    try:
        sums = listed(current(folder, MANIFEST).parent)
    except ValueError as error:
        return "damaged", [str(error)]
    if sums is None:
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix in READERS and path.is_file()]
        return "unverified", [x for path in paths for x in _problems(READERS[path.suffix], path, how(path.name))]
    problems = [
        f"{current(folder, name)} has no checksum in {MANIFEST}, which was damaged or changed: {how(Path(name).name)}."
        for name in sorted({*own} - sums.keys())
    ]
    for name, digest in sums.items():
        path = current(folder, name)
        if path.is_file() and file_hash(path) != digest:
            problems.append(f"{path} is damaged, or was changed: {how(name)}.")
        elif gone and not path.is_file():
            problems.append(f"{path} is missing: {how(name)}.")
    return "whole", problems


def _cache(folder: Path) -> tuple[Verdict, list[str]]:
    again = f"delete {folder} to have the teacher asked anew"
    if not (folder / CACHE).is_file():
        return "damaged", [f"{folder / CACHE} is missing: {again}."]
    try:
        about = read_json(folder / CACHE, again)
        layout = CacheLayout(int(about["samples"]), int(about["views"]), form_named(about["form"]), None)
        store = FolderStore(layout, folder, about["key"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = str(error) if str(folder) in str(error) else f"{folder / CACHE} does not describe a cache: {again}."
        return "damaged", [reason]
    problems = [problem for path in sorted(folder.glob("layer-*.json")) if (problem := _layer(store, path, again))]
    return "unverified" if about["format"] == WITHOUT_SUMS else "whole", problems


def _layer(store: FolderStore, path: Path, again: str) -> str:
    try:
        content = read_json(path, again)
        table = store.find(content["address"]) if isinstance(content, dict) else None
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        return str(error) if str(path.parent) in str(error) else f"{path} does not describe a layer: {again}."
    if table is None:
        return f"{path} does not describe a layer: {again}."
    places, rows = torch.arange(len(table.known)), path.with_suffix(".rows")
    if table.sums is None or not (damaged := sum(len(table.damaged(some)) for some in places.split(AT_ONCE))):
        return ""
    return f"{rows} is damaged: {damaged} of its {counted(len(places), 'answer')} are not what was kept; {again}."


def _pictures(folder: Path) -> tuple[Verdict, list[str]]:
    """Those that did not fit the memory. Without its description a file of them was left by a kill."""
    paths = [x for x in sorted(folder.iterdir()) if DECODED.fullmatch(x.name) and x.suffix == PICTURES]
    unfinished = any(not path.with_suffix(".json").exists() for path in paths)
    return "unfinished" if unfinished else "whole", [x for path in paths for x in _problems(opened_pictures, path)]


def _each(folder: Path, pattern: str, read: Callable[..., Any], *more: str) -> tuple[Verdict, list[str]]:
    return "whole", [x for path in sorted(folder.glob(pattern)) for x in _problems(read, path, *more)]


def _problems(read: Callable[..., Any], *arguments: Any) -> list[str]:
    """What is wrong with what ``read`` is to read, in a sentence; nothing where it can."""
    try:
        read(*arguments)
    except (ValueError, FileNotFoundError) as error:
        return [str(error)]
    return []


def _read_planned(path: Path) -> None:
    (read_tools if TRIED.fullmatch(path.name) else read_plan)(path)


def _read_lines(path: Path, again: str) -> None:
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            plain_json.parsed(line, number)
        except ValueError as error:
            raise ValueError(f"{path} is damaged {error}: {again}.") from None


READERS: Mapping[str, Callable[[Path, str], Any]] = {
    ".json": read_json,
    ".jsonl": _read_lines,
    ".safetensors": read_tensors,
}
CHECKS: Mapping[str, Callable[[Path], tuple[Verdict, list[str]]]] = {
    "run": _run,
    "stage": _stage,
    "cache": _cache,
    "decoded pictures": _pictures,
    "plans": lambda folder: _each(folder, "*.json", _read_planned),
    "written texts": lambda folder: _each(folder, f"*{TEXTS}", read_tensors, ANEW),
    "student": _student,
}
