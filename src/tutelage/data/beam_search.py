"""The likeliest texts that a language model could write, found by keeping the best of every length."""

from collections.abc import Callable

import torch
from torch import Tensor

from tutelage.modes import evaluating

NOWHERE = -float("inf")


def beam_search(
    logits: Callable[[Tensor], Tensor], tokens: Tensor, length: int, *, beams: int, end: int | None = None
) -> tuple[Tensor, Tensor]:
    """``tokens`` (N, T) and ``length`` more of them, the ``beams`` likeliest that are found: (N, beams, T + length).

    And the logarithms of their probabilities, (N, beams), falling: sums of those of the tokens, with no correction for
    lengths. After each token the ``beams`` likeliest beginnings are kept, with 1 the likeliest token each time; with as
    many as there are texts of that length but for the last token, the search is exhaustive. ``logits`` is as in
    ``continued``. A text that has come to its ``end`` goes on with nothing else. Where there are fewer texts than
    beams, fewer come back, or some of −∞. Raises ``ValueError`` for a ``length`` or ``beams`` below 1.

    >>> after = torch.tensor([[0.0, 0.6, 0.4], [0.5, 0.2, 0.3], [0.0, 0.1, 0.9]]).log()
    >>> texts, scores = beam_search(lambda tokens: after[tokens], torch.tensor([[0]]), 2, beams=2)
    >>> texts.tolist(), [round(x, 2) for x in scores[0].exp().tolist()]
    ([[[0, 2, 2], [0, 1, 0]]], [0.36, 0.3])
    """
    if length < 1 or beams < 1 or tokens.ndim != 2:
        raise ValueError(
            f"Texts (N, T) go on for 1 token or more, by 1 beam or more; got {tuple(tokens.shape)}, {length} and "
            f"{beams}."
        )
    texts = tokens[:, None]
    scores = torch.zeros(len(tokens), 1, dtype=torch.float64, device=tokens.device)
    with evaluating(logits):
        for _ in range(length):
            each = logits(texts.flatten(0, 1))[:, -1].double().log_softmax(-1).unflatten(0, scores.shape)  # (N, B, V)
            if end is not None and texts.shape[2] > tokens.shape[1]:
                each = _only_the_end(each, texts[:, :, -1] == end, end)
            total = (scores[:, :, None] + each).flatten(1)
            scores, chosen = total.topk(min(beams, total.shape[1]), 1)
            places, token = chosen // each.shape[2], chosen % each.shape[2]
            begun = texts.gather(1, places[:, :, None].expand(-1, -1, texts.shape[2]))
            texts = torch.cat([begun, token[:, :, None]], 2)
    return texts, scores


def _only_the_end(each: Tensor, ended: Tensor, end: int) -> Tensor:
    """``each`` (N, B, V), where texts that have ``ended`` (N, B) go on with ``end`` alone, at no cost."""
    nothing = torch.full_like(each[0, 0], NOWHERE)
    nothing[end] = 0
    return torch.where(ended[:, :, None], nothing, each)
