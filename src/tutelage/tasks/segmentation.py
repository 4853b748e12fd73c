"""Segmentation: a class for each pixel. Mean intersection over union decides; pixel accuracy stands beside it."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from tutelage.data.labelled import Labelled
from tutelage.losses.masked import mean_over
from tutelage.losses.pixelwise import IGNORED, labelled_pixels, pixelwise_targets
from tutelage.measures.overlap import Overlap, overlap
from tutelage.measures.predict import predict
from tutelage.measures.sampling import share_in_percent
from tutelage.objective import Loss
from tutelage.results import Metric, Score
from tutelage.shapes import at_least_float32
from tutelage.tasks.judged import Judged, broken
from tutelage.tasks.task import Task

UNION = Metric("mean intersection over union", "%", "higher")
PIXELS = Metric("pixel accuracy", "%", "higher")
TOGETHER = 32
"""Pictures that are asked about at once."""
SHOWN = 0.005
"""The least share of a picture that is mentioned."""


@mean_over(lambda _answers, targets: labelled_pixels(target=targets))
def pixel_cross_entropy(answers: Tensor, targets: Tensor) -> Tensor:
    """The cross entropy of logits (N, C, H, W) with masks (N, H, W), in nats, a mean over the pixels that are labelled.

    Pixels of the class 255 are labelled with none; where all are, it is 0. Raises ``ValueError`` for masks of another
    size than the answers and, where no gradient is taken, for classes that there are not.
    """
    _refuse_no_masks(answers, targets)
    total = cross_entropy(at_least_float32(answers), targets.long(), ignore_index=IGNORED, reduction="sum")
    return total / (targets != IGNORED).sum().clamp_min(1)


@torch.no_grad()
def union_and_pixels(answers: Tensor, data: Labelled) -> dict[str, Score]:
    """Mean intersection over union and pixel accuracy, %, with the 95 % intervals of the choice of the pictures.

    Pixels of one picture are right or wrong together, so that it is pictures that count. Classes that neither a mask
    nor an answer has are no part of the mean. Without a labelled pixel neither is a number.
    """
    return _scores(_overlap(answers, data))


@torch.no_grad()
def counts(task: Task, answers: Tensor, data: Labelled) -> tuple[Tensor, ...]:
    """Of each picture what both metrics and the loss are sums of: its pixels by class, and its part of the loss.

    So the logits of a few pictures are there at a time, and what is kept does not grow with the size of a picture.
    """
    known = (data.targets != IGNORED).flatten(1).sum(1)
    each = zip(answers.split(1), data.targets.split(1), strict=True)
    losses = torch.stack([task.loss(answer, target) for answer, target in each]).double()
    return (*_overlap(answers, data), losses * known, known, broken(answers))


def judged_by_counts(_task: Task, rows: tuple[Tensor, ...], _data: Labelled) -> Judged:
    """The metrics and the loss of all pictures, of what ``counts`` kept of each."""
    *found, losses, known, wrong = rows
    not_finite, nan = wrong.sum(0).tolist()
    loss = losses.sum() / known.sum().clamp_min(1)
    return Judged(_scores(Overlap(*found)), loss.item, not_finite, nan)


def union_of_one_mask(data: Labelled) -> float:
    """The mean intersection over union (%) of the best that never looks: one class throughout, or one mask for all."""
    known = data.targets != IGNORED
    num_classes = len(data.classes) or int(data.targets[known].max()) + 1
    flat = data.targets.long().masked_fill(~known, num_classes)
    counts = flat.new_zeros(*flat.shape[1:], num_classes + 1)
    for mask in flat:
        counts += one_hot(mask, num_classes + 1)
    often = counts[..., :num_classes]  # (H, W, C)
    masks = often.argmax(-1), often.sum((0, 1)).argmax()
    return max(_union(mask.expand_as(data.targets), data.targets, num_classes) for mask in masks)


def pixel_targets(temperature: float) -> Loss:
    """The loss of a student's maps of logits with a teacher's, of pixels that are labelled."""
    return partial(pixelwise_targets, temperature=temperature)


def shares_of_classes(answer: Tensor, classes: Sequence[str]) -> str:
    """The classes that an answer (C, H, W) sees, by their shares of the picture, such as ``sky 61 %, tree 39 %``.

    >>> shares_of_classes(torch.tensor([[[2.0, 2.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 1.0]], [[1.0, 1.0, 1.0, 0.0]]]), "abc")
    'a 50 %, b 25 %, c 25 %'
    """
    shares = answer.argmax(0).flatten().bincount(minlength=len(answer)) / answer[0].numel()
    order = shares.argsort(descending=True, stable=True).tolist()
    names = [classes[c] if classes else str(c) for c in range(len(answer))]
    return ", ".join(f"{names[c]} {shares[c]:.0%}".replace("%", " %") for c in order if shares[c] >= SHOWN)


def logits_at_pixels(targets: Tensor, num_classes: int, samples: int) -> tuple[int, ...]:
    return samples, num_classes, *targets.shape[1:]


def _scores(found: Overlap) -> dict[str, Score]:
    return {
        UNION.name: share_in_percent(found.intersection_over_union, len(found.both)),
        PIXELS.name: share_in_percent(found.pixel_accuracy, len(found.both)),
    }


def _overlap(answers: Tensor, data: Labelled) -> Overlap:
    _refuse_no_masks(answers, data.targets)
    return overlap(answers.argmax(1), data.targets, answers.shape[1], IGNORED)


def _union(classes: Tensor, targets: Tensor, num_classes: int) -> float:
    return 100 * overlap(classes, targets, num_classes, IGNORED).intersection_over_union().item()


def _refuse_no_masks(answers: Tensor, targets: Tensor) -> None:
    if answers.ndim != 4 or targets.shape != answers.shape[:1] + answers.shape[2:] or targets.is_floating_point():
        raise ValueError(
            f"Segmentation compares logits (N, C, H, W) with masks (N, H, W) of whole numbers; got answers "
            f"{tuple(answers.shape)} and {targets.dtype} targets {tuple(targets.shape)}: a network answers at the size "
            f"of the masks, which torch.nn.functional.interpolate in its forward can bring about."
        )
    if torch.is_grad_enabled():
        return  # in a step: looking at numbers would make an accelerator wait, and a rehearsal has looked
    unknown = (targets != IGNORED) & ((targets < 0) | (targets >= answers.shape[1]))
    if bool(unknown.any()):
        raise ValueError(
            f"The classes of a mask are 0 to {answers.shape[1] - 1}, and {IGNORED} where nobody knows; "
            f"{int(targets[unknown][0])} is among them."
        )


SEGMENTATION = Task(
    loss=pixel_cross_entropy,
    metrics=(UNION, PIXELS),
    score=union_and_pixels,
    constant=union_of_one_mask,
    predict=partial(predict, batch_size=TOGETHER),
    rows=counts,
    judged=judged_by_counts,
    together=TOGETHER,
    soft=pixel_targets,
    soft_reads=("batch.target",),
    words=shares_of_classes,
    answers=logits_at_pixels,
    name="segmentation",
)
