"""A network that answers with probabilities, or without the axis of its one logit, as one that answers with logits."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from tutelage.outputs import tensor_in

SMALLEST = 1e-12
"""What a probability of 0 is taken for, as nothing has a logit of −inf."""


class LogAnswers(nn.Module):
    """The logarithm of what ``model`` answers; its layers are those of ``model`` behind ``model.``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        answers = tensor_in(self.model(*inputs, **named))
        return answers.float().clamp_min(SMALLEST).log()


def log_answers(build: Callable[[], nn.Module]) -> nn.Module:
    """``LogAnswers(build())``: as ``partial(log_answers, build)`` a build that a key can name."""
    return LogAnswers(build())


class WithAColumn(nn.Module):
    """What ``model`` answers, (N,), as (N, 1); its layers are those of ``model`` behind ``model.``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return tensor_in(self.model(*inputs, **named)).unsqueeze(-1)


def with_a_column(build: Callable[[], nn.Module]) -> nn.Module:
    """``WithAColumn(build())``: as ``partial(with_a_column, build)`` a build that a key can name."""
    return WithAColumn(build())
