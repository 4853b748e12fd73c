"""What was done to weights so that they fit, and what did not fit, in words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, takewhile
from typing import Any

import torch
from torch import Tensor

from tutelage.plurals import counted
from tutelage.weights.names import COUNTER, Match, Name
from tutelage.weights.nested import beside

MOST = 10


def account(
    found: Match, content: Any, own: Mapping[Name, Tensor], stored: Mapping[Name, Tensor], depths: Mapping[Name, int]
) -> Iterator[str]:
    """One sentence for each thing that was done; none where the file fits as it is."""
    places = list(dict.fromkeys(y[: depths[y]] for y in found.pairs.values()))
    if wrappers := [place for place in places if place]:
        yield f"took the weights under {quoted(wrappers)}"
    if found.copies:
        yield f"did not take those under {quoted(found.copies)}, which fit as well"
    yield from _renamings(found.pairs, depths)
    types = Counter((stored[y].dtype, own[x].dtype) for x, y in found.pairs.items() if x[-1] != COUNTER)
    for (there, here), count in types.items():
        if there != here:
            yield f"converted {counted(count, 'tensor')} from {plain_words(there)} to {plain_words(here)}"
    taken = set(found.pairs.values())
    left = [y for y in stored if y[: depths[y]] in places and y not in taken and not _under(y, found.copies)]
    if counters := [y for y in left if y[-1] == COUNTER]:
        yield f"ignored {COUNTER} of {counted(len(counters), 'layer')}, which the model does not keep"
    others = [y for y in beside(content, places) if not _under(y, found.copies)]
    if rest := [*others, *(y for y in left if y[-1] != COUNTER)]:
        yield f"ignored {quoted(rest)}"


def misfits(found: Match, own: Mapping[Name, Tensor], stored: Mapping[Name, Tensor]) -> str:
    """What is missing, too many and of another shape: a line for each, with how many there are and ten of them."""
    shapes = (
        f"{'.'.join(x)!r} is {tuple(stored[found.pairs[x]].shape)} there and {tuple(own[x].shape)} here"
        for x in found.differing
    )
    lines = [
        f"{len(found.missing)} missing: {quoted(found.missing)}" if found.missing else "",
        f"{len(found.extra)} too many: {quoted(found.extra)}" if found.extra else "",
        f"{len(found.differing)} of another shape: {several(shapes)}" if found.differing else "",
    ]
    return ";\n".join(filter(None, lines))


def quoted(names: Iterable[Name]) -> str:
    """Ten of the names, and how many more.

    >>> quoted([("fc", "weight"), ("fc", "bias")])
    "'fc.weight', 'fc.bias'"
    """
    return several(repr(".".join(name)) for name in names)


def several(words: Iterable[str]) -> str:
    """Ten of the words, and how many more.

    >>> several(str(number) for number in range(12))
    '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more'
    """
    rest = iter(words)
    first = ", ".join(islice(rest, MOST))
    more = sum(1 for _ in rest)
    return f"{first} and {more} more" if more else first


def plain_words(dtype: torch.dtype) -> str:
    """The name of a type without torch's own."""
    return str(dtype).removeprefix("torch.")


def _renamings(pairs: Mapping[Name, Name], depths: Mapping[Name, int]) -> Iterator[str]:
    changes = Counter(_change(y[depths[y] :], x) for x, y in pairs.items() if y[depths[y] :] != x)
    for (above, old, new), count in changes.most_common(MOST):
        part, place = ("", f" below {'.'.join(above)!r}") if above else ("the prefix ", "")
        names = counted(count, "name")
        if not new:
            yield f"dropped {part}{_steps(old)} of {names}{place}"
        elif not old:
            yield f"added {part}{_steps(new)} to {names}{place}"
        else:
            yield f"read {part}{_steps(old)} of {names}{place} as {_steps(new)}"
    if len(changes) > MOST:
        yield f"renamed in {len(changes) - MOST} more ways"


def _change(stored: Name, own: Name) -> tuple[Name, Name, Name]:
    """The steps that both begin with, then those that one has for those of the other; what both end with is left."""
    while stored and own and stored[-1] == own[-1]:
        stored, own = stored[:-1], own[:-1]
    same = sum(1 for _ in takewhile(lambda steps: steps[0] == steps[1], zip(stored, own, strict=False)))
    return own[:same], stored[same:], own[same:]


def _steps(name: Name) -> str:
    return repr(".".join((*name, "")))


def _under(name: Name, prefixes: Iterable[Name]) -> bool:
    return any(name[: len(prefix)] == prefix for prefix in prefixes)
