"""What a language model is to say at each position: the token after it."""

import torch
from torch import Tensor


def next_tokens(labels: Tensor, ignore_index: int = -100) -> Tensor:
    """``labels`` (N, T), each row moved one to the left; its last place, before nothing, is ``ignore_index``.

    The one place where anything is shifted: logits (N, T, V) and hidden states stay as the network returns them, and
    position ``t`` is compared with ``next_tokens(labels)[:, t]``. ``labels`` are token numbers as libraries give them,
    unshifted, with ``ignore_index`` for padding and prompts. **A network's own loss shifts for itself**: it gets the
    labels as they were. Raises ``ValueError`` for what is not (N, T) or no whole numbers.

    >>> next_tokens(torch.tensor([[5, 6, 7], [8, 9, -100]]))
    tensor([[   6,    7, -100],
            [   9, -100, -100]])
    """
    if labels.ndim != 2 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"Labels are token numbers (N, T); got {labels.dtype} {tuple(labels.shape)}.")
    return torch.cat([labels[:, 1:], labels.new_full((len(labels), 1), ignore_index)], 1)
