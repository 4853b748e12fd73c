"""A tensor whose rows are signs times a scale of the row, as binary weights are: a bit an element, a scale a row."""

import numpy
import torch
from torch import Tensor


def to_signs(x: Tensor) -> dict[str, Tensor] | None:
    """``scales`` (rows,) and ``signs``, packed, of what ``x``, on the CPU, holds: to the bit, but that a zero loses its
    sign.

    Nothing for a tensor in one of whose rows magnitudes differ, or which has no rows of floats.
    """
    if x.ndim < 2 or not x.numel() or not x.is_floating_point():
        return None
    rows = x.flatten(1)
    scales = rows[:, 0].abs()
    if not torch.equal(rows.abs(), scales[:, None].expand_as(rows)):  # what is no number is like nothing
        return None
    bits = numpy.packbits((rows >= 0).flatten().numpy(), bitorder="little")
    return {"scales": scales.clone(), "signs": torch.from_numpy(bits)}


def from_signs(like: Tensor, scales: Tensor, signs: Tensor) -> Tensor:
    """The tensor of the shape and type of ``like`` that was packed so. Raises ``ValueError`` for any other bytes."""
    if like.ndim < 2 or scales.shape != like.shape[:1] or scales.dtype != like.dtype:
        raise ValueError("its scales are of another type or number")
    if signs.dtype != torch.uint8 or signs.shape != (-(-like.numel() // 8),):
        raise ValueError("its signs are of another size")
    bits = numpy.unpackbits(signs.numpy(), bitorder="little")
    if bits[like.numel() :].any():
        raise ValueError("its signs are more than its weights")
    positive = torch.from_numpy(bits[: like.numel()].astype(bool)).view(like.shape)
    each = scales.view(-1, *[1] * (like.ndim - 1)).expand(like.shape)
    return torch.where(positive, each, -each)
