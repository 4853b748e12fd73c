"""``tutelage compress``: a trained network and data of one's own in, the same network smaller or faster out."""

from collections.abc import Sequence

from tutelage.cli.run import run

COMPRESS = "own:compress"


def compress(words: Sequence[str]) -> int:
    """Make a trained network itself smaller or faster: the same as `tutelage run own:compress FLAGS`."""
    return run([COMPRESS, *words], called="tutelage compress")
