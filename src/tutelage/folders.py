"""The folder of a run on disk: opened for one run, refused where it is another's, taken away where nothing was done."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tutelage.checkpoint import json_bytes, read_json, remove_leftovers, seal, write_json
from tutelage.checksums import MANIFEST, cure, listed, read_listed, unseal
from tutelage.delivery import DESCRIPTION, WEIGHTS
from tutelage.results import Arguments

LOCK, REQUEST, ENVIRONMENT = "lock", "arguments.json", "environment.json"
LOG, STAGES, RESULTS = "log.jsonl", "stages.json", "results.json"
BEFORE_ALL_ELSE = re.compile(rf"{LOCK}|{re.escape(ENVIRONMENT)}|\.({REQUEST}|{ENVIRONMENT})\.\d+")
"""What a run that was killed while it opened its folder may have left there."""


def folder_name(request: Arguments, key: str) -> Path:
    """Where a run lies below the root: recipe, then preset, the flags that are not its defaults, and of the key a part.

    >>> folder_name(Arguments("mnist:hinton", "quick", "", {"seed": 1}, {"seed": 0}), "5e6caa55f4c70a18").as_posix()
    'mnist-hinton/quick-seed=1-5e6caa55'
    >>> folder_name(Arguments("x", "", "", {"methods": ["kd", "0.9*kd+at"]}, {"methods": []}), "5e6caa55").as_posix()
    'x/run-methods=kd,0.9_kd_at-5e6caa55'
    """
    defaults = request.defaults
    changed = [f"{k}={_plain(v)}" for k, v in request.arguments.items() if k in defaults and defaults[k] != v]
    words = "-".join([request.preset or "run", *changed])
    readable = "".join(c if c.isalnum() or c in "=.,-_" else "_" for c in words)[:80]
    return Path(request.recipe.replace(":", "-").replace("/", "-")) / f"{readable}-{key[:8]}"


def _plain(value: Any) -> str:
    """A value as a flag takes it: several are joined by commas."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def missing(folder: Path, root: Path) -> list[Path]:
    """The folders that there will be when ``folder`` is made, innermost first; not ``root`` or what it lies in."""
    return [place for place in (folder, *folder.parents) if not place.exists() and place not in (root, *root.parents)]


def refuse_foreign(folder: Path) -> None:
    """Raise ``ValueError`` for a folder that holds other things than a run: they might be overwritten."""
    if not folder.is_dir() or (folder / REQUEST).exists():
        return
    if strangers := sorted(x.name for x in folder.iterdir() if not BEFORE_ALL_ELSE.fullmatch(x.name)):
        raise ValueError(f"{folder} holds {strangers[0]!r} and is not the folder of a run; choose a new or empty one.")


def open_folder(folder: Path, request: Mapping[str, Any], environment: Callable[[], Mapping[str, Any]]) -> None:
    """Put down what was asked for and where, or find that the folder was made for the same; begin its log anew.

    Only for whoever holds its lock. Raises ``ValueError`` for a folder that was made with other arguments.
    """
    remove_leftovers(folder)
    refuse_changed(folder)
    if not (folder / ENVIRONMENT).exists():
        write_json(folder / ENVIRONMENT, environment())
    if (folder / REQUEST).exists():
        _refuse_other(read_json(folder / REQUEST), request, folder)
    else:
        write_json(folder / REQUEST, request)  # last: once it is there, the rest is too
    unseal(folder)
    (folder / RESULTS).unlink(missing_ok=True)
    (folder / LOG).write_text("")


def refuse_changed(folder: Path) -> None:
    """Raise ``ValueError`` where what only a new run writes has changed since the run in ``folder`` ended."""
    sums = listed(folder)
    for name in (REQUEST, ENVIRONMENT):
        if sums is not None and (folder / name).exists():
            read_listed(folder / name, sums, cure(folder / name))


def close(folder: Path, place: Path, results: Any) -> None:
    """Write the ``results`` of the run in ``folder``, whose other files are whole in ``place``, and checksums of all.

    The results come last: a run that has them has its checksums.
    """
    made = (LOG, STAGES, DESCRIPTION, WEIGHTS)
    files = {x.name: x for x in (*map(place.joinpath, made), *place.glob("source*.safetensors")) if x.is_file()}
    files |= {name: folder / name for name in (REQUEST, ENVIRONMENT)}
    seal(place, {**files, RESULTS: json_bytes(results)})
    write_json(place / RESULTS, results)


def remove(folder: Path, places: Iterable[Path]) -> None:
    """Take away what a run that did nothing made: its files in ``folder``, and those ``places`` that are then empty."""
    for name in (REQUEST, ENVIRONMENT, LOG, STAGES, MANIFEST, LOCK):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # somebody else's things lie there
        for place in places:
            place.rmdir()


def departures(arguments: Mapping[str, Any], defaults: Mapping[str, Any], free: Collection[str]) -> list[str]:
    """The flags whose arguments are not their defaults, but for the seed, those in ``free`` and those below them.

    >>> departures({"seed": 1, "teacher.epochs": 3, "batch_size": 9}, {"seed": 0, "batch_size": 8}, ["teacher"])
    ['--batch-size']
    """
    allowed = {"seed", *(name.removeprefix("--").replace("-", "_") for name in free)}
    changed = [name for name, value in arguments.items() if name not in defaults or defaults[name] != value]
    return [
        f"--{name.replace('_', '-')}"
        for name in changed
        if not any(name == one or name.startswith(f"{one}.") for one in allowed)
    ]


def jsonable(value: Any) -> Any:
    """``value`` as JSON has it: numbers of any library as Python's, tuples as lists, paths as text."""
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [jsonable(v) for v in value]
    if isinstance(value, str | int | float | bool | type(None)):
        return value
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _refuse_other(there: Any, here: Mapping[str, Any], folder: Path) -> None:
    there = there if isinstance(there, Mapping) else {}
    if there.get("recipe") != here["recipe"]:
        raise ValueError(f"{folder} holds a run of {there.get('recipe')}, not of {here['recipe']}; choose another.")
    old, new = there.get("arguments", {}), here["arguments"]
    if differing := sorted(name for name in {*old, *new} if old.get(name) != new.get(name)):
        changes = ", ".join(f"{name} = {old.get(name)} there and {new.get(name)} here" for name in differing)
        raise ValueError(
            f"{folder} was made with other arguments: {changes}. Choose another folder, or the same values."
        )
    if there.get("exact", here["exact"]) != here["exact"]:
        raise ValueError(f"{folder} was made {'with' if there['exact'] else 'without'} --exact; choose another folder.")
