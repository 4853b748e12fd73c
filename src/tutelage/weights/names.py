"""Which stored name is which of a model's: prefixes are found by counting what fits, not looked up in a list."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate, takewhile
from typing import TypeAlias

Name: TypeAlias = tuple[str, ...]
"""The steps to a tensor, from the file's outermost mapping or from the model."""
Shape: TypeAlias = tuple[int, ...]

COUNTER = "num_batches_tracked"
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What DataParallel, ``torch.compile`` and their like put into names, at any depth, on either side."""
USUAL = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "module")
AVERAGES = {"ema", "swa", "avg", "average", "averaged", "shadow", "polyak"}


@dataclass(frozen=True)
class Sides:
    """What is to be brought together: a model's shapes and stored ones."""

    own: Mapping[Name, Shape]
    stored: Mapping[Name, Shape]
    depths: Mapping[Name, int]
    """At which step of a stored name the mapping begins that holds it."""
    ties: Mapping[Name, Collection[Name]]
    """Which of the model's names are one tensor: one of them is enough."""

    def bare(self) -> "Sides":
        """The same without ``WRAPPERS``."""
        return Sides(
            {_bare(x): shape for x, shape in self.own.items()},
            {_bare(y): shape for y, shape in self.stored.items()},
            {_bare(y): sum(step not in WRAPPERS for step in y[:depth]) for y, depth in self.depths.items()},
            {_bare(x): [_bare(other) for other in others] for x, others in self.ties.items()},
        )

    def under(self, prefix: Name) -> dict[Name, Name]:
        """The pairs of names that ``prefix`` makes, whatever their shapes."""
        return {x: prefix + x for x in self.own if prefix + x in self.stored}

    def lacking(self, pairs: Mapping[Name, Name]) -> list[Name]:
        """The model's names that have no pair, nor have those that they are tied to."""
        names = [x for x in self.own if x not in pairs and x[-1] != COUNTER]
        return [x for x in names if not any(other in pairs for other in self.ties.get(x, ()))]

    def differing(self, pairs: Mapping[Name, Name]) -> list[Name]:
        """The model's names whose pairs have other shapes."""
        return [x for x, y in pairs.items() if x[-1] != COUNTER and not fits(self.own[x], self.stored[y])]

    def mapping(self, stored: Name) -> Name:
        """Where the mapping lies that holds a stored tensor."""
        return stored[: self.depths[stored]]


@dataclass(frozen=True)
class Match:
    """What was found for a model's names."""

    pairs: Mapping[Name, Name]
    """From the model's name to the stored one."""
    missing: Collection[Name]
    differing: Collection[Name]
    """The model's names in ``pairs`` whose shapes differ."""
    extra: Collection[Name]
    """Stored names beside the used ones that the model does not have."""
    prefix: Name = ()
    """Under which most of the pairs are stored."""
    copies: Collection[Name] = ()
    """Prefixes under which the whole model is stored once more."""
    rivals: Collection[Name] = ()
    """Those of them that no rule puts behind the prefix that was taken."""

    @property
    def complete(self) -> bool:
        return not (self.missing or self.differing or self.extra)

    @property
    def fitting(self) -> int:
        return len(self.pairs) - len(self.differing)


def match(sides: Sides) -> Match:
    """The best match of a model's names with stored ones.

    A pair ``(p, q)`` of prefixes reads the stored ``p + name`` as the model's ``q + name``; ``q`` is a prefix that all
    of the model's names share, or none. That pair wins by which most names of equal shape fit, then weights before
    averages of weights, then the usual keys, then what changes least, then what is stored first. Where it leaves names
    missing, more prefixes may fill them, provided that then everything fits. Where it does not fit as it stands,
    ``WRAPPERS`` are taken out of the names of both sides.
    """
    first = _match(sides)
    if first.complete or any(len({_bare(x) for x in names}) < len(names) for names in (sides.own, sides.stored)):
        return first
    second = _match(sides.bare())
    if (second.complete, second.fitting) <= (first.complete, first.fitting):
        return first
    own, stored = ({_bare(x): x for x in names} for names in (sides.own, sides.stored))
    return replace(
        second,
        pairs={own[x]: stored[y] for x, y in second.pairs.items()},
        missing=[own[x] for x in second.missing],
        differing=[own[x] for x in second.differing],
        extra=[stored[y] for y in second.extra],
    )


def fits(own: Shape, stored: Shape) -> bool:
    """Equal, or a scalar that torch 0.3 saved as a vector of one."""
    return own == stored or (own == () and stored == (1,))


