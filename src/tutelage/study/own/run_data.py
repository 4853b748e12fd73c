"""The samples that a finished run worked on, read again as the run read them."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

from tutelage.checkpoint import read_json
from tutelage.delivery import CURE
from tutelage.deployment.about import About
from tutelage.files import ARGUMENTS
from tutelage.results import Arguments
from tutelage.study.bounds import refuse_fields
from tutelage.study.own.sets import own_sets
from tutelage.study.own.settings import DataSettings
from tutelage.study.sets import Sets

WORDS = ("recipe", "preset", "command")


def data_of_run(folder: Path, about: About, where: str = "", notes: Callable[[str], object] = lambda _: None) -> Sets:
    """What the run in ``folder`` was trained and measured on, on the CPU; with ``where``, the data that lie there.

    Of what the run names only files and folders are read again: a function that makes data runs where somebody names it
    in ``where``. Raises ``FileNotFoundError`` where they are not there any more, ``ValueError`` for data that do not
    suit the student, whom ``about`` is about: other classes, other sizes, no pictures; else as ``own_sets`` does.
    """
    arguments = request_of(folder).arguments
    there = str(arguments.get("data") or "")
    if not where and not (there and Path(there).exists()):
        lie = f"The data of this run, {there}, are not here" if there else f"{folder} does not say where its data lie"
        raise FileNotFoundError(f"{lie}; say it with --data DIR.")
    data = own_sets("cpu", where or there, _as_seen(_settings(arguments, folder), about), notes)
    _refuse_misfit(where or there, data, about)
    return data


def request_of(folder: Path) -> Arguments:
    """What the run in ``folder`` was asked for, as far as its file says."""
    said = read_json(folder / ARGUMENTS, CURE) if (folder / ARGUMENTS).is_file() else {}
    said = said if isinstance(said, Mapping) else {}
    recipe, preset, command = (x if isinstance(x := said.get(name), str) else "" for name in WORDS)
    given, usual = (x if isinstance(x := said.get(name), dict) else {} for name in ("arguments", "defaults"))
    return Arguments(recipe, preset, command, given, usual)


def _settings(arguments: Mapping[str, Any], folder: Path) -> DataSettings:
    names = {field.name for field in fields(DataSettings)} & arguments.keys()
    given = {name: tuple(x) if isinstance(x := arguments[name], list) else x for name in names}
    settings = DataSettings(**given)  # type: ignore[arg-type]  # looked at in the next line
    try:
        refuse_fields(settings)
    except (ValueError, TypeError) as wrong:
        raise ValueError(f"{folder / ARGUMENTS} says what makes no sense of its data ({str(wrong).rstrip('.')}); "
                         f"{CURE}.") from None  # fmt: skip
    return replace(settings, unlabelled="")


def _as_seen(settings: DataSettings, about: About) -> DataSettings:
    """With the size and the normalisation that the student has seen, whatever would be measured now."""
    how = about.preprocessing
    if how is None:
        return settings
    side = how.size[0] if how.size[0] == how.size[1] else 0
    channels: Literal[1, 3] = 1 if how.channels == 1 else 3
    return replace(settings, task=about.task, size=side, channels=channels, mean=how.mean, std=how.std)


def _refuse_misfit(where: str, data: Sets, about: About) -> None:
    own, its = data.preprocessing, about.preprocessing
    if its is None and own is not None:
        raise ValueError(
            f"{where} holds pictures, and this run does not say how a picture becomes what its network sees; give "
            "arrays of what it sees (.npz, .safetensors)."
        )
    if its is not None and (own is None or (own.channels, own.size) != (its.channels, its.size)):
        wanted = " x ".join(map(str, (its.channels, *its.size)))
        found = "no pictures" if own is None else "pictures of " + " x ".join(map(str, (own.channels, *own.size)))
        raise ValueError(f"The network sees pictures of {wanted}; {where} holds {found}.")
    if about.classes and data.train.classes and tuple(about.classes) != tuple(data.train.classes):
        other = next((name for name in data.train.classes if name not in about.classes), "")
        told = f"has the class {other!r}" if other else "has fewer, or in another order"
        raise ValueError(f"The network's classes are not those of {where}, which {told}; give the run's own data.")
