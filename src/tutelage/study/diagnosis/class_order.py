"""Whether a network's answers are the classes in another order, or one class more: found from what it answers."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Order:
    """Which of the network's answers is which class, in words; ``right`` (N,) is 1 where a sample is then answered so.

    ``places`` are the network's answers in the order of the classes. One that was found from the samples themselves is
    ``learnt``, and each half of them judges what the other half says.
    """

    words: str
    places: tuple[int, ...]
    right: Tensor
    learnt: bool = False


def orders(answers: Tensor, targets: Tensor, classes: Sequence[str]) -> Iterator[Order]:
    """What may have happened to the classes: sorted otherwise, counted from 1, a class for the background, any order.

    ``answers`` are logits (N, K) for ``targets`` (N,) in ``classes``, of which there are no more than ``K``.
    """
    count, own = len(classes), answers.shape[1]
    for words, places in _usual(classes, own):
        yield Order(words, places, _right(answers, targets, places))
    if own >= count and len(answers) >= 4 * count:
        places = assigned(answers, targets, count)
        right = torch.zeros(len(answers), dtype=torch.float64)
        halves = torch.arange(len(answers)) % 2 == 0
        for judged in (halves, ~halves):
            learnt = assigned(answers[~judged], targets[~judged], count)
            right[judged] = _right(answers[judged], targets[judged], learnt)
        yield Order("with its answers in another order", places, right, learnt=True)


def assigned(answers: Tensor, targets: Tensor, count: int) -> tuple[int, ...]:
    """For each class another one of the network's answers, the likeliest pairs first.

    >>> assigned(torch.tensor([[0.0, 9.0], [9.0, 0.0]]), torch.tensor([0, 1]), 2)
    (1, 0)
    """
    shares = answers.double().softmax(1)
    sums = torch.zeros(count, answers.shape[1], dtype=torch.float64).index_add_(0, targets, shares)
    means = sums / targets.bincount(minlength=count).clamp_min(1)[:, None]
    means = means - means.mean(0)  # what is answered whatever is shown says nothing
    places = [-1] * count
    for _ in range(count):
        best = int(means.argmax())
        row, column = divmod(best, means.shape[1])
        places[row] = column
        means[row], means[:, column] = -torch.inf, -torch.inf
    return tuple(places)


def in_words(places: Sequence[int], classes: Sequence[str]) -> str:
    """The first few classes with the number of their answer, counted from 0.

    >>> in_words((1, 0), ("ant", "bee"))
    "'ant' is its answer 1, 'bee' is its answer 0"
    """
    moved = [(name, place) for n, (name, place) in enumerate(zip(classes, places, strict=True)) if n != place]
    words = ", ".join(f"{name!r} is its answer {place}" for name, place in moved[:4])
    return words + (f" and {len(moved) - 4} more" if len(moved) > 4 else "")


def _usual(classes: Sequence[str], own: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    count, here = len(classes), tuple(range(len(classes)))
    if own == count + 1:
        yield "without its first answer, which is none of the classes (a background)", tuple(range(1, own))
        yield "without its last answer, which is none of the classes", here
    if own != count:
        return
    sortings = {
        "as numbers": sorted(classes, key=_numerically),
        "as text": sorted(classes),
        "as text, whatever their case": sorted(classes, key=str.casefold),
        "the other way round": list(reversed(classes)),
    }
    seen = {here}
    for words, names in sortings.items():
        places = tuple(names.index(name) for name in classes)
        if places not in seen:
            seen.add(places)
            yield f"with classes sorted {words}", places
    for step, words in ((1, "one further"), (-1, "one back")):
        places = tuple((n + step) % count for n in here)
        if places not in seen:
            seen.add(places)
            yield f"with classes counted {words}", places


def _numerically(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def _right(answers: Tensor, targets: Tensor, places: Sequence[int]) -> Tensor:
    return (answers[:, list(places)].argmax(1) == targets).double()
