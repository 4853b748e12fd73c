"""Whether a file of weights differs from a network by the number of its answers alone."""

from pathlib import Path

from torch import nn

from tutelage.weights.foreign import own_tensors, shapes_of, ties_of
from tutelage.weights.names import Sides, match
from tutelage.weights.nested import named_tensors
from tutelage.weights.read import read


def rows_of_head(path: Path, model: nn.Module) -> tuple[int, int] | None:
    """How many answers the weights in ``path`` give, and how many ``model`` does, if nothing else keeps them apart.

    ``None`` where they fit, and where more differs than the first size of some tensors, all alike. Raises
    ``ValueError`` for a file that holds no weights.
    """
    own = own_tensors(model)
    stored, depths = named_tensors(read(path))
    found = match(Sides(shapes_of(own), shapes_of(stored), depths, ties_of(own)))
    if found.missing or found.extra or not found.differing:
        return None
    pairs = [(tuple(stored[found.pairs[x]].shape), tuple(own[x].shape)) for x in found.differing]
    rows = {(there[0], here[0]) for there, here in pairs if there and here and there[1:] == here[1:]}
    alike = len(rows) == 1 and all(there and here and there[1:] == here[1:] for there, here in pairs)
    return rows.pop() if alike else None
