"""A recipe's arguments by dotted names: ``student.epochs`` is a field of the settings ``student``. No torch here."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any, get_type_hints


def flattened(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Every value by its dotted name: what the command's flags are called, and what ``arguments.json`` holds.

    >>> from tutelage.study.settings import NetworkSettings, TrainingSettings
    >>> student = NetworkSettings(name="resnet20", training=TrainingSettings(epochs=3))
    >>> flat = flattened({"student": student, "temperature": 4.0})
    >>> flat["student.name"], flat["student.epochs"], flat["temperature"]
    ('resnet20', 3, 4.0)
    """
    return {leaf: content for name, value in arguments.items() for leaf, content in _leaves(name, value)}


def unflattened(defaults: Mapping[str, Any], dotted: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments ``defaults`` with the values of ``dotted`` in them, so that ``flattened`` gives those back.

    Raises ``ValueError`` for a dotted name that no default has.

    >>> from tutelage.study.settings import NetworkSettings
    >>> defaults = {"student": NetworkSettings(name="resnet20"), "seed": 0}
    >>> unflattened(defaults, {"student.epochs": 3})["student"].training.epochs
    3
    """
    known = flattened(defaults)
    if unknown := [name for name in dotted if name not in known]:
        raise ValueError(f"There is no {', '.join(unknown)} among the arguments; they are {', '.join(known)}.")
    return {name: _replaced(name, value, dotted) for name, value in defaults.items()}


def hints_of(recipe: Callable[..., Any]) -> dict[str, Any]:
    """Keyword-only argument -> its annotation, of a function or a partial of one. ``run: "Run"`` need not resolve.

    Raises ``ValueError`` for an annotation that cannot be read.
    """
    function = root(recipe)
    keywords = [x for x in inspect.signature(function).parameters.values() if x.kind is x.KEYWORD_ONLY]
    alone = SimpleNamespace(__annotations__={x.name: x.annotation for x in keywords if x.annotation is not x.empty})
    try:
        return get_type_hints(alone, globalns=inspect.unwrap(function).__globals__, include_extras=True)
    except NameError as error:
        where = f"{function.__module__}:{function.__qualname__}"
        raise ValueError(f"{where} has a flag of the type {error.name!r}, which its module lacks.") from None


def root(function: Any) -> Any:
    """The function itself, of however many partials: one that was given a docstring is not flattened."""
    while isinstance(function, partial):
        function = function.func
    return function


def fields_of(settings: type[Any]) -> Iterator[tuple[str, Field[Any], Any]]:
    """What each field is called in a dotted name, the field, and its annotation; a nested one that is flat, nothing."""
    hints = get_type_hints(settings, include_extras=True)
    for field in fields(settings):
        if field.init:
            metadata = getattr(hints[field.name], "__metadata__", ())
            name = next((x.name for x in metadata if getattr(x, "name", None) is not None), field.name)
            yield name, field, hints[field.name]


def dotted_name(name: str, within: str) -> str:
    """The dotted name of what is called ``within`` there."""
    return f"{name}.{within}" if within else name


def is_settings(value: Any) -> bool:
    """Whether it is an object of a dataclass, whose fields have names of their own."""
    return is_dataclass(value) and not isinstance(value, type)


def _leaves(name: str, value: Any) -> list[tuple[str, Any]]:
    if not is_settings(value):
        return [(name, value)]
    inner = [(dotted_name(name, within), getattr(value, field.name)) for within, field, _ in fields_of(type(value))]
    return [leaf for pair in inner for leaf in _leaves(*pair)]


def _replaced(name: str, value: Any, dotted: Mapping[str, Any]) -> Any:
    if not is_settings(value):
        return dotted.get(name, value)
    inner = [(dotted_name(name, within), field.name) for within, field, _ in fields_of(type(value))]
    return replace(value, **{field: _replaced(leaf, getattr(value, field), dotted) for leaf, field in inner})
