"""Bounds in annotations, ``Annotated[int, Above(0)]``, and what they refuse before anything is trained. No torch."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from math import inf
from numbers import Real
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
        return f"more than {self.least:g}"


@dataclass(frozen=True)
class AtLeast:
    """A finite number is ``least`` or more."""

    least: float

    def holds(self, number: float) -> bool:
        return self.least <= number < inf

    def __str__(self) -> str:
        return f"at least {self.least:g}"


@dataclass(frozen=True)
class AtMost:
    """A number is ``most`` or less."""

    most: float

    def holds(self, number: float) -> bool:
        return -inf < number <= self.most

    def __str__(self) -> str:
        return f"at most {self.most:g}"


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
        return f"between {self.low:g} and {self.high:g}"


_COLLECTIONS = (tuple, list, set, frozenset)

Count: TypeAlias = Annotated[int, Above(0)]
Number: TypeAlias = Annotated[int, AtLeast(0)]
Positive: TypeAlias = Annotated[float, Above(0)]
NotNegative: TypeAlias = Annotated[float, AtLeast(0)]
Share: TypeAlias = Annotated[float, Within(0, 1)]
Names: TypeAlias = Annotated[tuple[str, ...], NotEmpty()]


def refuse_nonsense(recipe: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raise ``ValueError``, before hours are spent, for an argument that the recipe's annotations do not allow.

    ``refuse_nonsense(hinton, locals())`` is a recipe's first line: what else is among its locals does not matter.
    Settings are held against the annotations of their fields. Bounds hold for every element of a tuple or dictionary,
    and beside ``None``; a ``Literal`` is a bound. What has no bounds may be anything.

    >>> from tutelage.study.settings import NetworkSettings, TrainingSettings
    >>> def recipe(run, *, student: NetworkSettings): ...
    >>> refuse_nonsense(recipe, {"student": NetworkSettings(name="resnet20", training=TrainingSettings(batch_size=0))})
    Traceback (most recent call last):
    ValueError: --student.batch-size must be more than 0; got 0.
    """
    for name, hint in hints_of(recipe).items():
        for refusal in _refusals(name, arguments[name], hint) if name in arguments else ():
            raise ValueError(refusal)


def _refusals(name: str, value: Any, hint: Any) -> Iterator[str]:
    """A sentence for everything about ``value`` that its annotation, or those of its fields, do not allow."""
    origin, parts = get_origin(hint), get_args(hint)
    if is_settings(value):
        for within, field, inner in fields_of(type(value)):
            yield from _refusals(dotted_name(name, within), getattr(value, field.name), inner)
    elif origin is Annotated:
        if any(isinstance(part, NotEmpty) for part in parts[1:]) and not value:
            yield f"--{name.replace('_', '-')} takes one value or more; got none."
        numbers = [x for x in (value if isinstance(value, _COLLECTIONS) else [value]) if isinstance(x, Real)]
        yield from (_refusal(name, bound, x) for bound in parts[1:] for x in numbers if _is_beyond(bound, x))
        yield from _refusals(name, value, parts[0])
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
    return f"--{name.replace('_', '-')} must be {rule}; got {value}."


def _is_beyond(bound: Any, number: Any) -> bool:
    return isinstance(bound, Above | AtLeast | AtMost | Within) and not bound.holds(number)


def _may_be(value: Any, hint: Any) -> bool:
    """Whether ``hint`` is the part of a union that ``value`` belongs to."""
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    kind = get_origin(bare) or bare
    if kind is Literal:
        return type(value) in map(type, get_args(bare))
    return isinstance(value, Real if kind in (int, float) else kind) if isinstance(kind, type) else True
