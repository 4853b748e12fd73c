"""Where a data set lies on this machine."""

import os
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "TUTELAGE_DATA"
"""The environment variable that names the folder with the data sets."""


def find_data(name: str, files: Sequence[str], folder: Path | None = None) -> list[Path]:
    """The ``files`` of the set ``name``, each as it is called or with ``.gz`` after it, all from the first place.

    Looked at, in this order, are ``folder`` (and then nothing else), the folder of ``TUTELAGE_DATA``, ``./data``, the
    ``data`` of a clone of this repository, and the user's cache. Each may hold a folder called ``name`` or the files.

    Raises ``FileNotFoundError`` that says where it looked, and what is missing where only some of the files are.
    """
    searched = data_folders(name, folder)
    for place in searched:
        paths = [path for file in files if (path := held(place, file)) is not None]
        if len(paths) == len(files):
            return paths
    forms = "" if all(file.endswith(".zip") for file in files) else " (plain or .gz)"
    looked = "; ".join(f"{place}{_lacks(place, files)}" for place in searched)
    raise FileNotFoundError(
        f"The data set {name!r} needs {', '.join(files)}{forms} in one folder, but none of these has it: "
        f"{looked}. Put the files there, or name their folder with --data or {VARIABLE}."
    )


def data_folders(name: str, folder: Path | None = None) -> list[Path]:
    """The folders that may hold the set, in the order in which they are looked at."""
    if folder is not None:
        return [folder / name, folder]
    named = [Path(os.environ[VARIABLE])] if os.environ.get(VARIABLE) else []
    roots = [*named, Path("data"), *_clone(), _cache()]
    return list(dict.fromkeys(place for root in roots for place in (root / name, root)))


def download_folder(name: str, files: Sequence[str], folder: Path | None = None) -> Path:
    """Where a download of the set is kept: ``folder``, ``TUTELAGE_DATA`` or the user's cache, and there under ``name``.

    A ``folder`` that directly holds some of the ``files`` gets the others beside them.
    """
    root = folder or Path(os.environ.get(VARIABLE) or _cache())
    return root if any(held(root, file) for file in files) else root / name


def held(place: Path, file: str) -> Path | None:
    """``file`` or ``file.gz`` in ``place``, whichever is there."""
    return next((path for path in (place / file, place / f"{file}.gz") if path.is_file()), None)


def _lacks(place: Path, files: Sequence[str]) -> str:
    missing = [file for file in files if held(place, file) is None]
    return f" (lacks {', '.join(missing)})" if 0 < len(missing) < len(files) else ""


def _clone() -> list[Path]:
    """The ``data`` folder beside ``src`` when the package runs from a clone; an installed package has none."""
    source = Path(__file__).resolve().parents[2]
    return [source.parent / "data"] if source.name == "src" and (source.parent / "pyproject.toml").is_file() else []


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tutelage"
