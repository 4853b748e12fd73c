"""Whether a run may decide what was published: only one that did exactly what the claim is about."""

import inspect
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any

from tutelage.folders import departures
from tutelage.run import Run
from tutelage.study.dotted import flattened

PAPER = "paper"
"""The preset that repeats a publication: the recipe's own defaults."""


def cannot_decide(
    run: Run,
    recipe: Callable[..., Any],
    arguments: Mapping[str, Any],
    free: Collection[str] = (),
    deciding: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
) -> str:
    """Why ``run`` cannot decide a claim of ``recipe``, a function of ours; nothing if it can.

    It can with the preset ``paper`` if the ``arguments`` with which the recipe was called, its ``locals()``, are its
    own defaults, but for the seed and those in ``free``, on which the claim does not depend. So it can with the presets
    in ``deciding``, by their names, and their own defaults: those are long enough for what is claimed. What the run's
    folder says of its arguments is not asked: whoever calls a recipe may call a run what he likes.
    """
    presets = {PAPER: recipe, **deciding}
    which = f"the {PAPER} preset decides" if not deciding else f"the presets {' and '.join(presets)} decide"
    if run.preset not in presets:
        return which
    parameters = inspect.signature(presets[run.preset]).parameters.values()
    defaults = {x.name: x.default for x in parameters if x.kind is x.KEYWORD_ONLY}
    used = {name: arguments[name] for name in defaults}
    if changed := departures(flattened(used), flattened(defaults), free):
        return f"{which}, without {', '.join(changed)}"
    return ""
