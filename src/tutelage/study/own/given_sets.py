"""Sets for an experiment from what Python code has at hand: ours, map-style data sets, loaders."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from tutelage.data.labelled import UNLABELLED, Labelled
from tutelage.outputs import kind_of
from tutelage.own_data.function import class_names
from tutelage.own_data.loaders import shown_by
from tutelage.own_data.source import Part
from tutelage.own_data.targets import is_one_hot, labelled_source
from tutelage.own_data.wanted import Wanted
from tutelage.plurals import counted
from tutelage.study.own.settings import DataSettings
from tutelage.study.sets import Sets
from tutelage.tasks.by_name import task_named
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.task import Task

LENGTHS = (2, 3)


def given_sets(parts: Any, samples: DataSettings | None = None) -> Sets:
    """``(train, validation, test)``, or ``(train, test)``; of a loader, what it shows of the data set behind it.

    Each is a ``Labelled``, a data set whose items are ``(input, target)``, or a loader of one; they are read once, so
    that what they draw at random is drawn once. Inputs stay as they are: floats are taken for normalised. What is
    learnt follows from the targets, as in files, unless ``samples`` say the task. Raises ``ValueError`` for anything
    else.
    """
    wanted = _wanted(samples)
    if not isinstance(parts, Sequence) or isinstance(parts, str) or len(parts) not in LENGTHS:
        what = f"{counted(len(parts), 'part')}" if isinstance(parts, Sequence) else f"a {type(parts).__name__}"
        raise ValueError(f"Data are a path, Sets, or (train, validation, test); got {what}.")
    names: tuple[Part, ...] = ("train", "validation", "test") if len(parts) == 3 else ("train", "test")
    with torch.random.fork_rng():
        read = {name: _read(name, part) for name, part in zip(names, parts, strict=True) if part is not None}
    if missing := [name for name in ("train", "test") if name not in read]:
        raise ValueError(f"Data have a part to train on and one to test; {missing[0]} is None.")
    named = next(filter(None, (one.classes for one in read.values())), ())  # those of the training, if these have any
    task, classes, targets = _learnt({name: one.targets for name, one in read.items()}, named, wanted)
    there: dict[str, Labelled] = {}
    for name, one in read.items():  # no two samples have one number, by which a table's rows are found
        first = sum(map(len, there.values()))
        index = torch.arange(first, first + len(one))
        there[name] = replace(one, targets=targets[name], classes=classes, index=index)
    return Sets(there["train"], there.get("validation"), there["test"], task=task)


def _wanted(samples: DataSettings | None) -> Wanted:
    samples = samples or DataSettings()
    if not isinstance(samples, DataSettings):
        raise ValueError(
            f"Settings of samples are DataSettings(…) of tutelage.study.own.settings; got {kind_of(samples)}."
        )
    if replace(samples, task="auto") != DataSettings():
        raise ValueError("Settings of samples say how files are read; of data sets they can say nothing but the task.")
    return Wanted(samples.task)


def _learnt(
    targets: Mapping[Part, Tensor], classes: tuple[str, ...], wanted: Wanted
) -> tuple[Task, tuple[str, ...], Mapping[Part, Tensor]]:
    """Whole numbers are the places of classes; of anything else, what targets of their form mean in files."""
    column = all(y.ndim == 1 and not y.is_floating_point() for y in targets.values())
    if column and wanted.task in ("auto", "classification"):
        numbers = {name: y.long() for name, y in targets.items()}
        return CLASSIFICATION, classes or _counted(numbers.values()), numbers
    if wanted.task == "auto" and all(map(is_one_hot, targets.values())):
        raise ValueError(
            "Each sample has exactly one label: say samples=DataSettings(task='classification') if they exclude each "
            "other, or task='multi-label'."
        )
    pairs = {name: (_of_size(y), y) for name, y in targets.items()}
    found = labelled_source("data", "The data set", pairs, wanted, classes)
    learnt = {name: part.targets for name, part in found.parts.items() if isinstance(part.targets, Tensor)}
    if found.task == "segmentation":
        classes = classes or _counted([y[y != UNLABELLED] for y in learnt.values()])
    return task_named(found.task), found.classes or classes, learnt


def _of_size(targets: Tensor) -> Tensor:
    """What stands for the inputs: pictures of the size of masks, where targets may be such."""
    return torch.zeros(len(targets), 1, *targets.shape[-2:]) if targets.ndim > 2 else torch.zeros(len(targets), 1)


def on_device(sets: Sets, device: torch.device) -> Sets:
    """The same sets, all parts on ``device``."""
    others = {"validation": sets.validation, "unlabelled": sets.unlabelled}
    moved = {name: None if part is None else part.to(device) for name, part in others.items()}
    return replace(sets, train=sets.train.to(device), test=sets.test.to(device), **moved)  # type: ignore[arg-type]


def _read(name: str, part: Any) -> Labelled:
    if isinstance(part, Labelled):
        return part
    source = shown_by(part) if isinstance(part, DataLoader) else part
    if not hasattr(source, "__getitem__") or not hasattr(source, "__len__"):
        raise ValueError(
            f"The part {name} is a {type(source).__name__}; it has to be a Labelled, or a data set with a length and "
            "items (input, target)."
        )
    items = [_item(name, number, source[number]) for number in range(len(source))]
    if not items:
        raise ValueError(f"The part {name} is empty.")
    shapes = {tuple(x.shape) for x, _ in items}
    if len(shapes) > 1:
        raise ValueError(f"The inputs of {name} have one shape; these have {sorted(shapes)[:3]}: scale them alike.")
    x, y = (torch.stack(column) for column in zip(*items, strict=True))
    held = y.long() if y.ndim == 1 and not y.is_floating_point() else y
    return Labelled(name, x, held, torch.arange(len(x)), class_names(source))


def _item(name: str, number: int, item: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(item, Sequence) or len(item) != 2:
        raise ValueError(f"Item {number} of {name} is a {type(item).__name__}; items are pairs (input, target).")
    try:
        return torch.as_tensor(item[0]), torch.as_tensor(item[1])
    except (TypeError, ValueError, RuntimeError):
        kinds = " and ".join(type(x).__name__ for x in item)
        raise ValueError(
            f"Item {number} of {name} holds a {kinds}; an input is a tensor or an array (ToTensor makes one), and a "
            "target a number or a tensor."
        ) from None


def _counted(targets: Iterable[Tensor]) -> tuple[str, ...]:
    """As many classes as the numbers count to."""
    return tuple(map(str, range(max(int(y.max()) for y in targets) + 1)))
