"""The same sample twice: within a part, and in two parts, by the pixels or the words that are kept of it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from tutelage.own_data.source import Part
from tutelage.plurals import counted

SHOWN = 3


def twins(
    names: Mapping[Part, Sequence[str]], digests: Mapping[Part, Sequence[bytes]], what: str = "picture"
) -> list[str]:
    """Sentences about samples that are the same, with the names of the first: across parts, then within each.

    >>> twins({"train": ["a", "b"], "test": ["c"]}, {"train": [b"x", b"x"], "test": [b"x"]})[0]
    '1 picture of the test part is in the train part as well: c = a'
    """
    return list(_sentences(names, digests, what))


def pairs(
    names: Mapping[Part, Sequence[str]], digests: Mapping[Part, Sequence[bytes]]
) -> dict[tuple[Part, Part], list[tuple[str, str]]]:
    """Of two parts, or of one twice, the samples of the second that are in the first, each with its twin there."""
    first = {part: {} for part in names}  # type: dict[Part, dict[bytes, str]]
    found: dict[tuple[Part, Part], list[tuple[str, str]]] = {}
    for part, column in digests.items():
        for name, digest in zip(names[part], column, strict=True):
            if digest in first[part]:
                found.setdefault((part, part), []).append((name, first[part][digest]))
            else:
                first[part][digest] = name
    for one, other in combinations(digests, 2):
        both = [(name, first[one][x]) for name, x in zip(names[other], digests[other], strict=True) if x in first[one]]
        if both:
            found[one, other] = both
    return found


def _sentences(
    names: Mapping[Part, Sequence[str]], digests: Mapping[Part, Sequence[bytes]], what: str
) -> Iterator[str]:
    found = pairs(names, digests)
    for (one, other), both in sorted(found.items(), key=lambda x: x[0][0] == x[0][1]):
        shown = ", ".join(f"{a} = {b}" for a, b in both[:SHOWN]) + (" …" if len(both) > SHOWN else "")
        are = "is" if len(both) == 1 else "are"
        samples = counted(len(both), what)
        if one == other:
            yield f"{samples} of the {one} part {are} there twice: {shown}"
        else:
            yield f"{samples} of the {other} part {are} in the {one} part as well: {shown}"
