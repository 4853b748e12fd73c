"""Whether a run may decide what was published: only one that did exactly what the claim is about."""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tutelage.folders import departures
from tutelage.run import Run
from tutelage.study.dotted import flattened

PAPER = "paper"
"""The preset that repeats a publication: the recipe's own defaults."""


def cannot_decide(
    run: Run, recipe: Callable[..., Any], arguments: Mapping[str, Any], free: Collection[str] = ()
) -> str:
    """Why ``run`` cannot decide a claim of ``recipe``, a function of ours; nothing if it can.

    It can with the preset ``paper`` if the ``arguments`` with which the recipe was called, its ``locals()``, are its
    own defaults, but for the seed and those in ``free``, on which the claim does not depend. What the run's folder says
    of its arguments is not asked: whoever calls a recipe may call a run what he likes.
    """
    if run.preset != PAPER:
        return "the paper preset decides"
    defaults = {x.name: x.default for x in inspect.signature(recipe).parameters.values() if x.kind is x.KEYWORD_ONLY}
    used = {name: arguments[name] for name in defaults}
    if changed := departures(flattened(used), flattened(defaults), free):
        return f"the paper preset decides, without {', '.join(changed)}"
    return ""
