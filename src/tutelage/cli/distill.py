"""``tutelage distill``: a trained network and data of one's own in, a small measured network out."""

from collections.abc import Sequence

from tutelage.cli.run import run

DISTILL = "own:distill"


def distill(words: Sequence[str]) -> int:
    """Make a small network of a trained one: the same as `tutelage run own:distill FLAGS`."""
    return run([DISTILL, *words], called="tutelage distill")
