"""A smaller network of the same kind, by name: ``half`` and ``quarter`` of an architecture of this package."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from tutelage.models.named import Builder

SHARES = {"half": 0.5, "quarter": 0.25}
"""What is asked for by a word: the share of the width, or of the depth."""


def scaled(network: Builder, share: float, name: str) -> Builder:
    """``network``, called ``name``, with ``share`` of its width; where that does not go, of its depth.

    Of a width that is a number, of the widths of its hidden layers, or of the depth, rounded down to one that there is.
    Raises ``ValueError`` for a network that is none of this package's and for one that is the smallest of its kind.

    >>> from tutelage.models.named import named
    >>> half = scaled(named("wrn_40_2", 10), 0.5, "wrn_40_2")
    >>> half.func.__name__, half.args, half.keywords["num_classes"]
    ('wide_resnet', (), 10)
    >>> half.keywords["width"], scaled(named("resnet56", 10), 0.5, "resnet56").keywords["depth"]
    (1, 26)
    """
    if not network.func.__module__.startswith("tutelage.models."):
        raise ValueError(
            f"{name} is no architecture of this package, so nobody knows what a part of it is; name the student, such "
            "as resnet8, mobilenet_v2(width=0.25) or a dotted path of yours."
        )
    bound = inspect.signature(network.func).bind(*network.args, **network.keywords)
    bound.apply_defaults()
    size = _size(network)
    for smaller in _smaller(dict(bound.arguments), share):
        candidate = Builder(network.func, **smaller)
        try:
            if _size(candidate) < size:
                return candidate
        except ValueError:  # there is no network of that width or depth
            continue
    raise ValueError(f"There is nothing smaller of the kind of {name}; name the student, such as resnet8 or lenet5.")


def _smaller(arguments: dict[str, Any], share: float) -> Iterator[dict[str, Any]]:
    width, widths, depth = (arguments.get(name) for name in ("width", "widths", "depth"))
    if isinstance(width, int) and int(width * share) >= 1:
        yield {**arguments, "width": int(width * share)}
    elif isinstance(width, float):
        yield {**arguments, "width": width * share}
    if isinstance(widths, Sequence) and len(widths) > 2 and all(isinstance(x, int) for x in widths):
        inner = tuple(max(1, int(x * share)) for x in widths[1:-1])
        yield {**arguments, "widths": (widths[0], *inner, widths[-1])}
    if isinstance(depth, int):
        yield from ({**arguments, "depth": less} for less in range(max(1, int(depth * share)), 0, -1))
        yield from ({**arguments, "depth": less} for less in range(max(1, int(depth * share)) + 1, depth))


def _size(network: Builder) -> int:
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        return sum(p.numel() for p in network().parameters())
