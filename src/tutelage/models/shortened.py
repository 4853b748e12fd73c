"""An encoder of fewer layers that begins with those of a deeper one: DistilBERT's start.

Sanh et al., "DistilBERT", 2019, arXiv:1910.01108; huggingface/transformers-research-projects, extract_distilbert.py.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch

from tutelage.models.encoder import Encoder

PUBLISHED = (0, 2, 4, 7, 9, 11)
"""The layers of twelve, counted from 0, that DistilBERT begins with: one out of two, but for a step in the middle."""
ALIKE = ("width", "heads", "inner", "vocabulary", "positions", "padding", "separator")
"""Sizes that both have."""
Pick: TypeAlias = Callable[[int, int], list[int]]
"""``pick(of, layers)``: which ``layers`` of a network of ``of`` a student begins with, counted from 0."""


def published(of: int, layers: int) -> list[int]:
    """DistilBERT's six of twelve. Raises ``ValueError`` for other numbers of layers.

    >>> published(12, 6)
    [0, 2, 4, 7, 9, 11]
    """
    if (of, layers) != (12, 6):
        raise ValueError(f"Published are 6 layers of 12; got {layers} of {of}: take spread_out, or name the layers.")
    return list(PUBLISHED)


def spread_out(of: int, layers: int) -> list[int]:
    """From the first to the last in equal steps, as far as there are whole ones; a single layer is the first.

    Raises ``ValueError`` for more layers than there are, or none.

    >>> spread_out(12, 6), spread_out(6, 3), spread_out(12, 12) == list(range(12))
    ([0, 2, 4, 7, 9, 11], [0, 2, 5], True)
    """
    _refuse_more(of, layers)
    return [round(place * (of - 1) / (layers - 1)) for place in range(layers)] if layers > 1 else [0]


def every_second(of: int, layers: int) -> list[int]:
    """0, 2, 4, …. Raises ``ValueError`` where there are not so many.

    >>> every_second(12, 6)
    [0, 2, 4, 6, 8, 10]
    """
    _refuse_more((of + 1) // 2, layers)
    return list(range(0, 2 * layers, 2))


def the_first(of: int, layers: int) -> list[int]:
    """0, 1, 2, …. Raises ``ValueError`` as ``spread_out``."""
    _refuse_more(of, layers)
    return list(range(layers))


def the_last(of: int, layers: int) -> list[int]:
    """Those that end with the last. Raises ``ValueError`` as ``spread_out``.

    >>> the_last(12, 3)
    [9, 10, 11]
    """
    _refuse_more(of, layers)
    return list(range(of - layers, of))


def at_random(of: int, layers: int) -> list[int]:
    """Any of them, in their order, as torch's generator draws them. Raises ``ValueError`` as ``spread_out``."""
    _refuse_more(of, layers)
    return sorted(torch.randperm(of)[:layers].tolist())


@torch.no_grad()
def begin_with_(student: Encoder, teacher: Encoder, layers: Sequence[int]) -> Encoder:
    """``student`` with the weights of the teacher's embeddings and of its ``layers``, counted from 0; returned.

    Where the student has no types of tokens and the teacher has, the vector of the first sentence is added to those of
    the places, so that single sentences come out as with it: a student of all layers answers what the teacher does.
    (The published code drops it.) Raises ``ValueError`` for layers that the teacher does not have, for as many as the
    student does not have, and for networks of other sizes.

    >>> deep = Encoder(layers=4, width=8, heads=2, inner=16, vocabulary=200)
    >>> half = Encoder(layers=2, width=8, heads=2, inner=16, vocabulary=200, types=0)
    >>> torch.equal(begin_with_(half, deep, [0, 3]).layer2.widen.weight, deep.layer4.widen.weight)
    True
    """
    if len(layers) != student.depth or any(not 0 <= x < teacher.depth for x in layers):
        raise ValueError(
            f"A student of {student.depth} layers begins with as many of the teacher's, which are 0 to "
            f"{teacher.depth - 1}; got {[*layers]}."
        )
    if other := [x for x in ALIKE if student.sizes[x] != teacher.sizes[x]]:
        found = ", ".join(f"{x} {student.sizes[x]} and {teacher.sizes[x]}" for x in other)
        raise ValueError(f"A student that begins with its teacher's layers has its sizes; both have {found}.")
    source, weights = teacher.state_dict(), student.state_dict()
    for name in weights:
        first, _, rest = name.partition(".")
        number = first.removeprefix("layer")
        weights[name] = source[f"layer{layers[int(number) - 1] + 1}.{rest}" if number.isdecimal() else name]
    student.load_state_dict(weights)
    if student.embeddings.types is None and teacher.embeddings.types is not None:
        student.embeddings.positions.weight += teacher.embeddings.types.weight[0]
    return student


def _refuse_more(of: int, layers: int) -> None:
    if not 1 <= layers <= of:
        raise ValueError(f"A student begins with 1 to {of} layers of its teacher; got {layers}.")
