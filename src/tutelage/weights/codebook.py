"""A tensor of few different values and many zeros as a codebook and two Huffman codes: which value, and how far away.

The bytes, all numbers little-endian: how many entries there are (4), how many bytes of the first stream (4), the
longest distance less 1 (1); then the code lengths of the values, of which number 0 is a filler, and of the distances
from 1 on, a byte each; then the two streams.
"""

from dataclasses import dataclass
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from tutelage.weights.gaps import Places, gaps_of, places_of
from tutelage.weights.huffman import code_lengths, num_bits, packed, unpacked

MOST = 255
"""Values of a codebook: with the filler, as many as a byte has."""
FEW = 4096
SPANS = tuple(2**bits for bits in range(1, 9))
HEAD = 9
"""Bytes before the code lengths."""
WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, eq=False)
class Coded:
    """What is stored of a tensor: ``values``, as words of bits; by entry a value's number from 1, 0 for a filler, and
    the distance, from 1 to ``span``, to the entry before it."""

    values: NDArray[Any]
    entries: Places
    gaps: Places
    span: int


def coded(x: Tensor) -> Coded | None:
    """What ``x``, on the CPU, comes to, with the span that takes the fewest bits; nothing for more than 255 values."""
    flat = x.contiguous().flatten()
    places = (flat != 0).nonzero().flatten()
    if not len(places) or x.element_size() not in WORDS or x.numel() >= 2**31:
        return None
    words = flat[places].view(WORDS[x.element_size()]).numpy()
    if len(numpy.unique(words[:FEW])) > MOST:  # without a look at all of a large tensor
        return None
    values, codes = numpy.unique(words, return_inverse=True)
    if len(values) > MOST:
        return None
    used = numpy.bincount(codes)
    span = min(SPANS, key=lambda span: _size(used, places.numpy(), span))
    gaps, arrives = gaps_of(places.numpy(), span)
    entries = numpy.zeros(len(gaps), dtype=numpy.int64)
    entries[arrives] = codes + 1
    return Coded(values, entries, gaps, span)


def to_codes(x: Tensor) -> dict[str, Tensor] | None:
    """``codebook`` and ``packed`` of what ``x``, on the CPU, holds: to the bit, but that a zero loses its sign.

    Nothing for a tensor that has more than 255 different values.
    """
    found = coded(x)
    if found is None:
        return None
    counts = numpy.bincount(found.entries), numpy.bincount(found.gaps - 1, minlength=found.span)
    lengths = [code_lengths(x) for x in counts]
    streams = packed(found.entries, lengths[0]), packed(found.gaps - 1, lengths[1])
    head = len(found.entries).to_bytes(4, "little") + len(streams[0]).to_bytes(4, "little") + bytes([found.span - 1])
    stream = numpy.concatenate([numpy.frombuffer(head, dtype=numpy.uint8), *lengths, *streams])
    return {"codebook": torch.from_numpy(found.values).view(x.dtype), "packed": torch.from_numpy(stream)}


def from_codes(like: Tensor, codebook: Tensor, packed: Tensor) -> Tensor:
    """The tensor of the shape and type of ``like`` that was packed so. Raises ``ValueError`` for any other bytes."""
    if codebook.ndim != 1 or codebook.dtype != like.dtype or not 0 < len(codebook) <= MOST:
        raise ValueError("its codebook is of another type")
    if packed.ndim != 1 or packed.dtype != torch.uint8 or len(packed) < HEAD:
        raise ValueError("its codes are of another type")
    places, codes = _unpacked(packed.numpy(), len(codebook), like.numel())
    flat = torch.zeros(like.numel(), dtype=like.dtype)
    flat[torch.from_numpy(places)] = codebook[torch.from_numpy(codes)]
    return flat.view(like.shape)


def _size(used: NDArray[numpy.int64], places: Places, span: int) -> int:
    """Bits, those of the code lengths included."""
    steps = numpy.diff(places, prepend=-1) - 1
    gaps = numpy.bincount(steps % span, minlength=span)
    fillers = int((steps // span).sum())
    gaps[-1] += fillers
    return num_bits([fillers, *used]) + num_bits(gaps) + 8 * span


def _unpacked(stream: NDArray[numpy.uint8], values: int, size: int) -> tuple[Places, Places]:
    """Places and codes, from 0, of what is not 0 among ``size`` numbers."""
    number, first = (int.from_bytes(stream[at : at + 4].tobytes(), "little") for at in (0, 4))
    span = int(stream[8]) + 1
    begin = HEAD + values + 1 + span
    if number > size or begin + first > len(stream):
        raise ValueError("its codes lead out of it")
    lengths = stream[HEAD : HEAD + values + 1], stream[HEAD + values + 1 : begin]
    entries = unpacked(stream[begin : begin + first], lengths[0], number)
    gaps = unpacked(stream[begin + first :], lengths[1], number) + 1
    places = places_of(gaps, entries > 0)
    if number and int(gaps.sum()) > size:
        raise ValueError("its codes lead out of it")
    return places, entries[entries > 0] - 1
