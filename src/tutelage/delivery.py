"""The network that a run was for, in a folder that needs no other: where it came from, and how it is built again."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tutelage.checkpoint import atomically, load_weights, read_json, save_weights, write_json
from tutelage.keys import Found, called, in_memory, restored
from tutelage.trust import is_shipped, refuse_package, stored

ORIGIN = "_tutelage_origin"
WEIGHTS, DESCRIPTION = "student.safetensors", "student.json"
HUGE = 100_000_000  # values of a network; what is smaller is built, and then held against its weights


@dataclass(frozen=True)
class Origin:
    """The described function that builds a network, those that then made others of it, and what each was given."""

    build: Any
    functions: tuple[Any, ...] = ()
    weights: tuple[Path, ...] = ()  # one for each function

    def then(self, function: Any, weights: Path) -> "Origin":
        return Origin(self.build, (*self.functions, function), (*self.weights, weights))


def deliver(folder: Path, student: nn.Module, facts: Mapping[str, Any]) -> None:
    """Keep ``student`` in ``folder``, with the networks that it was derived from, and ``facts`` beside it.

    Raises ``ValueError`` for a network that no stage made, and for one that was derived with what only a run can make,
    such as a data set.
    """
    origin = getattr(student, ORIGIN, None)
    if not isinstance(origin, Origin):
        raise ValueError("A run delivers a network that one of its stages made; this one comes from elsewhere.")
    for function in (origin.build, *origin.functions):
        restored(function, in_memory)
    for number, weights in enumerate(origin.weights):
        with atomically(folder / _source(number)) as temporary:
            shutil.copyfile(weights, temporary)
    save_weights(folder / WEIGHTS, student)
    derived = {"functions": list(origin.functions)} if origin.functions else {}
    write_json(folder / DESCRIPTION, {"build": origin.build, **derived, **facts})


def load(folder: Path | str, *, allow: Sequence[str] = ()) -> nn.Module:
    """The finished student of a run, in eval mode, ready for inference.

    No code is loaded from the folder: the network is built by the function of this package that ``student.json`` names,
    and derived by others. Builders of your own are in packages that you ``allow`` by name: ``allow=["my_lab"]``. They
    are imported from where Python finds them, but never from the folder itself.

    Raises ``FileNotFoundError`` for a folder without a student, ``ValueError`` for files that are damaged, hold another
    architecture or are pickles, and for a function of a package that is not allowed, before it is imported.
    """
    folder = Path(folder)
    if isinstance(allow, str):
        raise ValueError(f"Packages are allowed by their names in a list, allow=[{allow!r}]; got one text.")
    for name in allow:
        refuse_package(name)
    found = partial(stored, allow=allow, folder=folder)
    if not (folder / DESCRIPTION).exists():
        raise FileNotFoundError(f"{folder} holds no finished student; a run leaves one there when it ends.")
    description = read_json(folder / DESCRIPTION)
    functions = description.get("functions", []) if isinstance(description, Mapping) else None
    if not isinstance(functions, list) or "build" not in description:
        raise ValueError(f"{folder / DESCRIPTION} does not say how its network is built; restore it from a copy.")
    _refuse_larger(description["build"], found, folder / (_source(0) if functions else WEIGHTS))
    model = called(description["build"], found=found)
    for number, function in enumerate(functions):
        model = called(function, load_weights(folder / _source(number), model).eval(), found=found)
    return load_weights(folder / WEIGHTS, model).eval()


def _refuse_larger(build: Any, found: Found, weights: Path) -> None:
    """Raise ``ValueError`` for a huge network of ours whose weights are not huge, before memory is taken for it."""
    if not (isinstance(build, Mapping) and is_shipped(build.get("function")) and weights.is_file()):
        return
    with torch.device("meta"):
        values = sum(x.numel() for x in called(build, found=found).state_dict().values())
    if values > max(HUGE, weights.stat().st_size):  # a value takes a byte or more
        raise ValueError(
            f"{weights.with_name(DESCRIPTION)} describes {values:,} values, and {weights.name} holds fewer; "
            "restore both from one copy."
        )


def _source(number: int) -> str:
    return f"source.{number}.safetensors" if number else "source.safetensors"
