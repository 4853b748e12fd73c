"""Networks of few different weights as smaller files: Huffman codes of a codebook, or signs, where these take less."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from tutelage.checkpoint import save_weights, uncompiled, write_tensors
from tutelage.tensors import read_tensors, stated_sum
from tutelage.weights.codebook import to_codes
from tutelage.weights.signs import to_signs
from tutelage.weights.sparse_file import ENTRY, encoded, smallest


def save_packed(path: Path | str, model: nn.Module) -> str:
    """As ``save_sparse``, and a tensor of no more than 255 different values, zeros apart, may be Huffman codes.

    Of n values that are not 0, k of them different, each of b bytes, it takes ``n (H(value) + H(distance)) / 8`` bytes,
    ``k (b + 1)`` for the codebook and up to 256 for the code lengths, and one for each zero that fills a long distance.
    A tensor (rows, …) that is a scale of each row times signs, as binary weights are, takes a bit an element and ``b``
    bytes a row.
    ``tutelage.weights.sparse_file.load_sparse`` gives the same bits back.

    Han, Mao & Dally, "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and
    Huffman Coding", ICLR 2016, arXiv:1510.00149.
    """
    return write_tensors(path, *_coded(model))


def save_smallest(path: Path | str, model: nn.Module) -> str:
    """As ``save_packed`` where that takes no more than half the bytes of ``save_weights``, else as the latter.

    ``tutelage.weights.sparse_file.load_any`` reads both. Any reader of safetensors knows the tensors of the latter, so
    that a few bytes are not worth another form.
    """
    tensors, about = _coded(model)
    plain = encoded(uncompiled(model.state_dict()), lambda x: ("", {"": x}))[0]  # which copies and writes nothing
    if 2 * _bytes(tensors) > _bytes(plain):
        return save_weights(path, model)
    return write_tensors(path, tensors, about)


def copy_smallest(path: Path | str, source: Path) -> str:
    """The checksum of what now holds at ``path`` the weights in ``source``: ``save_smallest`` of a file.

    One of another kind than ours is copied as it is. Raises ``ValueError`` for one that is damaged.
    """
    if stated_sum(source):
        tensors, about = encoded(read_tensors(source)[0], with_codes)
        if 2 * _bytes(tensors) <= source.stat().st_size:
            return write_tensors(path, tensors, about)
    shutil.copyfile(source, path)
    return stated_sum(Path(path))


def _coded(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    return encoded(uncompiled(model.state_dict()), with_codes)


def with_codes(x: Tensor) -> tuple[str, dict[str, Tensor]]:
    """The form of ``x``, on the CPU, that takes the fewest bytes, Huffman codes and signs among them, and its parts."""
    form, parts = smallest(x)
    for other, made in (("codes", to_codes(x)), ("signs", to_signs(x))):
        if made is not None and _bytes(made) < _bytes(parts):
            form, parts = other, made
    return form, parts


def _bytes(parts: Mapping[str, Tensor]) -> int:
    return sum(part.nbytes + ENTRY for part in parts.values())
