"""Tokens that a network is to find again: hidden anew each time, the rare ones more often than the frequent."""

from collections.abc import Iterable

import torch
from torch import Tensor

from tutelage.data.draws import below, uniform
from tutelage.limits import refuse_outside

_CHOICE, _WAY, _OTHER = 17, 18, 19  # what a number is for; those before have their use


def token_weights(counts: Tensor, special: Iterable[int] = (), power: float = 0.7) -> Tensor:
    """How often each token is to be hidden, ``max(count, 1) ** -power``, and 0 for ``special`` ones; float64 (V,).

    ``counts`` (V,) says how often each token is in the corpus. With a power of 0 all are hidden alike; published is
    0.7, with which a token that is there 5 times is hidden 41 times as often as one that is there 1000 times. Raises
    ``ValueError`` for a power outside 0 … 10, and for special tokens that are none of the vocabulary.

    >>> token_weights(torch.tensor([9, 5, 100, 1000, 20]), special=[0]).mul(1e6).round().tolist()
    [0.0, 324131.0, 39811.0, 7943.0, 122823.0]
    """
    refuse_outside("A power of counts", power, 0, 10)
    weights = counts.double().clamp_min(1) ** -power
    numbers = torch.tensor(list(special), dtype=torch.int64)
    if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < len(weights):
        raise ValueError(f"Special tokens are from 0 to {len(weights) - 1}; got {sorted(numbers.tolist())}.")
    weights[numbers] = 0
    return weights


def masked_tokens(
    input_ids: Tensor,
    attention_mask: Tensor,
    weights: Tensor,
    mask_id: int,
    *,
    seed: int,
    epoch: int,
    index: Tensor,
    share: float = 0.15,
) -> tuple[Tensor, Tensor]:
    """``input_ids`` (N, T) with some tokens hidden, and labels: what these were, −100 for all the others.

    Of all tokens of the batch together that ``attention_mask`` (N, T) has, ``share`` are hidden, rounded up, drawn
    without replacement by ``weights`` (V,), such as those of ``token_weights``. Of the hidden ones 80 % become
    ``mask_id``, 10 % stay as they are, and 10 % become any token of the vocabulary. Draws are by counting: they follow
    from ``seed``, ``epoch`` and ``index`` (N,), the numbers of the samples, and are others in each epoch. Which of a
    sample's tokens are hidden depends on the rest of the batch as well.

    Where fewer tokens can be hidden than are to be, all of these are. Raises ``ValueError`` where there is none, for a
    sample of only padding, for numbers of tokens without a weight, and for a share outside 0 … 1.

    Sanh et al., "DistilBERT", 2019, arXiv:1910.01108, and its code; 80/10/10 is BERT's (arXiv:1810.04805).

    >>> ids, weights = torch.tensor([[1, 5, 6, 7, 2, 0]]), token_weights(torch.ones(9), special=[0, 1, 2, 3])
    >>> masked_tokens(ids, ids > 0, weights, 3, seed=0, epoch=0, index=torch.tensor([0]))[1].ne(-100).sum()
    tensor(1)
    """
    refuse_outside("The share of tokens that is hidden", share, 0, 1)
    _refuse_unfit(input_ids, attention_mask, weights, mask_id, index)
    numbers, places = index[:, None], torch.arange(input_ids.shape[1], device=input_ids.device)
    chances = torch.where(attention_mask.bool(), weights.to(input_ids.device)[input_ids], 0.0).flatten()
    wanted = -int(-share * int(attention_mask.bool().sum()) // 1)
    count = min(wanted, int((chances > 0).sum()))
    if wanted and not count:
        raise ValueError(
            "No token of the batch can be hidden: all that it has are special, unknown, or of weight 0; leave such "
            "batches out."
        )
    # The smallest of −log(u)/w are a sample without replacement by the weights w (Efraimidis & Spirakis, 2006).
    waits = -uniform(seed, epoch, _CHOICE, numbers, places).flatten().log() / chances
    chosen = waits.topk(count, largest=False, sorted=False).indices
    way, other = uniform(seed, epoch, _WAY, numbers, places), below(len(weights), seed, epoch, _OTHER, numbers, places)
    becomes = torch.where(way < 0.8, mask_id, torch.where(way < 0.9, input_ids, other))
    hidden = torch.zeros(input_ids.numel(), dtype=torch.bool, device=input_ids.device)
    hidden = hidden.index_fill(0, chosen, True).view_as(input_ids)
    return torch.where(hidden, becomes, input_ids), torch.where(hidden, input_ids, -100)


def _refuse_unfit(input_ids: Tensor, attention_mask: Tensor, weights: Tensor, mask_id: int, index: Tensor) -> None:
    if input_ids.ndim != 2 or attention_mask.shape != input_ids.shape or index.shape != input_ids.shape[:1]:
        raise ValueError(
            f"Tokens and their attention mask are (N, T), and each sample has a number (N,); got "
            f"{tuple(input_ids.shape)}, {tuple(attention_mask.shape)} and {tuple(index.shape)}."
        )
    if empty := (~attention_mask.bool().any(1)).nonzero().flatten().tolist():
        raise ValueError(f"Sample {empty[0]} of the batch is nothing but padding (its mask is 0); leave it out.")
    lowest, highest = min(int(input_ids.min()), mask_id), max(int(input_ids.max()), mask_id)
    if lowest < 0 or highest >= len(weights):
        raise ValueError(
            f"Tokens are from 0 to {len(weights) - 1}, each with its weight; got {lowest if lowest < 0 else highest}."
        )
