"""Huffman's code: often used symbols in few bits, written and read back without loss."""

import heapq
from collections.abc import Sequence
from itertools import count

import numpy
from numpy.typing import NDArray

Lengths = NDArray[numpy.uint8]
"""By symbol the number of its bits, 0 for symbols that do not occur: all that a canonical code needs."""
LONGEST = 48
"""Bits of a code word: more would take 10¹⁰ symbols."""
WINDOW = 2**16
"""Bits that are read at once."""


def code_lengths(counts: Sequence[int] | NDArray[numpy.int64]) -> Lengths:
    """The bits of each symbol in the code of the least average length, given how often each occurs.

    A single symbol is given a length of 1, and takes no bits at all.

    Huffman, "A Method for the Construction of Minimum-Redundancy Codes", 1952.

    >>> code_lengths([45, 13, 12, 16, 9, 5]).tolist()
    [1, 3, 3, 3, 4, 4]
    """
    number = count(len(counts))
    left = [(int(n), symbol) for symbol, n in enumerate(counts) if n]
    lengths = numpy.zeros(len(counts), dtype=numpy.uint8)
    if len(left) == 1:
        lengths[left[0][1]] = 1
    parent: dict[int, int] = {}
    heapq.heapify(left)
    while len(left) > 1:
        (n, a), (m, b) = heapq.heappop(left), heapq.heappop(left)
        parent[a] = parent[b] = node = next(number)
        heapq.heappush(left, (n + m, node))
    depth = {node: 0 for _, node in left}
    for node in sorted(parent, reverse=True):  # each after its parent
        depth[node] = depth[parent[node]] + 1
        if node < len(counts):
            lengths[node] = depth[node]
    return lengths


def num_bits(counts: Sequence[int] | NDArray[numpy.int64]) -> int:
    """Bits that symbols take which occur so often."""
    used = code_lengths(counts)
    return int((numpy.asarray(counts, dtype=numpy.int64) * used).sum()) if (used > 0).sum() > 1 else 0


def packed(symbols: NDArray[numpy.int64], lengths: Lengths) -> NDArray[numpy.uint8]:
    """The bits of ``symbols``, one after the other, in bytes; the last byte is filled with zeros."""
    order, codes = _canonical(lengths)
    if len(order) < 2 or not len(symbols):
        return numpy.zeros(0, dtype=numpy.uint8)
    code = numpy.zeros(len(lengths), dtype=numpy.int64)
    code[order] = codes
    bits, words = lengths[symbols].astype(numpy.int64), code[symbols]
    begins = numpy.cumsum(bits) - bits
    written = numpy.zeros(int(bits.sum()), dtype=numpy.uint8)
    for place in range(int(bits.max())):
        there = bits > place
        written[begins[there] + place] = (words[there] >> (bits[there] - 1 - place)) & 1
    return numpy.packbits(written)


def unpacked(stream: NDArray[numpy.uint8], lengths: Lengths, number: int) -> NDArray[numpy.int64]:
    """The ``number`` symbols that were ``packed`` with these lengths.

    Raises ``ValueError`` for lengths of no code, and for a stream of more or fewer symbols.
    """
    order, codes = _canonical(lengths)
    if not len(order) and number:
        raise ValueError("its code has no symbols")
    if len(order) < 2 or not number:
        if len(stream):
            raise ValueError("its code needs no bits, but there are some")
        return numpy.full(number, order[0] if len(order) else 0, dtype=numpy.int64)
    own = lengths[order].astype(numpy.int64)
    longest = int(own[-1])
    begins = codes << (longest - own)  # rising: what is as long as the longest begins with which word
    total = 8 * len(stream)
    found = numpy.empty(number, dtype=numpy.int64)
    position = filled = 0
    while filled < number:
        if position >= total:
            raise ValueError("its code ends too early")
        size = min(WINDOW, total - position)
        bits = _bits(stream, position, size + longest)
        ahead = numpy.zeros(size, dtype=numpy.int64)
        for place in range(longest):
            ahead = (ahead << 1) | bits[place : place + size]
        which = numpy.searchsorted(begins, ahead, side="right") - 1
        path = _path(own[which])[: number - filled]
        found[filled : filled + len(path)] = order[which[path]]
        filled += len(path)
        position += int(path[-1] + own[which[path[-1]]])
    if position > total or total - position >= 8 or _bits(stream, position, total - position).any():
        raise ValueError("its code does not end where it should")
    return found


def _bits(stream: NDArray[numpy.uint8], position: int, number: int) -> NDArray[numpy.uint8]:
    """So many bits from a position on, and zeros behind the end."""
    begin, end = position // 8, (position + number + 7) // 8
    bits = numpy.unpackbits(stream[begin:end])[position - 8 * begin :][:number]
    return numpy.concatenate([bits, numpy.zeros(number - len(bits), dtype=numpy.uint8)])


def _path(steps: NDArray[numpy.int64]) -> NDArray[numpy.int64]:
    """The places 0, 0 + steps[0], … as long as they are within: twice as many in each round, then each jump twice."""
    end = len(steps)
    jump = numpy.append(numpy.minimum(numpy.arange(end) + steps, end), end)
    path = numpy.zeros(1, dtype=numpy.int64)
    while path[-1] < end:
        path = numpy.concatenate([path, jump[path]])
        jump = jump[jump]
    return path[path < end]


def _canonical(lengths: Lengths) -> tuple[NDArray[numpy.int64], NDArray[numpy.int64]]:
    """Symbols by length, then by number, and their words. Raises ``ValueError`` where these are no complete code."""
    used = numpy.flatnonzero(lengths)
    order = used[numpy.argsort(lengths[used], kind="stable")]
    bits = [int(x) for x in lengths[order]]
    if len(order) == 1 and bits != [1]:
        raise ValueError("its code is none")
    if len(order) > 1 and (bits[-1] > LONGEST or sum(2 ** (LONGEST - x) for x in bits) != 2**LONGEST):
        raise ValueError("its code is none")
    codes, word, last = [], 0, bits[0] if bits else 0
    for own in bits:
        word <<= own - last
        codes.append(word)
        word, last = word + 1, own
    return order, numpy.array(codes, dtype=numpy.int64)
