"""Settings whose fields are keyword arguments of a recipe itself: ``--size``, not ``--samples.size``. No torch here."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field
from functools import wraps
from typing import Any

from tutelage.study.dotted import fields_of

SPREAD = "_tutelage_spread"
"""The attribute of a recipe that holds the settings whose docstrings say what its further arguments mean."""


def spread(**bundles: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Marks a recipe whose arguments of these names are dataclasses: its callers give the fields one by one.

    Raises ``ValueError`` for a field that is called as another argument is.
    """

    def mark(recipe: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(recipe)
        parameters = {x.name: x for x in signature.parameters.values() if x.name not in bundles}
        names: dict[str, set[str]] = {}
        for bundle, settings in bundles.items():
            own = [inspect.Parameter(x, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=hint)
                   for x, field, hint in fields_of(settings)]  # fmt: skip
            names[bundle] = {x.name for x in own}
            if taken := sorted(names[bundle] & parameters.keys()):
                raise ValueError(f"{recipe.__name__} has an argument {taken[0]!r}, and so has {settings.__name__}.")
            parameters |= {x.name: x for x in own}

        @wraps(recipe)
        def called(run: Any, **given: Any) -> None:
            inside = {bundle: {x: given.pop(x) for x in own & given.keys()} for bundle, own in names.items()}
            recipe(run, **given, **{bundle: bundles[bundle](**values) for bundle, values in inside.items()})

        setattr(called, "__signature__", signature.replace(parameters=list(parameters.values())))  # noqa: B010 - typed otherwise
        setattr(called, SPREAD, tuple(bundles.values()))
        return called

    return mark


def _default(field: "Field[Any]") -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is MISSING else field.default
