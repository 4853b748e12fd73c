"""The samples on which teacher and student differ most, ready to be shown."""

from base64 import b64encode

import torch
from torch import Tensor

from tutelage.data.labelled import Labelled
from tutelage.measures.errors import one_target_each
from tutelage.results import Example
from tutelage.shapes import Logits

KINDS = ("teacher right, student wrong", "both wrong", "student right, teacher wrong")


def disagreements(teacher: Logits, student: Logits, data: Labelled, *, each: int = 8) -> list[Example]:
    """Up to ``each`` samples of every kind of mistake (``KINDS``), the most telling ones first.

    Where one of the two is right, the samples are ranked by how much more probable it holds the target than the other;
    where both are wrong, by how much more probable both together hold their answers than the target.
    Raises ``ValueError`` unless the data are uint8 images (N, 1, H, W) or (N, 3, H, W) with one row of logits each.
    """
    for logits in (teacher, student):
        one_target_each(logits, data.targets)
    if not are_images(data):
        raise ValueError(
            f"Examples are shown as images, uint8 (N, 1 or 3, H, W); {data.name!r} has "
            f"{data.inputs.dtype} {tuple(data.inputs.shape)}."
        )
    p, q = teacher.double().softmax(-1), student.double().softmax(-1)
    on_target = [x.gather(1, data.targets[:, None])[:, 0] for x in (p, q)]
    teacher_right, student_right = (x.argmax(-1) == data.targets for x in (teacher, student))
    gap = on_target[0] - on_target[1]
    certainty = p.amax(-1) + q.amax(-1) - on_target[0] - on_target[1]
    ranked = (
        (teacher_right & ~student_right, gap),
        (~teacher_right & ~student_right, certainty),
        (student_right & ~teacher_right, -gap),
    )
    return [
        _example(kind, int(place), p, q, data)
        for kind, (which, telling) in zip(KINDS, ranked, strict=True)
        for place in _first(which, telling, each)
    ]


def are_images(data: Labelled) -> bool:
    """Whether the inputs are uint8 images, grey or in three colours."""
    return data.inputs.dtype == torch.uint8 and data.inputs.ndim == 4 and data.inputs.shape[1] in (1, 3)


def _first(which: Tensor, telling: Tensor, each: int) -> list[int]:
    places = which.nonzero()[:, 0]
    order = telling[places].argsort(descending=True, stable=True)[:each]
    found: list[int] = places[order].tolist()
    return found


def _example(kind: str, place: int, teacher: Tensor, student: Tensor, data: Labelled) -> Example:
    image = data.inputs[place].movedim(0, -1).cpu().contiguous()  # (H, W, C)
    return Example(
        kind=kind,
        index=int(data.index[place]),
        target=int(data.targets[place]),
        shape=tuple(image.shape if image.shape[-1] == 3 else image.shape[:2]),
        pixels=b64encode(image.numpy().tobytes()).decode("ascii"),
        teacher=_top_two(teacher[place]),
        student=_top_two(student[place]),
    )


def _top_two(probabilities: Tensor) -> tuple[tuple[int, float], ...]:
    top = probabilities.topk(min(2, len(probabilities)))
    return tuple((c, round(p, 6)) for c, p in zip(top.indices.tolist(), top.values.tolist(), strict=True))
