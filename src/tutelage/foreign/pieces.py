"""What files that answer are asked with: batches of the one size that they take, numbers of the type that they take."""

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


def typed(inputs: Tensor, dtype: torch.dtype) -> Tensor:
    """``inputs`` as ``dtype``; levels, which are whole, as the nearest ones from 0 to 255.

    >>> typed(torch.tensor([-0.2, 0.9999, 254.6]), torch.uint8)
    tensor([  0,   1, 255], dtype=torch.uint8)
    """
    return inputs.round().clamp(0, 255).to(dtype) if dtype == torch.uint8 else inputs.to(dtype)
