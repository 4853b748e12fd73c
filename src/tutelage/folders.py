"""The folder of a run on disk: opened for one run, refused where it is another's, taken away where nothing was done."""

import errno
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tutelage.checkpoint import json_bytes, read_json, seal, write_json
from tutelage.checksums import MANIFEST, cure, listed, read_listed, unseal
from tutelage.files import ARGUMENTS, UNFINISHED, is_runs, refuse_other_kinds, remove_leftovers, sync
from tutelage.renewal import DEPLOYED, ENVIRONMENT, LOG, OURS, RESULTS, begun, discard, ours, settle
from tutelage.results import Arguments
from tutelage.stages.locks import is_lock, locked

LOCK, REQUEST = "lock", ARGUMENTS
ONCE = (LOCK, REQUEST)
"""The files that are made when a run begins, and stay."""


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


def refuse_foreign(folder: Path) -> None:
    """Raise ``ValueError`` for a folder that holds other things than a run, which might be overwritten.

    So it does for a run's where one of its files is a link or no file: what that leads to is somebody else's.
    """
    if not folder.is_dir():
        return
    strangers = sorted(x.name for x in folder.iterdir() if not _is_beginning(x))
    if is_runs(folder):
        for place in sorted(folder.iterdir()):
            if place.name in (*ONCE, *DEPLOYED) or OURS.fullmatch(place.name):
                refuse_other_kinds(place)
    elif REQUEST in strangers:
        raise ValueError(f"{folder / REQUEST} is damaged or no run's; choose a new or empty folder.")
    elif strangers:
        raise ValueError(f"{folder} holds {strangers[0]!r} and is not the folder of a run; choose a new or empty one.")


def _is_beginning(place: Path) -> bool:
    """Whether a run that was killed while it opened its folder may have left this there."""
    return is_lock(place) if place.name == LOCK else place.name.startswith(UNFINISHED) and place.is_dir()


class RunFolder:
    """A run's folder while that run holds it: what was there stays until what it leaves is whole."""

    def __init__(self, folder: Path, stages: Path) -> None:
        self.folder = folder
        self.place = folder  # of what this run leaves, until that is whole
        self._stages = stages
        self._new: list[Path] = []  # folders that this run made, innermost first
        self._began = False  # the folder was nobody's before

    @property
    def log(self) -> Path:
        return self.place / LOG

    @contextmanager
    def held(self, request: Mapping[str, Any], environment: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
        """While it lasts the folder is this process's, made for ``request`` or found to be. Raises as ``Run`` says."""
        refuse_foreign(self.folder)
        with ExitStack() as stack:
            try:
                stack.enter_context(self._locked())
                self._open(request, environment)
            except BaseException:
                self.withdraw()
                raise
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with ExitStack() as stack:
            try:
                self._new = _missing(self.folder, self._stages)
                stack.enter_context(locked(self.folder / LOCK, self._refuse_second))
            except OSError as error:
                if error.errno in (None, errno.ENOSPC, errno.EDQUOT):  # somebody holds it, or the disk is full
                    raise
                raise PermissionError(
                    f"{self.folder} cannot be used as a run folder ({error.strerror}); choose another one with "
                    "--folder or --runs."
                ) from error
            yield

    def finish(self, results: Any) -> None:
        """Write the ``results``, last of all, and let everything take its place."""
        sync(self.log)
        close(self.folder, self.place, results)
        settle(self.folder)
        self.place = self.folder

    def withdraw(self) -> None:
        """Take away what this run made, where it has done nothing."""
        if self.place != self.folder:
            discard(self.place)
        for name in (REQUEST, LOCK, *ours(self.folder)) if self._began else ():
            (self.folder / name).unlink(missing_ok=True)
        for place in self._new:
            with suppress(OSError):  # somebody else's things lie there
                place.rmdir()

    def _open(self, request: Mapping[str, Any], environment: Callable[[], Mapping[str, Any]]) -> None:
        remove_leftovers(self.folder)
        settle(self.folder)
        self._began = not (self.folder / REQUEST).exists()
        if not self._began:
            refuse_changed(self.folder)
            _refuse_other(read_json(self.folder / REQUEST), request, self.folder)
        if not (self.folder / RESULTS).exists():  # what was written before has no checksums yet
            unseal(self.folder)
            write_json(self.folder / REQUEST, request)
        self.place = begun(self.folder)
        write_json(self.place / ENVIRONMENT, environment())  # that of this start, as its numbers are

    def _refuse_second(self, pid: str) -> None:
        raise BlockingIOError(f"{self.folder} is in use by process {pid}; wait for it, or choose another --folder.")


def _missing(*folders: Path) -> list[Path]:
    places = {place for folder in folders for place in (folder, *folder.parents) if not place.exists()}
    return sorted(places, key=lambda place: len(place.parts), reverse=True)


def refuse_changed(folder: Path) -> None:
    """Raise ``ValueError`` where what only a new run writes has changed since the run in ``folder`` ended."""
    sums = listed(folder) if (folder / RESULTS).exists() else None
    if sums is not None and (folder / REQUEST).exists():
        read_listed(folder / REQUEST, sums, cure(folder / REQUEST))


def close(folder: Path, place: Path, results: Any) -> None:
    """Write the ``results`` of the run in ``folder``, whose other files are whole in ``place``, and checksums of all.

    The results come last: a run that has them has its checksums.
    """
    files = {name: place / name for name in ours(place) - {MANIFEST}}
    seal(place, {**files, REQUEST: folder / REQUEST, RESULTS: json_bytes(results)})
    write_json(place / RESULTS, results)


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
