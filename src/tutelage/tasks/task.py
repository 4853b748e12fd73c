"""A task: the loss of its labels, the metrics of its answers, and what else a report says of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from tutelage.data.labelled import Labelled
from tutelage.data.transforms import Show
from tutelage.data.views import parts, plain
from tutelage.losses.kd import soft_targets
from tutelage.measures.predict import predict
from tutelage.objective import Loss, Term, Weight, misfit
from tutelage.results import Example, Metric, Score
from tutelage.tasks.judged import Judged, broken
from tutelage.teachers.frozen import Call, on_input

Predict: TypeAlias = Callable[..., Tensor]
"""``predict(model, data, transform=…)``: an answer for every sample of a set, in its order."""


def nothing_more(_answers: Tensor, _teacher: Tensor | None, _data: Labelled) -> dict[str, Any]:
    """What a task adds to a network's metrics that has no more to say."""
    return {}


def softmax_targets(temperature: float) -> Loss:
    """The loss of a student's logits with a teacher's, of classes of which one holds."""
    return partial(soft_targets, temperature=temperature)


def no_examples(_teacher: Tensor, _student: Tensor, _data: Labelled) -> list[Example]:
    return []


def likeliest(answer: Tensor, classes: Sequence[str]) -> str:
    """The class with the largest logit and its probability, such as ``cat (97 %)``.

    >>> import torch
    >>> likeliest(torch.tensor([0.0, 3.5]), ("dog", "cat"))
    'cat (97 %)'
    """
    probability, place = answer.double().softmax(-1).max(-1)
    name = classes[int(place)] if classes else str(int(place))
    return f"{name} ({100 * probability.item():.0f} %)"


def one_logit_a_class(_targets: Tensor, num_classes: int, samples: int) -> tuple[int, ...]:
    return samples, num_classes


def as_targets(targets: Tensor, num_classes: int, samples: int) -> tuple[int, ...]:
    """The answers are of the shape of the targets; where nobody knows these, a number for each of the classes."""
    return (samples, num_classes) if 0 in targets.shape[1:] else (samples, *targets.shape[1:])


def answers_themselves(_task: "Task", answers: Tensor, _data: Labelled) -> tuple[Tensor, ...]:
    """What is kept of answers until all are there."""
    return (answers,)


def judged_by_answers(task: "Task", rows: tuple[Tensor, ...], data: Labelled) -> Judged:
    """What all answers come to, of which the first of ``rows`` are the answers themselves."""
    answers = rows[0]
    not_finite, nan = broken(answers).sum(0).tolist()
    return Judged(task.score(answers, data), lambda: task.loss(answers, data.targets).item(), not_finite, nan, answers)


@dataclass(frozen=True)
class Task:
    """What is learnt from a ``Labelled`` set. The first of ``metrics`` decides which epoch and which network is best.

    ``loss(answers, targets)`` is a scalar tensor. ``score(answers, data)`` has a ``Score`` for each metric, by name.
    ``constant(data)`` is what the best answer that never looks at its input scores by the first metric: a trained
    network beats it. ``details`` gives further fields of ``results.Network``, ``examples`` samples to be shown.
    ``soft(temperature)`` is the loss of a student's answers with a teacher's; ``soft_reads`` is what it looks at beside
    these, as far as there are labels. The shape type of its first argument says what kind the answers are of, by which
    a method suits the task or does not. ``call`` says how a network is called on a batch, ``predict`` how it is asked
    about a whole set. ``words(answer, classes)`` is the answer to one sample as text, ``answers(targets, num_classes,
    samples)`` the shape of the answers to samples with these targets; ``name`` is what a person calls the task.

    ``rows(task, answers, data)`` is what is kept of the answers to a part of a set, tensors with a row a sample, and
    ``judged(task, rows, data)`` what they come to once all are there; a set is judged ``together`` samples at a time,
    0 for all. ``of_teacher``: the teacher's answers are the targets, for nobody else knows any.
    """

    loss: Loss
    metrics: tuple[Metric, ...]
    score: Callable[[Tensor, Labelled], dict[str, Score]]
    constant: Callable[[Labelled], float]
    details: Callable[[Tensor, Tensor | None, Labelled], dict[str, Any]] = nothing_more
    examples: Callable[[Tensor, Tensor, Labelled], list[Example]] = no_examples
    call: Call = on_input
    predict: Predict = predict
    soft: Callable[[float], Loss] = softmax_targets
    name: str = "classification"
    words: Callable[[Tensor, Sequence[str]], str] = likeliest
    answers: Callable[[Tensor, int, int], tuple[int, ...]] = one_logit_a_class
    soft_reads: tuple[str, ...] = ()
    rows: Callable[["Task", Tensor, Labelled], tuple[Tensor, ...]] = answers_themselves
    judged: Callable[["Task", tuple[Tensor, ...], Labelled], Judged] = judged_by_answers
    together: int = 0
    of_teacher: bool = False

    @property
    def deciding(self) -> Metric:
        return self.metrics[0]

    @property
    def told(self) -> Metric:
        """What people ask for first: the first metric in per cent of which more is better, else the deciding one."""
        return next((x for x in self.metrics if x.unit == "%" and x.better == "higher"), self.deciding)

    def labels(self, weight: Weight = 1.0) -> Term:
        """The loss of the student's answers with the targets, as a term of an objective."""
        return Term(self.loss, "student.output", "batch.target", weight=weight)

    def taught(self, data: Labelled, temperature: float, weight: Weight = 1.0) -> Term:
        """The loss of the student's answers with the teacher's, as a term of an objective that trains on ``data``.

        Where ``data`` has no labels, the term reads none if its loss can do without.
        """
        loss, answers = self.soft(temperature), ("student.output", "teacher.output")
        alone = not data.has_targets and misfit(loss, answers) is None
        return Term(loss, *answers, *(() if alone else self.soft_reads), weight=weight)

    def judge(self, model: nn.Module, data: Labelled, transform: Show = plain, together: int = 0) -> Judged:
        """What the answers of ``model`` to all of ``data`` come to, asked about ``together`` samples at a time.

        The task's own number counts where it is the smaller one, or this is 0.
        """
        size = min(filter(None, (together, self.together)), default=0)
        if not size:
            answers = self.predict(model, data, transform=transform)
            return self.judged(self, self.rows(self, answers, data), data)
        places = torch.arange(len(data), device=data.inputs.device)
        found = []
        for part in parts(len(data), size):
            some = data[places[part]]
            found.append(self.rows(self, self.predict(model, some, transform=transform), some))
        return self.judged(self, tuple(torch.cat(x) for x in zip(*found, strict=True)), data)

    def validation(self, model: nn.Module, data: Labelled, transform: Show = plain) -> dict[str, float]:
        """The metrics on ``data``, the deciding one first, their ``count`` of samples, and the mean ``loss``."""
        found = self.judge(model, data, transform)
        values = {name: score.value for name, score in found.scores.items()}
        return {**values, "count": len(data), "loss": found.loss()}
