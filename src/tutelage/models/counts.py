"""What a network may be made of, in numbers: refused in words, before a layer is made of anything else."""

from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

MOST_LAYERS = 2000
"""Deeper than any network that was published for small images; more take minutes to be put together."""
MOST_TIMES = 256
"""How many times as wide as it was published a network can be."""
MOST_UNITS = 10**6
"""Of one layer."""


def refuse_counts(network: str, most: int = MOST_UNITS, /, **counts: Any) -> None:
    """Raise ``ValueError`` for a count of a network's that is no whole number from 1 to ``most``, with its name.

    >>> refuse_counts("resnet", num_classes=0)
    Traceback (most recent call last):
    ValueError: resnet takes a whole number from 1 to 1000000 as its num_classes; got 0.
    """
    for name, count in counts.items():
        if not is_whole(count) or not 1 <= count <= most:
            raise ValueError(f"{network} takes a whole number from 1 to {most} as its {name}; got {count!r}.")


def refuse_depth(network: str, depth: Any, *, least: int, step: int) -> None:
    """Raise ``ValueError`` for a depth that does not come of whole blocks, ``step`` layers each."""
    if not is_whole(depth) or not least <= depth <= MOST_LAYERS or (depth - least) % step:
        some = ", ".join(str(least + step * blocks) for blocks in range(5))
        raise ValueError(f"{network} takes a depth of {some}, … up to {MOST_LAYERS}; got {depth!r}.")


def refuse_other_depths(network: str, depth: Any, known: Collection[int]) -> None:
    """Raise ``ValueError`` for a depth in which the network was not published."""
    if not is_whole(depth) or depth not in known:
        raise ValueError(f"{network} takes {', '.join(map(str, known))} as its depth; got {depth!r}.")


def refuse_dropout(network: str, **rates: Any) -> None:
    """Raise ``ValueError`` for a dropout that is no probability, or drops everything."""
    for name, rate in rates.items():
        if not is_real(rate) or not 0 <= rate < 1:
            raise ValueError(f"{network} takes a probability from 0 to less than 1 as its {name}; got {rate!r}.")


def is_whole(number: Any) -> bool:
    """Whether it is a whole number, and not a truth value."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def is_real(number: Any) -> bool:
    """Whether it is a number, and not a truth value."""
    return isinstance(number, Real) and not isinstance(number, bool)


def refuse_beyond(network: str, name: str, number: Any, least: float, most: float) -> None:
    """Raise ``ValueError`` for what is no number from ``least`` to ``most``; NaN is none."""
    if not is_real(number) or not least <= number <= most:
        raise ValueError(f"{network} takes a number from {least:g} to {most:g} as its {name}; got {number!r}.")
