"""Plain JSON values to typed dataclasses, with errors that name the place."""

import dataclasses
import math
import types
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
ROUNDING = 1e-5
NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def decode(kind: type[T], value: object, where: str) -> T:
    """``value`` as a ``kind``: a dataclass, ``str``, ``int``, ``float``, ``bool``, a
    ``Literal``, or a tuple, dict or option of them.

    Keys that ``kind`` does not have are ignored, so that an older report reads a newer run. Numbers of a field whose
    metadata has bounds ``within`` lie in them, but for what rounding adds. Raises ``ValueError`` that
    names the place (``results.json: networks[0].scores``), what was expected there and what came.

    >>> decode(tuple[float, ...], [1, 2.5], "a.json")
    (1.0, 2.5)
    >>> decode(int, "x", "a.json: epochs")
    Traceback (most recent call last):
    ValueError: a.json: epochs should be a whole number, but is 'x'.
    """
    result: T = _decode(kind, value, where)
    return result


def _decode(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        _refuse_not_finite(value, where)
        return value
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, where)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        return None if value is None else _decode(next(k for k in inner if k is not type(None)), value, where)
    if origin is Literal:
        _expect(value in inner, f"one of {', '.join(map(str, inner))}", value, where)
        return value
    if origin is tuple:
        return _sequence(inner, value, where)
    if origin is dict:
        _expect(isinstance(value, dict), "an object", value, where)
        return {key: _decode(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    return _scalar(kind, value, where)


def _record(kind: Any, value: Any, where: str) -> Any:
    _expect(isinstance(value, dict), "an object", value, where)
    hints, fields = get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        place = f"{where}.{field.name}" if ":" in where else f"{where}: {field.name}"
        if field.name in value:
            fields[field.name] = _decode(hints[field.name], value[field.name], place)
            if "within" in field.metadata:
                low, high = field.metadata["within"]
                _refuse_outside(low, high, fields[field.name], place)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{place} is missing.")
    return kind(**fields)


def _sequence(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    _expect(isinstance(value, list | tuple), "a list", value, where)
    kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
    _expect(len(kinds) == len(value), f"a list of {len(kinds)}", value, where)
    return tuple(_decode(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, value, strict=True)))


def _scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    _expect(isinstance(value, kind) and (kind is bool) == isinstance(value, bool), NAMES[kind], value, where)
    _expect(not isinstance(value, float) or math.isfinite(value), "a finite number", value, where)
    return value


def _refuse_not_finite(value: Any, where: str) -> None:
    if isinstance(value, dict | list):
        places = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in places:
            _refuse_not_finite(item, f"{where}.{key}" if isinstance(value, dict) else f"{where}[{key}]")
    _expect(not isinstance(value, float) or math.isfinite(value), "a finite number", value, where)


def _refuse_outside(low: float, high: float, value: Any, where: str) -> None:
    if isinstance(value, tuple):
        for place, item in enumerate(value):
            _refuse_outside(low, high, item, f"{where}[{place}]")
    elif value is not None:
        what = f"{low:g} or more" if high == math.inf else f"between {low:g} and {high:g}"
        _expect(low - ROUNDING <= value <= high + ROUNDING, what, value, where)


def _expect(right: bool, what: str, value: object, where: str) -> None:
    if not right:
        words = repr(value)
        raise ValueError(f"{where} should be {what}, but is {words if len(words) <= 60 else words[:57] + '...'}.")
