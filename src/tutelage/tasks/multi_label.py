"""Labels of which any number hold, from one logit each. Mean average precision decides, beside F1 at even odds."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from tutelage.data.labelled import Labelled
from tutelage.measures.average_precision import mean_average_precision
from tutelage.measures.f_score import f1_scores
from tutelage.measures.sampling import share_in_percent
from tutelage.results import Metric, Score
from tutelage.shapes import at_least_float32
from tutelage.tasks.binary import label_targets
from tutelage.tasks.task import Task, as_targets

PRECISION = Metric("mean average precision", "%", "higher")
MICRO = Metric("micro F1", "%", "higher")
MACRO = Metric("macro F1", "%", "higher")


def labels_cross_entropy(answers: Tensor, targets: Tensor) -> Tensor:
    """The binary cross entropy of one logit a label with targets 0 and 1, both (N, K), in nats: a mean over both.

    Raises ``ValueError`` for targets of another shape and, where no gradient is taken, for numbers outside 0 … 1.
    """
    _refuse_no_labels(answers, targets)
    return binary_cross_entropy_with_logits(at_least_float32(answers), targets.to(at_least_float32(answers)))


@torch.no_grad()
def precision_and_f1(answers: Tensor, data: Labelled) -> dict[str, Score]:
    """Mean average precision, micro and macro F1 of the labels with a probability of a half or more; in per cent.

    With the 95 % intervals that the choice of the samples leaves. Labels that no sample has count in none of the means;
    for data without any label that holds these are no numbers.
    """
    _refuse_no_labels(answers, data.targets)
    holds, targets = answers >= 0, data.targets
    return {
        PRECISION.name: share_in_percent(partial(mean_average_precision, answers, targets), len(data)),
        MICRO.name: share_in_percent(lambda weights: f1_scores(holds, targets, weights)[0], len(data)),
        MACRO.name: share_in_percent(lambda weights: f1_scores(holds, targets, weights)[1], len(data)),
    }


def share_of_labels(data: Labelled) -> float:
    """The mean average precision (%) of whoever gives every sample the same answer: how often a label holds."""
    shares = (data.targets > 0.5).double().mean(0)
    return 100 * shares[shares > 0].mean().item()


def labels_that_hold(answer: Tensor, classes: Sequence[str]) -> str:
    """The labels with a probability of a half or more, the likeliest first, such as ``sky, tree``.

    >>> labels_that_hold(torch.tensor([1.0, -2.0, 3.0]), ("sky", "sea", "tree"))
    'tree, sky'
    """
    order = answer.argsort(descending=True, stable=True).tolist()
    return ", ".join(classes[k] if classes else str(k) for k in order if answer[k] >= 0) or "none"


def _refuse_no_labels(answers: Tensor, targets: Tensor) -> None:
    if answers.ndim != 2 or targets.shape != answers.shape:
        raise ValueError(
            f"Labels of which any number hold are targets of 0 and 1, {list(answers.shape)} as the answers; got "
            f"{list(targets.shape)}: of one label a sample, as of the task classification, torch.nn.functional.one_hot "
            f"makes such."
        )
    if torch.is_grad_enabled():
        return  # in a step: looking at numbers would make an accelerator wait, and a rehearsal has looked
    if bool(((targets < 0) | (targets > 1)).any()):
        raise ValueError(
            f"A label holds (1) or does not (0); the targets are from {targets.min().item():g} to "
            f"{targets.max().item():g}."
        )


MULTI_LABEL = Task(
    loss=labels_cross_entropy,
    metrics=(PRECISION, MICRO, MACRO),
    score=precision_and_f1,
    constant=share_of_labels,
    soft=label_targets,
    words=labels_that_hold,
    answers=as_targets,
    name="multi-label",
)