def is_average(prefix: Name) -> bool:
    """Whether a prefix says that the weights under it are averages over steps: ``model_ema``, ``swaModel``."""
    words = {word.lower() for step in prefix for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", step)}
    return bool(words & AVERAGES)


def _bare(name: Name) -> Name:
    return (*(step for step in name[:-1] if step not in WRAPPERS), name[-1])


def _match(sides: Sides) -> Match:
    votes = _votes(sides)
    if not votes:
        return Match({}, sides.lacking({}), [], list(sides.stored))
    prefix, base = min(votes, key=lambda pair: (-votes[pair], *_preference(*pair)))
    others = [p for p, q in votes if q == base and p != prefix]
    inner = replace(sides, own={x[len(base) :]: shape for x, shape in sides.own.items()},
                    ties={x[len(base) :]: [y[len(base) :] for y in ys] for x, ys in sides.ties.items()})  # fmt: skip
    pairs, used = inner.under(prefix), [prefix]
    copies = [] if _gaps(inner, pairs) else [p for p in others if not _gaps(inner, inner.under(p))]
    found = _judged(inner, pairs, used, copies)
    while missing := inner.lacking(pairs):
        taken = set(pairs.values())
        free = replace(inner, stored={y: shape for y, shape in inner.stored.items() if y not in taken})
        gains = {p: _gain(free, missing, p) for p in others}
        best = max(gains, key=gains.__getitem__, default=prefix)
        if not gains.get(best):
            break
        pairs, used = {**free.under(best), **pairs}, [*used, best]
    filled = _judged(inner, pairs, used, copies)
    found = filled if filled.complete else found
    return replace(
        found,
        pairs={base + x: y for x, y in found.pairs.items()},
        missing=[base + x for x in found.missing],
        differing=[base + x for x in found.differing],
    )


def _votes(sides: Sides) -> Counter[tuple[Name, Name]]:
    """How many names each pair of prefixes brings together; one of equal shape outweighs all of other shapes."""
    bases, weight = list(_shared(sides.own)), len(sides.own) + 1
    votes: Counter[tuple[Name, Name]] = Counter()
    for y, shape in sides.stored.items():
        for base in bases:
            for i in range(len(y)):
                if (own := sides.own.get(base + y[i:])) is not None and y[-1] != COUNTER:
                    votes[y[:i], base] += weight if fits(own, shape) else 1
    return votes


def _shared(names: Collection[Name]) -> Iterator[Name]:
    """The prefixes that all names share, the empty one first."""
    steps = takewhile(lambda at: len(set(at)) == 1, zip(*(name[:-1] for name in names), strict=False))
    return accumulate(((at[0],) for at in steps), initial=())


def _preference(prefix: Name, base: Name) -> tuple[bool, int, int]:
    return *_standing(prefix), len(prefix) + len(base)


def _standing(prefix: Name) -> tuple[bool, int]:
    steps = [step for step in prefix if step not in WRAPPERS] or prefix  # "module" tells no two networks apart
    usual = min((USUAL.index(step) for step in steps if step in USUAL), default=len(USUAL))
    return is_average(prefix), usual if prefix else -1


def _gaps(sides: Sides, pairs: Mapping[Name, Name]) -> bool:
    return bool(sides.lacking(pairs) or sides.differing(pairs))


def _gain(sides: Sides, missing: Iterable[Name], prefix: Name) -> int:
    return sum(fits(sides.own[x], sides.stored[prefix + x]) for x in missing if prefix + x in sides.stored)


def _judged(sides: Sides, pairs: Mapping[Name, Name], used: Collection[Name], copies: Collection[Name]) -> Match:
    prefix = next(iter(used))
    mappings, taken = {sides.mapping(y) for y in pairs.values()}, set(pairs.values())
    beside = [y for y in sides.stored if y not in taken and y[-1] != COUNTER and sides.mapping(y) in mappings]
    apart = [p for p in copies if p != prefix[: len(p)]]
    extra = [y for y in beside if _begins(y, used) and not _begins(y, apart)]
    rivals = [p for p in apart if not _begins(p, [prefix]) and _standing(p) == _standing(prefix)]
    return Match(pairs, sides.lacking(pairs), sides.differing(pairs), extra, prefix, copies, rivals)


def _begins(name: Name, prefixes: Iterable[Name]) -> bool:
    return any(name[: len(prefix)] == prefix for prefix in prefixes)
