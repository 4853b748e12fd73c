"""Texts that the student wrote itself: a teacher then judges it where it will be, mistakes included."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from tutelage.data.batches import Batch, Batches
from tutelage.data.draws import uniform
from tutelage.limits import refuse_no_temperature, refuse_outside
from tutelage.modes import evaluating

_OWN, _TOKEN = 20, 21  # what a number is for; those before have their use


def on_policy(batches: Batches, written: Callable[[Batch, int], Batch], share: float = 0.5, seed: int = 0) -> Batches:
    """``batches``, of which a ``share`` becomes what the student writes just before the step.

    That is ``written(batch, epoch)``. Which ones these are follows from ``seed``, the epoch and a batch's number.
    ``written`` asks the student as it is then, without gradient, by ``continued`` or by a library's own way; what it
    returns has the tokens as inputs, and labels or a mask where the student wrote. The loss is then any of teacher and
    student on these tokens: no gradient passes the choice of a token. Batches must not be fetched ahead, as a loader's
    workers do. Raises ``ValueError`` for a share outside 0 … 1.

    Agarwal et al., "On-Policy Distillation of Language Models", 2024, arXiv:2306.13649 (GKD): published are shares of
    0, ½ and 1, ``jensen_shannon`` or either KL, at T = 1.

    >>> data = lambda epoch, first: [{"input": "given"}] * 2
    >>> list(on_policy(data, lambda batch, epoch: {"input": "written"}, share=1.0)(0, 0))
    [{'input': 'written'}, {'input': 'written'}]
    """
    refuse_outside("The share of texts that the student writes", share, 0, 1)

    def mixed(epoch: int, first: int) -> Iterable[Batch]:
        for number, batch in enumerate(batches(epoch, first), first):
            own = float(uniform(seed, epoch, _OWN, number)) < share
            yield written(batch, epoch) if own else batch

    return mixed


def continued(
    logits: Callable[[Tensor], Tensor],
    tokens: Tensor,
    length: int,
    *,
    seed: int,
    epoch: int,
    index: Tensor,
    temperature: float = 1.0,
    end: int | None = None,
) -> Tensor:
    """``tokens`` (N, T) and ``length`` more of them, each drawn from the softmax of the last logits.

    The logits are divided by ``temperature`` before. ``logits`` is a network, which writes in eval mode and is as it
    was afterwards, or a function that calls one: (N, T) tokens -> (N, T, V). It sees all tokens anew for each that is
    drawn, without a cache: right for short texts and any network. Texts begin at the left and are equally long; after
    an ``end`` a text has only ``end``. Draws follow from ``seed``, ``epoch``, ``index`` (N,), the numbers of the texts,
    and the place, whatever was drawn before. Raises ``ValueError`` for a ``temperature`` that is not positive, a
    ``length`` below 1, and for numbers of texts that are not as many.

    >>> up = lambda tokens: torch.nn.functional.one_hot((tokens + 1) % 5, 5) * 99.0  # always the next number
    >>> continued(up, torch.tensor([[1, 2]]), 3, seed=0, epoch=0, index=torch.tensor([0]), end=4)
    tensor([[1, 2, 3, 4, 4]])
    """
    refuse_no_temperature(temperature)
    if length < 1 or tokens.ndim != 2 or index.shape != tokens.shape[:1]:
        raise ValueError(
            f"Texts (N, T), each with its number (N,), go on for 1 token or more; got {tuple(tokens.shape)}, "
            f"{tuple(index.shape)} and {length}."
        )
    with evaluating(logits):
        return _continued(logits, tokens, length, (seed, epoch, index), temperature, end)


def _continued(
    logits: Callable[[Tensor], Tensor],
    tokens: Tensor,
    length: int,
    keys: tuple[int, int, Tensor],
    temperature: float,
    end: int | None,
) -> Tensor:
    seed, epoch, index = keys
    ended = torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
    for place in range(length):
        last = logits(tokens)[:, -1].double() / temperature
        classes = torch.arange(last.shape[-1], device=last.device)
        draws = uniform(seed, epoch, _TOKEN, index[:, None], place, classes)
        chosen = (last - (-draws.log()).log()).argmax(-1)  # Gumbel's way: the largest is drawn from the softmax
        if end is not None:
            chosen = torch.where(ended, end, chosen)
            ended = ended | (chosen == end)
        tokens = torch.cat([tokens, chosen[:, None]], 1)
    return tokens
