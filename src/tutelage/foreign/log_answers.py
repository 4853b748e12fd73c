"""What a network answers as logits: without the softmax or sigmoid that it ends in, and with the axes that are wanted.

Each wrapper is a module around a network, whose layers are then behind ``model.``; the function of its name is a build
of it that a key can name, as ``partial(log_answers, build)``.
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tutelage.outputs import tensor_in

SMALLEST = 1e-12
"""What a probability of 0 is taken for, as nothing has a logit of −inf."""
ROUGH = 5e-3
"""How far from 1 a row of probabilities may sum up to: they were written with three digits, or in half precision."""
FEWEST = 8
"""Numbers from 0 to 1 of which there are fewer say nothing: logits may be so, too."""
End = Literal["", "softmax", "sigmoid"]
Kind = Literal["classes", "labels", "numbers"]
"""What is answered: classes of which one holds, labels of which any number hold, or numbers as they are."""
Said = Literal["auto", "logits", "softmax", "sigmoid"]
"""What a person says of it: nothing, that they are logits, or what they come out of."""


def end_of(answers: Tensor, kind: Kind, said: Said, called: str) -> End:
    """What ``answers`` come out of, as it is ``said``; as ``ends_in`` finds it where nothing is.

    Raises ``ValueError`` for what cannot be probabilities, of the network that is ``called`` so.

    >>> end_of(torch.tensor([0.1, 0.9]).repeat(4), "labels", "logits", "net")
    ''
    >>> end_of(torch.tensor([[0.1, -0.9]]), "classes", "softmax", "net")
    Traceback (most recent call last):
    ValueError: net answers from -0.9 to 0.1, which are no probabilities of a softmax; say logits, or auto.
    """
    if said == "auto":
        return ends_in(answers, kind)
    if said == "logits":
        return ""
    low, high = answers.min().item(), answers.max().item()
    if kind == "numbers" or low < 0 or high > (100 if said == "softmax" else 1):
        raise ValueError(
            f"{called} answers from {low:.4g} to {high:.4g}, which are no probabilities of a {said}; say logits, or "
            "auto."
        )
    return said


def ends_in(answers: Tensor, kind: Kind) -> End:
    """What trained ``answers`` (N, C, …) come out of; nothing where they are logits, or numbers as they are.

    A softmax leaves no negative number and classes, dimension 1, that sum up to 1, or to 100 where they are per cent.
    A sigmoid leaves numbers from 0 to 1: logits of a network that knows anything are negative for some sample and
    class.

    >>> ends_in(torch.tensor([[0.25, 0.75]]), "classes"), ends_in(torch.tensor([[1.0, 2.0]]), "classes")
    ('softmax', '')
    >>> ends_in(torch.tensor([0.1, 0.9]).repeat(4), "labels"), ends_in(torch.tensor([0.1, 0.9]).repeat(4), "numbers")
    ('sigmoid', '')
    """
    x = answers.detach().double()
    if kind == "numbers" or not x.numel() or bool((x < 0).any()):
        return ""
    if kind == "classes" and x.ndim > 1 and x.shape[1] > 1:
        sums = x.sum(1)
        if any(bool(((sums / whole - 1).abs() <= ROUGH).all()) for whole in (1, 100)):
            return "softmax"
    return "sigmoid" if x.numel() >= FEWEST and bool((x <= 1).all()) and bool(x.any()) else ""


def logits_of(answers: Tensor, end: End) -> Tensor:
    """Logits, float32, of what comes out of ``end``: the logarithm of probabilities, or their log odds.

    >>> logits_of(torch.tensor([0.5, 0.75]), "sigmoid")
    tensor([0.0000, 1.0986])
    """
    p = answers.double()
    log = p.clamp_min(SMALLEST).log()
    return (log if end == "softmax" else log - (1 - p).clamp_min(SMALLEST).log()).float()


def in_words(end: End, cure: str = "") -> str:
    """What is done about it, in a sentence; with the ``cure`` where that is wrong.

    >>> in_words("softmax", "--answers logits")
    'probabilities: the logarithms of these are taken as logits (--answers logits leaves them as they are)'
    """
    what = "the logarithms" if end == "softmax" else "the log odds"
    kept = f" ({cure} leaves them as they are)" if cure else ""
    return f"probabilities{' (all from 0 to 1)' * (end == 'sigmoid')}: {what} of these are taken as logits{kept}"


class LogAnswers(nn.Module):
    """``logits_of`` what ``model`` answers, which ends in ``end``."""

    def __init__(self, model: nn.Module, end: End = "softmax") -> None:
        super().__init__()
        self.model = model
        self.end = end

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return logits_of(tensor_in(self.model(*inputs, **named)), self.end)


def log_answers(build: Callable[[], nn.Module], end: End = "softmax") -> nn.Module:
    """``LogAnswers(build(), end)``."""
    return LogAnswers(build(), end)


class WithAColumn(nn.Module):
    """What ``model`` answers, (N,), as (N, 1)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        return tensor_in(self.model(*inputs, **named)).unsqueeze(-1)


def with_a_column(build: Callable[[], nn.Module]) -> nn.Module:
    """``WithAColumn(build())``."""
    return WithAColumn(build())


class WithBackground(nn.Module):
    """Maps of two classes, (N, 2, H, W), of one logit a pixel of ``model``: a sigmoid is a softmax of [0, logit]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        logit = tensor_in(self.model(*inputs, **named))
        return torch.cat([torch.zeros_like(logit), logit], 1)


def with_background(build: Callable[[], nn.Module]) -> nn.Module:
    """``WithBackground(build())``."""
    return WithBackground(build())
