"""Whether a run may decide what was published: only one that was asked for exactly what the claim is about."""

from collections.abc import Collection

from tutelage.run import Run

PAPER = "paper"
"""The preset that repeats a publication: the recipe's own defaults."""


def cannot_decide(run: Run, free: Collection[str] = ()) -> str:
    """Why ``run`` cannot decide a claim of its recipe; nothing if it can.

    It can with the preset ``paper`` and no flag changed but the seed and those in ``free``, on which the claim does not
    depend. A run whose arguments are not on record decides nothing.
    """
    if run.preset != PAPER:
        return "the paper preset decides"
    if not run.arguments:
        return "its arguments are not on record"
    if changed := run.departures(free):
        return f"the paper preset decides, without {', '.join(changed)}"
    return ""
