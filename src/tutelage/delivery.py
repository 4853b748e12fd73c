"""The network that a run was for, in a folder that needs no other: where it came from, and how it is built again."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tutelage.checkpoint import filled, json_bytes, save_weights, seal
from tutelage.checksums import MANIFEST, listed, read_listed_json
from tutelage.files import atomically, is_file, made_folder
from tutelage.keys import Build, Found, already_imported, called, described, restored
from tutelage.renewal import DESCRIPTION as DESCRIPTION
from tutelage.renewal import WEIGHTS as WEIGHTS
from tutelage.renewal import current
from tutelage.trust import is_shipped, refuse_package, stored
from tutelage.weights.packed_file import copy_smallest, save_smallest
from tutelage.weights.sparse_file import load_any

ORIGIN = "_tutelage_origin"
CURE = "restore it from a copy, or start the run's command again, which delivers it anew"
HUGE = 100_000_000  # values of a network; what is smaller is built, and then held against its weights


@dataclass(frozen=True)
class Origin:
    """The described function that builds a network, those that then made others of it, and what each was given."""

    build: Any
    functions: tuple[Any, ...] = ()
    weights: tuple[Path, ...] = ()  # one for each function

    def then(self, function: Any, weights: Path) -> "Origin":
        return Origin(self.build, (*self.functions, function), (*self.weights, weights))


def is_rebuildable(student: nn.Module) -> bool:
    """Whether ``deliver`` can say how ``student`` is built again: not where somebody handed over an object."""
    origin = getattr(student, ORIGIN, None)
    try:
        for function in (origin.build, *origin.functions) if isinstance(origin, Origin) else ():
            restored(function, already_imported)
    except ValueError:
        return False
    return isinstance(origin, Origin)


def deliver(folder: Path, student: nn.Module, facts: Mapping[str, Any]) -> None:
    """Keep ``student`` in ``folder``, with the networks that it was derived from, and ``facts`` beside it.

    Weights that are mostly 0, or share a few values, are stored in as few bytes, to the bit.

    Raises ``ValueError`` for a network that no stage made, and for one that was derived with what only a run can make,
    such as a data set.
    """
    origin = getattr(student, ORIGIN, None)
    if not isinstance(origin, Origin):
        raise ValueError("A run delivers a network that one of its stages made; this one comes from elsewhere.")
    _write(folder, student, origin, facts)


def save(folder: Path | str, network: nn.Module, build: Build, **facts: Any) -> None:
    """Keep ``network`` in ``folder``, which is made, so that ``load(folder)`` gives it back in any process.

    ``build`` makes one of its architecture: a function of a module, or a partial of one. Where channels were taken out,
    that is ``partial(fresh, build, architecture=describe(channels, shut))`` of ``compress.architecture``, with the
    function that built the whole network. ``facts`` are plain values that ride along.

    Raises ``ValueError`` for a ``build`` that makes another architecture or other types, or that no other process could
    find, and for a folder that holds such files already: nothing is replaced.

    >>> from tempfile import TemporaryDirectory
    >>> from tutelage.models.mlp import mlp
    >>> with TemporaryDirectory() as folder:
    ...     save(folder, mlp((4, 3, 2)), partial(mlp, (4, 3, 2)))
    ...     print(type(load(folder)).__name__)
    Sequential
    """
    folder, description = Path(folder), described(build)
    if '"__main__:' in json.dumps(description):
        raise ValueError("What builds the network stands in the script that runs, where no other process finds it; put "
                         "it into a module of its own.")  # fmt: skip
    for name in (DESCRIPTION, WEIGHTS, MANIFEST):
        if (folder / name).exists():
            raise ValueError(f"{folder / name} is there already, and nothing is replaced; give another folder.")
    state = network.state_dict()
    own = filled(build(), state, "The network that is to be saved", "give a build that makes its architecture")
    for name, x in own.state_dict().items():
        if x.dtype != state[name].dtype:
            raise ValueError(f"The build makes {name!r} in {x.dtype}, and the network that is to be saved has it in "
                             f"{state[name].dtype}; convert the network, or let the build do so.")  # fmt: skip
    made_folder(folder)
    _write(folder, network, Origin(description), facts)
    seal(folder, {name: folder / name for name in (DESCRIPTION, WEIGHTS)})


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
    file = current(folder, DESCRIPTION)
    if not is_file(file, CURE):
        raise FileNotFoundError(
            f"{folder} holds no finished student ({DESCRIPTION}): name the folder of a run that ended, or start the "
            "run's command again, which delivers one."
        )
    listing = listed(current(folder, MANIFEST).parent)
    description = read_listed_json(file, listing, CURE)
    functions = description.get("functions", []) if isinstance(description, Mapping) else None
    if not isinstance(functions, list) or "build" not in description:
        raise ValueError(f"{file} does not say how its network is built; {CURE}.")
    sums = sums_of(description)
    if listing is None or not all(sums.values()):
        getLogger("tutelage").warning("The student in %s has no checksums: it was not verified.", folder)
    *sources, weights = (current(folder, name) for name in (*map(_source, range(len(functions))), WEIGHTS))
    _refuse_larger(description["build"], found, [*sources, weights][0])
    model = called(description["build"], found=found)
    for function, source in zip(functions, sources, strict=True):
        model = called(function, load_any(source, model, CURE, sums.get(source.name, "")).eval(), found=found)
    return load_any(weights, model, CURE, sums.get(WEIGHTS, "")).eval()


def sums_of(description: Mapping[str, Any]) -> dict[str, str]:
    """The checksums of the files that a delivered network is read from; none where an earlier version delivered it."""
    sums = description.get("weights", {})
    known = isinstance(sums, Mapping) and all(isinstance(x, str) for x in sums.values())
    return dict(sums) if known else {WEIGHTS: "unreadable"}


def _write(folder: Path, student: nn.Module, origin: Origin, facts: Mapping[str, Any]) -> None:
    for function in (origin.build, *origin.functions):
        restored(function, already_imported)
    derived = {"functions": list(origin.functions)} if origin.functions else {}
    with ExitStack() as unfinished:  # all is written before anything takes its name, the description last
        description = unfinished.enter_context(atomically(folder / DESCRIPTION))
        sums = {}
        for number, weights in enumerate(origin.weights):
            temporary = unfinished.enter_context(atomically(folder / _source(number)))
            sums[_source(number)] = copy_smallest(temporary, weights)
        write = save_smallest if _values(student) <= HUGE else save_weights  # _refuse_larger looks at a file's size
        sums[WEIGHTS] = write(unfinished.enter_context(atomically(folder / WEIGHTS)), student)
        description.write_bytes(json_bytes({"build": origin.build, **derived, **facts, "weights": sums}))
        (folder / DESCRIPTION).unlink(missing_ok=True)  # it would not know the new weights


def _refuse_larger(build: Any, found: Found, weights: Path) -> None:
    """Raise ``ValueError`` for a huge network of ours whose weights are not huge, before memory is taken for it."""
    if not (isinstance(build, Mapping) and is_shipped(build.get("function")) and weights.is_file()):
        return
    with torch.device("meta"):
        values = _values(called(build, found=found))
    if values > max(HUGE, weights.stat().st_size):  # a value takes a byte or more
        raise ValueError(
            f"{weights.with_name(DESCRIPTION)} describes {values:,} values, and {weights.name} holds fewer; "
            "restore both from one copy."
        )


def _values(network: nn.Module) -> int:
    return sum(x.numel() for x in network.state_dict().values())


def _source(number: int) -> str:
    return f"source.{number}.safetensors" if number else "source.safetensors"
