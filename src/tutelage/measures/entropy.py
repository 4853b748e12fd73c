"""How uncertain a network is of its answers."""

import torch
from torch import Tensor


def entropy(logits: Tensor) -> Tensor:
    r"""The predictive entropy ``−Σ_k p_k log p_k`` of each row of logits (N, C), in nats: from 0 to ``log C``.

    Of ``monte_carlo``'s answers it is that of the mean distribution: what the network does not know and what nobody
    can, together. Raises ``ValueError`` for no answers.

    >>> entropy(torch.tensor([[0.0, 0.0], [9.0, -9.0]])).round(decimals=4)
    tensor([0.6931, 0.0000], dtype=torch.float64)
    """
    if not len(logits):
        raise ValueError(f"An entropy is of one answer or more; got {len(logits)}.")
    found: Tensor = torch.special.entr(logits.double().softmax(-1)).sum(-1)
    return found
