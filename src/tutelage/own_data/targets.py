"""Inputs and labels that are tensors already, in any usual layout, as samples."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tutelage.own_data.labels import task_of
from tutelage.own_data.parts import joined_classes
from tutelage.own_data.source import Part, Samples, Source, TaskName
from tutelage.own_data.wanted import Wanted

ONE_HOT = "each sample has exactly one label; if they exclude each other, say --task classification"
TOGETHER = 1024
"""Pictures of which it is seen at once whether they hold grey levels."""


def as_inputs(x: Tensor) -> Tensor:
    """Inputs as they came, but pictures (N, C, H, W), whether the channels came first, last, or not at all in uint8.

    The last of four axes holds the channels if it has 1, 3 or 4 and the second has not.

    >>> as_inputs(torch.zeros(2, 8, 9, 3, dtype=torch.uint8)).shape, as_inputs(torch.zeros(2, 5)).shape
    (torch.Size([2, 3, 8, 9]), torch.Size([2, 5]))
    """
    if x.dtype == torch.uint8 and x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3):
        return x.permute(0, 3, 1, 2).contiguous()
    return x


def in_levels(parts: Mapping[Part, Tensor]) -> dict[Part, Tensor]:
    """Grey levels as uint8 (N, C, H, W), of however they were stored, and all other numbers as float32.

    Pictures hold levels if those of all parts are whole numbers up to 255, or of an integer type up to 65535, which are
    divided by 257, or fractions k / 255. Numbers (N, H, W) are grey pictures then, unless they are floats up to 255. Of
    four channels the first 3 are kept.

    >>> in_levels({"train": torch.tensor([[[[0, 200]]]])})["train"].dtype
    torch.uint8
    >>> in_levels({"train": torch.tensor([[[[0.0, 0.3]]]])})["train"].dtype
    torch.float32
    """
    white = _white(list(parts.values()))
    if not white:
        return {part: x.float() for part, x in parts.items()}
    return {part: _levels(x[:, None] if x.ndim == 3 else x[:, :3], white) for part, x in parts.items()}


def _white(parts: Sequence[Tensor]) -> int:
    """What the whitest grey level is, of which all numbers are levels: 1, 255 or 65535; 0 where they are none."""
    axes = {x.ndim for x in parts}
    if not axes <= {3, 4} or any(not x.numel() or (x.ndim == 4 and x.shape[1] not in (1, 3, 4)) for x in parts):
        return 0
    low, high = min(float(x.min()) for x in parts), max(float(x.max()) for x in parts)
    if not any(x.is_floating_point() for x in parts):
        whites = [white for white in (1, 255, 65535) if high <= white]
        return 0 if low < 0 or not whites else 255 if all(x.dtype == torch.uint8 for x in parts) else whites[0]
    white = 1 if 0.5 < high <= 1 else 255 if 127 < high <= 255 and axes == {4} else 0
    return white if low >= 0 and white and all(_are_levels(x, white) for x in parts) else 0


def _are_levels(x: Tensor, white: int) -> bool:
    rounding = min(max(1e-2, 127 * torch.finfo(x.dtype).eps), 0.13) if x.is_floating_point() else 0  # half precision
    steps = (some.float() * (255 / white) for some in x.split(TOGETHER))
    return all(bool((some - some.round()).abs().max() <= rounding) for some in steps)


def _levels(x: Tensor, white: int) -> Tensor:
    if x.dtype == torch.uint8 and white == 255:
        return x.contiguous()
    return torch.cat([(some.float() * (255 / white)).round().to(torch.uint8) for some in x.split(TOGETHER)])


def labelled_source(
    name: str, where: str, pairs: Mapping[Part, tuple[Tensor, Tensor]], wanted: Wanted, classes: Sequence[str] = ()
) -> Source:
    """Samples of tensors, their task found out if it is not said; ``classes`` names them where that is known.

    Raises ``ValueError`` as ``task_of`` and ``joined_classes`` do, and for labels that do not fit the task.
    """
    inputs = in_levels({part: x for part, (x, _) in pairs.items()})
    labelled = {part: y for part, (_, y) in pairs.items() if y.numel()}
    first = labelled.get("train", torch.zeros(0, 0))
    if not first.numel():
        raise ValueError(f"{where} has no training labels; give one for each sample.")
    task = wanted.learnt or _task(where, first, inputs["train"], classes)
    found, targets, notes = _targets(where, task, labelled, classes)
    if wanted.task == "auto" and task == "multi-label" and all(map(is_one_hot, labelled.values())):
        notes = [*notes, ONE_HOT]
    parts: dict[Part, Samples] = {}
    for part, x in inputs.items():
        home = f"{part}/" if len(inputs) > 1 else ""
        names = tuple(f"{home}row {n + 1}" for n in range(len(x)))
        parts[part] = Samples(names, x, targets.get(part, torch.zeros(len(x), 0)))
    if len(shapes := {tuple(x.shape[1:]) for x in inputs.values()}) > 1:
        raise ValueError(f"{where} has inputs of the shapes {sorted(map(list, shapes))}; those of all parts are alike.")
    shape = list(first.shape[1:])
    said = f"inputs are {list(inputs['train'].shape[1:])} a sample, labels {shape or 'one number'}: {task}"
    return Source(name, task, found, parts, (said, *notes))


def is_one_hot(y: Tensor) -> bool:
    """Whether each row is 1 at one place, and 0 elsewhere.

    >>> is_one_hot(torch.eye(3)), is_one_hot(torch.ones(2, 2)), is_one_hot(torch.ones(2))
    (True, False, False)
    """
    return y.ndim == 2 and y.shape[1] > 1 and bool(((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all())


def _task(where: str, labels: Tensor, inputs: Tensor, classes: Sequence[str]) -> TaskName:
    labels = labels.squeeze(1) if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if classes and labels.ndim == 1 and not labels.is_floating_point():
        return "classification"
    if labels.ndim >= 3 and _flat(labels).shape[1:] == inputs.shape[-2:]:
        return "segmentation"
    if labels.ndim == 1:
        return task_of(where, {"labels": labels.tolist()}, {})
    if labels.ndim == 2:
        return task_of(where, {str(k): labels[:, k].tolist() for k in range(labels.shape[1])}, {})
    raise ValueError(
        f"{where} has labels {list(labels.shape)}, and one or several numbers a sample are learnt, or masks."
    )


def _flat(masks: Tensor) -> Tensor:
    """Masks without the axis of a single channel."""
    lone = next((axis for axis in (1, 3) if masks.ndim == 4 and masks.shape[axis] == 1), None)
    return masks if lone is None else masks.squeeze(lone)


def _targets(
    where: str, task: TaskName, labels: Mapping[Part, Tensor], classes: Sequence[str]
) -> tuple[tuple[str, ...], dict[Part, Tensor], list[str]]:
    if task == "segmentation":
        masks = {part: _flat(y) for part, y in labels.items()}
        for y in masks.values():
            if not (0 <= y.min() <= y.max() <= 255 and bool((y == y.to(torch.uint8)).all())):
                raise ValueError(
                    f"{where} has masks of numbers from {y.min():g} to {y.max():g}; they are whole numbers of classes, "
                    "0 to 254, and 255 where the class is not known."
                )
        return (), {part: y.to(torch.uint8) for part, y in masks.items()}, []
    flat = {part: y.squeeze(1) if y.ndim == 2 and y.shape[1] == 1 else y for part, y in labels.items()}
    if task == "classification":
        return _classes(where, flat, classes)
    columns = {part: (y[:, None] if y.ndim == 1 else y).float() for part, y in flat.items()}
    for part, y in columns.items():
        if not y.isfinite().all():
            raise ValueError(f"{where} has labels that are not finite in its {part} part; take them out.")
        if task == "multi-label" and ((y != 0) & (y != 1)).any():
            raise ValueError(f"{where} has labels other than 0 and 1 in its {part} part; say --task regression.")
    width = next(iter(columns.values())).shape[1]
    return tuple(classes) if len(classes) == width else tuple(map(str, range(width))), columns, []


def _classes(
    where: str, labels: Mapping[Part, Tensor], classes: Sequence[str]
) -> tuple[tuple[str, ...], dict[Part, Tensor], list[str]]:
    labels = {part: y.argmax(1) if is_one_hot(y) else y for part, y in labels.items()}
    for part, y in labels.items():
        if y.ndim != 1 or (y.is_floating_point() and not (y == y.round()).all()):
            raise ValueError(
                f"{where} has labels {list(y.shape)} of {y.dtype} in its {part} part, and a class is one whole number; "
                "say --task regression or --task multi-label."
            )
        if classes and not 0 <= y.min() <= y.max() < len(classes):
            raise ValueError(f"{where} has the class {int(y.max())} and names for {len(classes)}; name all of them.")
    named = [str(x) for x in classes]
    columns = {part: [named[int(k)] if named else str(int(k)) for k in y.tolist()] for part, y in labels.items()}
    found, notes = joined_classes(where, columns)
    if named and {*found} <= {*named}:
        return tuple(named), {part: y.long() for part, y in labels.items()}, []
    place = {label: n for n, label in enumerate(found)}
    return found, {part: torch.tensor([place[x] for x in column]) for part, column in columns.items()}, notes
