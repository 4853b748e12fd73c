"""Networks of one fixed batch size, asked about any number of samples."""

from collections.abc import Callable

import torch
from torch import Tensor


def in_pieces(ask: Callable[[Tensor], Tensor], inputs: Tensor, size: int) -> Tensor:
    """``ask(inputs)``; where ``size`` is not 0, of ``size`` samples at a time, the last ones filled up with the first.

    >>> asked = []
    >>> in_pieces(lambda x: asked.append(len(x)) or 2 * x, torch.arange(5), 2).tolist(), asked
    ([0, 2, 4, 6, 8], [2, 2, 2])
    """
    if size == 0 or len(inputs) == size:
        return ask(inputs)
    pieces = []
    for piece in inputs.split(size):
        lacking = size - len(piece)
        whole = torch.cat([piece, inputs[:1].expand(lacking, *inputs.shape[1:])]) if lacking else piece
        pieces.append(ask(whole)[: len(piece)])
    return torch.cat(pieces)


def refuse_more_inputs(name: str, count: int) -> None:
    """Raises ``ValueError`` unless there is one input."""
    if count != 1:
        raise ValueError(f"{name} takes {count} inputs, where one, the pictures, is wanted; export it with that alone.")
