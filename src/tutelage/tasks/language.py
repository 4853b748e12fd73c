"""Tokens that are to be told, next ones or hidden ones: logits for each place of a text. Perplexity decides.

Targets (N, T) are the tokens, and −100 where none is to be told; ``tutelage.data.token_windows`` and
``tutelage.data.masked_tokens`` make them.
"""

from collections.abc import Sequence
from functools import partial
from math import sqrt
from statistics import NormalDist

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tutelage.data.labelled import Labelled
from tutelage.losses.kd import soft_targets
from tutelage.losses.masked import kept, mean_over
from tutelage.measures.predict import predict
from tutelage.objective import Loss
from tutelage.results import Metric, Score
from tutelage.shapes import Logits, at_least_float32
from tutelage.tasks.judged import Judged, broken
from tutelage.tasks.task import Task

PERPLEXITY = Metric("perplexity")
IGNORED = -100
"""The target of a place at which nothing is to be told."""
TOGETHER = 8
"""Texts that are asked about at once: a place has as many logits as there are tokens."""
Z = NormalDist().inv_cdf(0.975)


@mean_over(lambda _answers, targets: int((targets != IGNORED).sum()))
def token_cross_entropy(answers: Tensor, targets: Tensor) -> Tensor:
    """The cross entropy of logits (N, T, V) with tokens (N, T), in nats, a mean over those that are to be told.

    Raises ``ValueError`` where none is, and for other shapes.
    """
    logits, told = _told(answers, targets)
    return cross_entropy(at_least_float32(logits), told)


@mean_over(lambda _student, _teacher, target, **_: None if target is None else int((target != IGNORED).sum()))
def token_targets(
    student: Logits, teacher: Logits, target: Tensor | None = None, *, temperature: float = 1.0
) -> Tensor:
    """``soft_targets`` of logits (N, T, V), a mean over the places whose ``target`` is to be told, or over all."""
    if target is not None:
        student, teacher = kept(target != IGNORED, student, teacher)
    return soft_targets(student, teacher, temperature)


def softened_tokens(temperature: float) -> Loss:
    """The loss of a student's logits with a teacher's, at the places where something is to be told."""
    return partial(token_targets, temperature=temperature)


@torch.no_grad()
def perplexity(answers: Tensor, data: Labelled) -> dict[str, Score]:
    """``exp`` of the mean cross entropy of all tokens that are to be told, with the 95 % interval of the texts' choice.

    Tokens of one text are told well or badly together, so that it is texts that count.

    >>> from tutelage.data.labelled import labelled
    >>> data = labelled("two", torch.zeros(2, 3), torch.tensor([[0, 1, 1], [0, -100, -100]]))
    >>> round(perplexity(torch.zeros(2, 3, 2), data)["perplexity"].value, 4)
    2.0
    """
    return _scores(*_sums(answers, data.targets))


@torch.no_grad()
def sums(_task: Task, answers: Tensor, data: Labelled) -> tuple[Tensor, ...]:
    """Of each text what the perplexity is made of: its nats, and how many tokens these are of."""
    return (*_sums(answers, data.targets), broken(answers))


def judged_by_sums(_task: Task, rows: tuple[Tensor, ...], _data: Labelled) -> Judged:
    """The perplexity and the loss of all texts, of what ``sums`` kept of each."""
    nats, counts, wrong = rows
    not_finite, nan = wrong.sum(0).tolist()
    return Judged(_scores(nats, counts), lambda: float(nats.sum() / counts.sum()), not_finite, nan)


def perplexity_of_frequencies(data: Labelled) -> float:
    """That of the best network that never looks: each token is as likely as it is frequent."""
    counts = data.targets[data.targets != IGNORED].bincount().double()
    shares = counts[counts > 0] / counts.sum()
    return float((-(shares * shares.log()).sum()).exp())


def logits_at_places(targets: Tensor, num_classes: int, samples: int) -> tuple[int, ...]:
    return (samples, *targets.shape[1:], num_classes)


def likeliest_tokens(answer: Tensor, classes: Sequence[str]) -> str:
    """The tokens that an answer (T, V) finds likeliest, by their names or numbers; the first twenty.

    >>> likeliest_tokens(torch.eye(3)[[2, 0]], ("a", "b", "c")), likeliest_tokens(torch.eye(3), ())
    ('c a', '0 1 2')
    """
    numbers = answer.argmax(-1)[:20].tolist()
    return " ".join(classes[number] if classes else str(number) for number in numbers)


def _told(answers: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    if answers.ndim != 3 or targets.shape != answers.shape[:2] or targets.is_floating_point():
        raise ValueError(
            f"Logits (N, T, V) are compared with tokens (N, T), a whole number each; got answers "
            f"{tuple(answers.shape)} and {targets.dtype} targets {tuple(targets.shape)}."
        )
    logits, told = kept(targets != IGNORED, answers, targets)
    return logits, told


def _sums(answers: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    known = targets != IGNORED
    counts, nats = known.sum(1), torch.zeros(len(targets), dtype=torch.float64, device=targets.device)
    if bool(known.any()):
        logits, told = _told(answers, targets)
        losses = cross_entropy(at_least_float32(logits), told, reduction="none")
        nats.index_add_(0, known.nonzero()[:, 0], losses.double())
    return nats, counts


def _scores(nats: Tensor, counts: Tensor) -> dict[str, Score]:
    """The variance is that of a ratio of sums over texts: Cochran, "Sampling Techniques", 1977, §2.11."""
    total, number = counts.sum(), len(counts)
    mean = nats.sum() / total
    spread = (nats - mean * counts).square().sum() * number / max(number - 1, 1)
    reach = Z * sqrt(float(spread)) / float(total) if bool(mean.isfinite()) else 0.0
    low, value, high = (float((mean + step).exp()) for step in (-reach, 0.0, reach))
    return {PERPLEXITY.name: Score(value, (low, high))}


LANGUAGE = Task(
    loss=token_cross_entropy,
    metrics=(PERPLEXITY,),
    score=perplexity,
    constant=perplexity_of_frequencies,
    predict=partial(predict, batch_size=TOGETHER),
    rows=sums,
    judged=judged_by_sums,
    together=TOGETHER,
    soft=softened_tokens,
    soft_reads=("batch.target",),
    words=likeliest_tokens,
    answers=logits_at_places,
    name="language",
)
