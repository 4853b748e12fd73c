"""Sets for an experiment from what Python code has at hand: ours, map-style data sets, loaders."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from tutelage.data.labelled import Labelled, labelled
from tutelage.own_data.function import class_names
from tutelage.own_data.loaders import shown_by
from tutelage.plurals import counted
from tutelage.study.sets import Sets

LENGTHS = (2, 3)


def given_sets(parts: Any) -> Sets:
    """``(train, validation, test)``, or ``(train, test)``; of a loader, what it shows of the data set behind it.

    Each is a ``Labelled``, a data set whose items are ``(input, target)``, or a loader of one; they are read once, so
    that what they draw at random is drawn once. Inputs stay as they are: floats are taken for normalised. Raises
    ``ValueError`` for anything else.
    """
    if not isinstance(parts, Sequence) or isinstance(parts, str) or len(parts) not in LENGTHS:
        what = f"{counted(len(parts), 'part')}" if isinstance(parts, Sequence) else f"a {type(parts).__name__}"
        raise ValueError(f"Data are a path, Sets, or (train, validation, test); got {what}.")
    names = ("train", "validation", "test") if len(parts) == 3 else ("train", "test")
    with torch.random.fork_rng():
        read = {name: _read(name, part) for name, part in zip(names, parts, strict=True) if part is not None}
    if missing := [name for name in ("train", "test") if name not in read]:
        raise ValueError(f"Data have a part to train on and one to test; {missing[0]} is None.")
    named = (read[name].classes for name in names if name in read)  # those of the training, if these have any
    classes = next(filter(None, named), ()) or _classes(list(read.values()))
    there: dict[str, Labelled] = {}
    for name, one in read.items():  # no two samples have one number, by which a table's rows are found
        first = sum(map(len, there.values()))
        there[name] = replace(one, classes=classes, index=torch.arange(first, first + len(one)))
    return Sets(there["train"], there.get("validation"), there["test"])


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
    return labelled(name, x, y, class_names(source))


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


def _classes(parts: Sequence[Labelled]) -> tuple[str, ...]:
    """As many as the targets count to, by their numbers; none where these are no whole numbers."""
    if any(x.targets.ndim != 1 or x.targets.is_floating_point() for x in parts):
        return ()
    return tuple(map(str, range(max(int(x.targets.max()) for x in parts) + 1)))
