"""Spans: where in a text an answer begins and ends. F1 of its words decides; exact match stands beside it."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from tutelage.data.labelled import Labelled
from tutelage.data.span_windows import BEGINS, ENDS, MAY, Asked
from tutelage.losses.spans import span_labels, span_targets
from tutelage.measures.predict import predict
from tutelage.measures.sampling import share_in_percent
from tutelage.measures.spans import same_words, shared_words
from tutelage.objective import Loss
from tutelage.results import Metric, Score
from tutelage.shapes import SpanLogits
from tutelage.tasks.task import Task

F1 = Metric("F1", "%", "higher")
EXACT = Metric("exact match", "%", "higher")
LONGEST = 30
"""Tokens of an answer, at most, as published."""
TOGETHER = 32
"""Windows that are asked about at once."""


def spans(asked: Asked) -> Task:
    """The task of answering the questions of ``asked``; targets are the marks that ``data.span_windows`` makes."""
    return Task(
        loss=span_loss,
        metrics=(F1, EXACT),
        score=partial(shared_and_exact, asked=asked),
        constant=partial(of_silence, asked=asked),
        soft=soft_spans,
        soft_reads=("batch.target",),
        predict=partial(predict, batch_size=TOGETHER),
        words=likeliest_span,
        answers=start_and_end,
        name="spans",
    )


def of_silence(data: Labelled, *, asked: Asked) -> float:
    """F1 (%) of whoever always says that there is no answer: the share of the questions of which that is true."""
    numbers = {*asked.number[data.index.cpu()].tolist()}
    return 100 * sum(not asked.questions[number].answers for number in numbers) / len(numbers)


def span_loss(answers: Tensor, targets: Tensor) -> Tensor:
    """The mean cross entropy of starts and ends, logits (N, T, 2), over the tokens that marks (N, T) allow."""
    places = torch.stack([(targets & mark > 0).int().argmax(1) for mark in (BEGINS, ENDS)], 1)
    return span_labels(answers, places, targets & MAY)


def soft_spans(temperature: float) -> Loss:
    """``span_targets`` of a student's starts and ends with a teacher's, over the same tokens."""
    return partial(_soft, temperature=temperature)


def _soft(student: SpanLogits, teacher: SpanLogits, target: Tensor, *, temperature: float) -> Tensor:
    return span_targets(student, teacher, target & MAY, temperature)


def shared_and_exact(answers: Tensor, data: Labelled, *, asked: Asked) -> dict[str, Score]:
    """F1 and exact match (%) of the answers to the questions that ``data`` has windows of, with their 95 % intervals.

    Of several references the best counts, and of several windows of a context the likeliest answer.
    """
    said = answered(answers, data, asked)
    found = {}
    for metric, alike in ((F1, shared_words), (EXACT, same_words)):
        each = [max(alike(text, x) for x in asked.questions[number].references) for number, text in said.items()]
        found[metric.name] = share_in_percent(partial(_mean, torch.tensor(each, dtype=torch.float64)), len(each))
    return found


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (weights * values).sum() / weights.sum()


@torch.no_grad()
def answered(answers: Tensor, data: Labelled, asked: Asked) -> dict[int, str]:
    """What is answered, by the number of the question: of all its windows, the span of at most ``LONGEST`` tokens of
    the context with the largest sum of both logits; nothing, where some question has no answer and the first token
    of every window has a larger sum."""
    index = data.index.cpu()
    places, numbers = asked.places[index], asked.number[index].tolist()
    nothing = any(not one.answers for one in asked.questions)
    logits = answers.cpu().double().masked_fill(places[..., :1] < 0, -torch.inf)
    null = answers[:, 0].cpu().double().sum(-1)
    scores, begins, lasts = best_spans(logits)
    best: dict[int, tuple[float, str]] = {}
    least: dict[int, float] = {}
    for window, number in enumerate(numbers):
        first, last = places[window, begins[window], 0], places[window, lasts[window], 1]
        text = asked.questions[number].context[int(first) : int(last)]
        best[number] = max(best.get(number, (-torch.inf, "")), (float(scores[window]), text), key=lambda x: x[0])
        least[number] = min(least.get(number, torch.inf), float(null[window]))
    return {number: "" if nothing and least[number] > score else text for number, (score, text) in best.items()}


def best_spans(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of logits (W, T, 2) the largest sum of a start and an end, at most ``LONGEST`` tokens: sums, starts, ends.

    >>> best_spans(torch.tensor([[[1.0, 9.0], [3.0, 0.0], [0.0, 2.0]]]))
    (tensor([10.]), tensor([0]), tensor([0]))
    """
    length = logits.shape[1]
    sums = torch.stack(
        [
            torch.cat([logits[:, : length - d, 0] + logits[:, d:, 1], logits.new_full((len(logits), d), -torch.inf)], 1)
            for d in range(min(LONGEST, length))
        ],
        1,
    )  # (W, D, T)
    values, flat = sums.flatten(1).max(1)
    begins = flat % length
    return values, begins, begins + flat // length


def likeliest_span(answer: Tensor, _classes: Sequence[str]) -> str:
    """The tokens from and to which an answer (T, 2) finds the span likeliest.

    >>> likeliest_span(torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 2.0]]), ())
    'tokens 1 to 2'
    """
    _, begin, last = best_spans(answer[None])
    return f"tokens {int(begin)} to {int(last)}"


def start_and_end(targets: Tensor, _num_classes: int, samples: int) -> tuple[int, ...]:
    return (samples, *targets.shape[1:], 2)
