"""What the answers of a network come to, on a set of any size."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tutelage.results import Score


@dataclass(frozen=True, eq=False)
class Judged:
    """``scores`` by metric, the mean ``loss`` when it is called, and how many answers are not finite, or no numbers.

    ``answers`` are there where they are kept: a task whose answers are maps judges them a few at a time.
    """

    scores: dict[str, Score]
    loss: Callable[[], float]
    not_finite: int
    nan: int
    answers: Tensor | None = None


def broken(answers: Tensor) -> Tensor:
    """Of each answer whether it is not finite, and whether it is no number: (N, 2)."""
    rows = answers.reshape(len(answers), -1)
    return torch.stack([(~rows.isfinite()).any(1), rows.isnan().any(1)], 1)
