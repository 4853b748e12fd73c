"""Inputs and labels that are tensors already, in any usual layout, as samples."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from tutelage.own_data.labels import task_of
from tutelage.own_data.parts import joined_classes
from tutelage.own_data.source import Part, Samples, Source, TaskName
from tutelage.own_data.wanted import Wanted


def as_inputs(x: Tensor) -> Tensor:
    """Numbers as float32; grey levels as uint8 (N, C, H, W), whether the channels came first, last, or not at all.

    uint8 (N, H, W) is grey. The last of four axes holds the channels if it has 1, 3 or 4 and the second has not; of 4
    the first 3 are kept. Fractions with three axes more than ``N`` that are all k / 255 become grey levels again.

    >>> as_inputs(torch.zeros(2, 8, 9, 3, dtype=torch.uint8)).shape, as_inputs(torch.zeros(2, 5)).dtype
    (torch.Size([2, 3, 8, 9]), torch.float32)
    """
    if x.dtype == torch.uint8 and x.ndim == 3:
        return x[:, None]
    if x.ndim == 4:
        if x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3):
            x = x.permute(0, 3, 1, 2).contiguous()
        if x.shape[1] == 4 and x.dtype == torch.uint8:
            x = x[:, :3].contiguous()
        if x.is_floating_point() and len(x) and 0 <= x.min() <= x.max() <= 1 and x.max() > 0.5:
            levels = (x * 255).round()
            if (x * 255 - levels).abs().max() < 1e-2:
                return levels.to(torch.uint8)
    return x if x.dtype == torch.uint8 and x.ndim == 4 else x.float()


def labelled_source(
    name: str, where: str, pairs: Mapping[Part, tuple[Tensor, Tensor]], wanted: Wanted, classes: Sequence[str] = ()
) -> Source:
    """Samples of tensors, their task found out if it is not said; ``classes`` names them where that is known.

    Raises ``ValueError`` as ``task_of`` and ``joined_classes`` do, and for labels that do not fit the task.
    """
    labelled = {part: y for part, (_, y) in pairs.items() if y.numel()}
    first = labelled.get("train", torch.zeros(0, 0))
    if not first.numel():
        raise ValueError(f"{where} has no training labels; give one for each sample.")
    task = wanted.learnt or _task(where, first, pairs["train"][0], classes)
    found, targets, notes = _targets(where, task, labelled, classes)
    if wanted.task == "auto" and task == "multi-label" and all(map(is_one_hot, labelled.values())):
        notes = [*notes, "each sample has exactly one label; if they exclude each other, say --task classification"]
    parts: dict[Part, Samples] = {}
    for part, (x, _) in pairs.items():
        names = tuple(f"row {n + 1}" for n in range(len(x)))
        parts[part] = Samples(names, x, targets.get(part, torch.zeros(len(x), 0)))
    if len(shapes := {tuple(x.shape[1:]) for x, _ in pairs.values()}) > 1:
        raise ValueError(f"{where} has inputs of the shapes {sorted(map(list, shapes))}; those of all parts are alike.")
    shape = list(first.shape[1:])
    said = f"inputs are {list(pairs['train'][0].shape[1:])} a sample, labels {shape or 'one number'}: {task}"
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
    if labels.ndim >= 3 and labels.shape[-2:] == inputs.shape[-2:]:
        return "segmentation"
    if labels.ndim == 1:
        return task_of(where, {"labels": labels.tolist()}, {})
    if labels.ndim == 2:
        return task_of(where, {str(k): labels[:, k].tolist() for k in range(labels.shape[1])}, {})
    raise ValueError(
        f"{where} has labels {list(labels.shape)}, and one or several numbers a sample are learnt, or masks."
    )


def _targets(
    where: str, task: TaskName, labels: Mapping[Part, Tensor], classes: Sequence[str]
) -> tuple[tuple[str, ...], dict[Part, Tensor], list[str]]:
    if task == "segmentation":
        masks = {part: y.squeeze(1) if y.ndim == 4 else y for part, y in labels.items()}
        if wrong := [y for y in masks.values() if y.is_floating_point() or y.min() < 0 or y.max() > 255]:
            raise ValueError(f"{where} has masks of {wrong[0].dtype}; they are whole numbers of classes, 0 to 255.")
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
