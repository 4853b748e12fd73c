"""What the weights of a layer take once they are few, share values, and are coded: counted in bits."""

from dataclasses import dataclass
from math import ceil, log2

import numpy
from torch import nn

from tutelage.compress.footprint import VALUE
from tutelage.compress.masks import weights_of
from tutelage.weights.codebook import coded
from tutelage.weights.huffman import num_bits
from tutelage.weights.signs import to_signs


@dataclass(frozen=True)
class PackedBits:
    """Of a weight how many elements, how many of them not 0 or zeros that fill a distance, and of how many values.

    ``value_bits`` and ``place_bits`` are those of an entry of a fixed size, ``huffman_value_bits`` and
    ``huffman_place_bits`` what Huffman codes take on average.
    """

    weights: int
    nonzero: int
    entries: int
    values: int
    value_bits: int
    place_bits: int
    huffman_value_bits: float
    huffman_place_bits: float

    @property
    def bits(self) -> int:
        """Pruned and shared: entries of a fixed size, and the codebook."""
        return fixed_bits(self.entries, self.value_bits, self.place_bits, self.values)

    @property
    def huffman_bits(self) -> int:
        """The same with Huffman codes; without the code lengths, which ``save_packed`` stores, too."""
        coded = self.entries * (self.huffman_value_bits + self.huffman_place_bits)
        return round(coded) + self.values * VALUE


def fixed_bits(entries: int, value_bits: int, place_bits: int, values: int) -> int:
    """``entries · (value_bits + place_bits) + values · 32``."""
    return entries * (value_bits + place_bits) + values * VALUE


def packed_bits(model: nn.Module) -> dict[str, PackedBits]:
    """By name the weights of linear layers and convolutions that have no more than 255 different values, and not 0 all.

    Entries are those of the file that ``weights.packed_file.save_packed`` writes.
    """
    found = {}
    for name, w in weights_of(model).items():
        one = coded(w.detach().cpu())
        if one is not None:
            count, nonzero = len(one.entries), int((one.entries > 0).sum())
            found[name] = PackedBits(
                weights=w.numel(),
                nonzero=nonzero,
                entries=count,
                values=len(one.values),
                value_bits=ceil(log2(len(one.values) + (nonzero < count))),
                place_bits=ceil(log2(one.span)) if nonzero < w.numel() else 0,
                huffman_value_bits=num_bits(numpy.bincount(one.entries)) / count,
                huffman_place_bits=num_bits(numpy.bincount(one.gaps)) / count,
            )
    return found


def binary_bits(model: nn.Module) -> dict[str, int]:
    """By name the weights of linear layers and convolutions that are signs times a scale of each channel: their bits.

    ``weights + 32 · channels``, as ``save_packed`` writes them.
    """
    binary = {name: w for name, w in weights_of(model).items() if to_signs(w.detach().cpu()) is not None}
    return {name: w.numel() + VALUE * len(w) for name, w in binary.items()}
