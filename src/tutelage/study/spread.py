"""Settings whose fields are keyword arguments of a recipe itself: ``--size``, not ``--samples.size``. No torch here."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field
from functools import wraps
from typing import Any

from tutelage.study.dotted import fields_of

SPREAD = "_tutelage_spread"
"""The attribute of a recipe that holds the settings whose docstrings say what its further arguments mean."""


def spread(name: str, settings: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Marks a recipe whose argument ``name`` is of the dataclass ``settings``: its callers give the fields one by one.

    Raises ``ValueError`` for a field that is called as another argument is.
    """

    def mark(recipe: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(recipe)
        others = [x for x in signature.parameters.values() if x.name != name]
        own = [inspect.Parameter(x, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=hint)
               for x, field, hint in fields_of(settings)]  # fmt: skip
        names = {x.name for x in own}
        if taken := sorted(names & {x.name for x in others}):
            raise ValueError(f"{recipe.__name__} has an argument {taken[0]!r}, and so has {settings.__name__}.")

        @wraps(recipe)
        def called(run: Any, **given: Any) -> None:
            inside = {x: given.pop(x) for x in names & given.keys()}
            recipe(run, **given, **{name: settings(**inside)})

        setattr(called, "__signature__", signature.replace(parameters=[*others, *own]))  # noqa: B010 - typed otherwise
        setattr(called, SPREAD, settings)
        return called

    return mark


def _default(field: "Field[Any]") -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()
