"""Bounds in annotations, ``Annotated[int, Above(0)]``, and what they refuse before anything is trained. No torch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from math import inf
from numbers import Integral, Real
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from tutelage.study.dotted import dotted_name, fields_of, hints_of, is_settings


@dataclass(frozen=True)
class Above:
    """A finite number is more than ``least``: ``Annotated[int, Above(0)]``."""

    least: float

    def holds(self, number: float) -> bool:
        return self.least < number < inf

    def __str__(self) -> str:
        return f"more than {_plain(self.least)}"


@dataclass(frozen=True)
class AtLeast:
    """A finite number is ``least`` or more."""

    least: float

    def holds(self, number: float) -> bool:
        return self.least <= number < inf

    def __str__(self) -> str:
        return f"at least {_plain(self.least)}"


@dataclass(frozen=True)
class AtMost:
    """A number is ``most`` or less."""

    most: float

    def holds(self, number: float) -> bool:
        return -inf < number <= self.most

    def __str__(self) -> str:
        return f"at most {_plain(self.most)}"


class NotEmpty:
    """A tuple has one element or more: ``Annotated[tuple[str, ...], NotEmpty()]``."""


@dataclass(frozen=True)
class Within:
    """A number is between ``low`` and ``high``, both included."""

    low: float
    high: float

    def holds(self, number: float) -> bool:
        return self.low <= number <= self.high

    def __str__(self) -> str:
        return f"between {_plain(self.low)} and {_plain(self.high)}"


class Distinct:
    """A tuple has no element twice; numbers that look alike to six digits are the same, as they share a name."""


_COLLECTIONS = (tuple, list, set, frozenset)
_KINDS: Mapping[Any, tuple[type, str]] = {
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
}

Count: TypeAlias = Annotated[int, Above(0), AtMost(10**9)]
Number: TypeAlias = Annotated[int, AtLeast(0), AtMost(10**9)]
Epochs: TypeAlias = Annotated[int, Above(0), AtMost(10**6)]
Positive: TypeAlias = Annotated[float, Above(0), AtMost(1e6)]
NotNegative: TypeAlias = Annotated[float, AtLeast(0), AtMost(1e6)]
Share: TypeAlias = Annotated[float, Within(0, 1)]
Names: TypeAlias = Annotated[tuple[str, ...], NotEmpty(), Distinct()]

Seed: TypeAlias = Annotated[int, AtLeast(0), AtMost(2**32 - 1)]
"""What torch, numpy and our own counting all take, and a hundred times as much."""
Temperature: TypeAlias = Annotated[float, AtLeast(0.01), AtMost(1000)]
"""``T²`` and ``logits / T`` stay far from the ends of float32, and softened probabilities from each other."""
Rate: TypeAlias = Annotated[float, AtLeast(1e-9), AtMost(1000)]
"""A learning rate: less moves no float32, more leaves none finite."""
Weight: TypeAlias = Annotated[float, AtLeast(1e-6), AtMost(1e6)]
"""How much a loss counts that is there at all, beside one of about 1."""


def refuse_nonsense(recipe: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raise ``ValueError``, before hours are spent, for an argument that the recipe's annotations do not allow.

    ``refuse_nonsense(hinton, locals())`` is a recipe's first line: what else is among its locals does not matter.
    Settings are held against the annotations of their fields. Bounds hold for every element of a tuple or dictionary,
    and beside ``None``; a ``Literal`` is a bound, and so are ``int``, ``float`` and ``str``. What has no others may be
    any value of its type.

    >>> from tutelage.study.settings import NetworkSettings, TrainingSettings
    >>> def recipe(run, *, student: NetworkSettings): ...
    >>> refuse_nonsense(recipe, {"student": NetworkSettings(name="resnet20", training=TrainingSettings(batch_size=0))})
    Traceback (most recent call last):
    ValueError: --student.batch-size must be more than 0; got 0.
    """
    for name, hint in hints_of(recipe).items():
        for refusal in _refusals(name, arguments[name], hint) if name in arguments else ():
            raise ValueError(refusal)


def refuse_fields(settings: Any) -> None:
    """The same for the fields of a dataclass, each of which is a flag."""
    for name, field, hint in fields_of(type(settings)):
        for refusal in _refusals(name, getattr(settings, field.name), hint):
            raise ValueError(refusal)


def _refusals(name: str, value: Any, hint: Any) -> Iterator[str]:
    """A sentence for everything about ``value`` that its annotation, or those of its fields, do not allow."""
    origin, parts = get_origin(hint), get_args(hint)
    if is_settings(value):
        for within, field, inner in fields_of(type(value)):
            yield from _refusals(dotted_name(name, within), getattr(value, field.name), inner)
    elif origin is Annotated:
        of_all = parts[1:] if isinstance(value, _COLLECTIONS) else ()
        if any(isinstance(part, NotEmpty) for part in of_all) and not value:
            yield f"--{name.replace('_', '-')} takes one value or more; got none."
        if any(isinstance(part, Distinct) for part in of_all) and (twice := _twice(value)):
            yield f"--{name.replace('_', '-')} takes each value once; got {twice} twice."
        numbers = [x for x in (value if isinstance(value, _COLLECTIONS) else [value]) if isinstance(x, Real)]
        yield from (_refusal(name, bound, x) for bound in parts[1:] for x in numbers if _is_beyond(bound, x))
        yield from _refusals(name, value, parts[0])
    elif isinstance(hint, type) and hint in _KINDS:
        kind, words = _KINDS[hint]
        if isinstance(value, bool) or not isinstance(value, kind):
            yield _refusal(name, words, repr(value))
    elif origin in (tuple, list) and not isinstance(value, _COLLECTIONS):
        yield _refusal(name, "several values", repr(value))
    elif origin is Literal and value not in parts:
        yield _refusal(name, f"one of {', '.join(map(str, parts))}", value)
    elif origin in (Union, UnionType):
        possible = [list(_refusals(name, value, part)) for part in parts if _may_be(value, part)]
        yield from min(possible, key=len, default=[])
    elif isinstance(value, Mapping):
        for content in value.values():
            yield from _refusals(name, content, parts[-1] if parts else Any)
    elif isinstance(value, _COLLECTIONS):
        each = parts if origin is tuple and ... not in parts else repeat(parts[0] if parts else Any)
        for content, inner in zip(value, each, strict=False):
            yield from _refusals(name, content, inner)


def _refusal(name: str, rule: object, value: Any) -> str:
    finite = ", and finite" if isinstance(rule, Above | AtLeast) and value in (inf, -inf) else ""
    return f"--{name.replace('_', '-')} must be {rule}{finite}; got {value}."


def _twice(values: Any) -> str:
    """The first value that is there a second time, as it is shown; nothing if all differ."""
    shown = [f"{x:g}" if isinstance(x, Real) else str(x) for x in values]
    return next((x for x in shown if shown.count(x) > 1), "")


def _plain(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def _is_beyond(bound: Any, number: Any) -> bool:
    return isinstance(bound, Above | AtLeast | AtMost | Within) and not bound.holds(number)


def _may_be(value: Any, hint: Any) -> bool:
    """Whether ``hint`` is the part of a union that ``value`` belongs to."""
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    kind = get_origin(bare) or bare
    if kind is Literal:
        return type(value) in map(type, get_args(bare))
    return isinstance(value, Real if kind in (int, float) else kind) if isinstance(kind, type) else True
