"""Data that a function of the user's own returns: a data set, a loader, a ``Labelled``, or a dictionary of these."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from tutelage.calls import call, lookup, reason
from tutelage.data.labelled import Labelled
from tutelage.data.modes import in_channels, is_grey
from tutelage.outputs import kind_of
from tutelage.own_data.loaders import as_it_lies
from tutelage.own_data.parts import part_of
from tutelage.own_data.source import Encoded, Part, Samples, Source
from tutelage.own_data.targets import as_inputs, labelled_source
from tutelage.own_data.wanted import Wanted
from tutelage.stopped import Stopped
from tutelage.trust import refuse_other

INPUTS = ("input", "inputs", "image", "images", "pixel_values", "img", "x", "data")
LABELS = ("target", "targets", "label", "labels", "mask", "y")
DEEPEST = 8
"""Data sets within each other in which names of classes are looked for."""
"""What the entries of a sample are called."""


def is_call(where: str) -> bool:
    """Whether it is spelled as a function, perhaps with arguments: ``my_lab.data:make``, ``my_lab.data.make(3)``."""
    try:
        return "." in call(_dotted(where)).path
    except ValueError:
        return False


def read_function(where: str, wanted: Wanted) -> Source:
    """What the function at a dotted path returns, each sample taken once.

    Raises ``ValueError`` for a path that no name may take or that leads nowhere, for a function that fails, and for
    what is none of these.
    """
    path, arguments, options = call(_dotted(where))
    function = lookup(path)
    refuse_other(function, path, object, "data")
    try:
        made = function(*arguments, **options)
    except Stopped:
        raise
    except (Exception, SystemExit) as failure:  # anything can go wrong in somebody's code
        raise ValueError(f"{path} makes no data of these arguments: {reason(failure)}.") from failure
    return source_of(made, path, wanted)


def source_of(made: Any, path: str, wanted: Wanted) -> Source:
    """The samples of a data set, a loader, a ``Labelled``, or of a dictionary of these by part."""
    by_part: dict[Part, Any] = {}
    for name, thing in (made if isinstance(made, Mapping) else {"train": made}).items():
        part = part_of(str(name))
        if part is None or part in by_part:
            raise ValueError(f"{path} returns a part {name!r}; parts are train, validation, test and unlabelled, once.")
        by_part[part] = thing
    if "train" not in by_part:
        raise ValueError(f"{path} returns no training part; call one part train.")
    pairs: dict[Part, tuple[Tensor | Encoded, Tensor | Encoded]] = {}
    classes: tuple[str, ...] = ()
    for part, thing in by_part.items():
        pairs[part], names = _pair(thing, path)
        classes = classes or names
    for column in zip(*pairs.values(), strict=True):
        if len({isinstance(x, tuple) for x in column}) > 1:
            raise ValueError(f"{path} returns pictures in one part and tensors in another; return one of both.")
    frozen = "each sample was taken once: random changes that the data set makes itself stay as they came"
    notes = () if all(isinstance(x, Labelled) for x in by_part.values()) else (frozen,)
    if any(isinstance(y, tuple) for _, y in pairs.values()):
        return _of_masks(path, pairs, wanted, notes)
    stand_ins = {part: (torch.zeros(len(x), 1) if isinstance(x, tuple) else x, y) for part, (x, y) in pairs.items()}
    found = labelled_source(path, path, stand_ins, wanted, classes)  # type: ignore[arg-type]
    parts = {
        part: replace(samples, inputs=x) if isinstance(x := pairs[part][0], tuple) else samples
        for part, samples in found.parts.items()
    }
    said = [note.replace("inputs are [1] a sample", "inputs are pictures") for note in found.notes]
    said = said if isinstance(pairs["train"][0], tuple) else [*found.notes]
    return Source(found.name, found.task, found.classes, parts, (*said, *notes))


def _of_masks(
    path: str, pairs: Mapping[Part, tuple[Tensor | Encoded, Tensor | Encoded]], wanted: Wanted, notes: tuple[str, ...]
) -> Source:
    """Pictures whose labels are pictures, too: masks."""
    if wanted.learnt not in (None, "segmentation"):
        raise ValueError(f"{path} returns masks, which is segmentation, and no {wanted.task}; leave out --task.")
    parts: dict[Part, Samples] = {}
    for part, (x, y) in pairs.items():
        if isinstance(x, Tensor):
            raise ValueError(f"{path} returns tensors with masks of pillow; return pictures, or tensors, for both.")
        home = f"{part}/" if len(pairs) > 1 else ""
        parts[part] = Samples(tuple(f"{home}row {n + 1}" for n in range(len(x))), x, y)
    return Source(path, "segmentation", (), parts, ("inputs are pictures, labels masks: segmentation", *notes))


def _pair(thing: Any, path: str) -> tuple[tuple[Tensor | Encoded, Tensor | Encoded], tuple[str, ...]]:
    if isinstance(thing, Labelled):
        return (thing.inputs, thing.targets), thing.classes
    try:
        columns = _columns(_samples(thing, path), path)
    except ValueError as failure:
        if str(failure).startswith(path):
            raise
        raise ValueError(f"{path} returns data that fail: {reason(failure)}.") from failure
    except Exception as failure:
        raise ValueError(f"{path} returns data that fail: {reason(failure)}.") from failure
    return columns, class_names(thing)


def class_names(thing: Any) -> tuple[str, ...]:
    """What a data set says that its classes are called; a part of one, or a loader, what the one behind it says.

    >>> from torch.utils.data import Subset
    >>> whole = type("Whole", (list,), {"classes": ["ant", "bee"]})()
    >>> class_names(Subset(Subset(whole, []), []))
    ('ant', 'bee')
    """
    for _ in range(DEEPEST):
        names = getattr(thing, "classes", None)
        if isinstance(names, list | tuple) and names and all(isinstance(x, str | int) for x in names):
            found = tuple(map(str, names))
            return found if all(map(_is_text, found)) else ()
        if (thing := getattr(thing, "dataset", None)) is None:
            break
    return ()


def _is_text(name: str) -> bool:
    """Whether a file can hold it: half of a character that takes two cannot be written."""
    return name.encode(errors="replace").decode() == name


def _samples(thing: Any, path: str) -> Iterator[tuple[Any, Any]]:
    """``(input, label)`` of each sample; the label is ``None`` where there is none."""
    if isinstance(thing, DataLoader):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about more workers than processors
            for batch in thing if thing.batch_sampler is None else as_it_lies(thing):
                x, y = _named(batch, path)
                yield from zip(x, y if y is not None else [None] * len(x), strict=True)
    elif hasattr(thing, "__getitem__") and hasattr(thing, "__len__"):
        for number in range(len(thing)):
            yield _named(thing[number], path)
    elif isinstance(thing, Iterable):
        for sample in thing:
            yield _named(sample, path)
    else:
        raise ValueError(
            f"{path} returns {kind_of(thing)}; data are a data set with a length, a DataLoader, a Labelled, or a "
            "dictionary of these by part."
        )


def _named(sample: Any, path: str) -> tuple[Any, Any]:
    if isinstance(sample, Mapping):
        inputs, labels = ([name for name in words if name in sample] for words in (INPUTS, LABELS))
        if len(inputs) == 1 and len(labels) <= 1:
            return sample[inputs[0]], sample[labels[0]] if labels else None
        raise ValueError(f"{path} returns samples of {sorted(map(str, sample))}; call the two input and target.")
    if isinstance(sample, tuple | list) and len(sample) == 2:
        return sample[0], sample[1]
    if isinstance(sample, Tensor):
        return sample, None
    raise ValueError(f"{path} returns samples that are {kind_of(sample)}; a sample is a pair (input, target).")


def _columns(samples: Iterable[tuple[Any, Any]], path: str) -> tuple[Tensor | Encoded, Tensor | Encoded]:
    inputs: list[Tensor | bytes] = []
    labels: list[Tensor | bytes] = []
    for x, y in samples:
        inputs.append(_taken(x, path, "inputs", "a picture of pillow, a tensor or an array"))
        labels.append(torch.zeros(0) if y is None else _taken(y, path, "labels", "numbers: the place of a class, say"))
    if not inputs:
        raise ValueError(f"{path} returns no sample; a part has one at least.")
    if len(shapes := {tuple(y.shape) if isinstance(y, Tensor) else () for y in labels}) > 1:
        raise ValueError(f"{path} returns labels of the shapes {sorted(map(list, shapes))}; those of all are alike.")
    sizes = {tuple(x.shape) if isinstance(x, Tensor) else () for x in inputs}
    if len(sizes) > 1:
        raise ValueError(
            f"{path} returns inputs of the shapes {sorted(map(list, sizes))[:3]}; return pictures of pillow, which are "
            "scaled, or tensors of one shape."
        )
    x, y = _together(inputs), _together(labels)
    return as_inputs(x) if isinstance(x, Tensor) else x, y


def _together(column: Sequence[Tensor | bytes]) -> Tensor | Encoded:
    encoded = tuple(x for x in column if isinstance(x, bytes))
    return encoded or torch.stack([x for x in column if isinstance(x, Tensor)])


def _taken(thing: Any, path: str, what: str, wanted: str) -> Tensor | bytes:
    if hasattr(thing, "save") and hasattr(thing, "getbands"):
        return _encoded(thing, numbers=what == "labels")
    try:
        return torch.as_tensor(thing)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{path} returns {what} that are {kind_of(thing)}; return {wanted}.") from None


def _encoded(picture: Any, numbers: bool = False) -> bytes:
    """A pillow image as what a file would hold, without loss; of a mask the ``numbers``, which are no grey levels."""
    file = BytesIO()
    if numbers and picture.mode == "I":
        picture = picture.convert("I;16")
    known = picture.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    kept = picture if known else in_channels(picture, 1 if is_grey(picture.mode) else 3)
    kept.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _dotted(where: str) -> str:
    """``my_lab.data:make(3)`` as ``my_lab.data.make(3)``."""
    name, bracket, rest = where.partition("(")
    return name.replace(":", ".", 1) + bracket + rest
