"""All ways down from a teacher to a student through networks in between: which assistants are worth their training?

Mirzadeh et al., "Improved knowledge distillation via teacher assistant", 2020, arXiv:1902.03393.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import combinations
from typing import TypeAlias, TypeVar

from torch import nn

from tutelage.plurals import counted
from tutelage.run import Run
from tutelage.schemes.chain import Link, chain
from tutelage.stages.storage import Finished

Size = TypeVar("Size", bound=Hashable)
Path: TypeAlias = tuple[Size, ...]
"""From the teacher on, each network the teacher of the next."""


def paths(sizes: Sequence[Size]) -> list[Path[Size]]:
    """Every way down from the first of ``sizes`` to each of the others, through any of those between; short ones first.

    With n sizes between the first and the last there are 2ⁿ ways to the last, and 2ⁿ⁺¹ − 1 in all: each is one
    training, that of its last network. Raises ``ValueError`` for fewer than two sizes, and for one that is there twice.

    >>> paths([10, 6, 2])
    [(10, 6), (10, 2), (10, 6, 2)]
    """
    if len(sizes) < 2:
        raise ValueError(f"A path leads from a teacher to a student: two sizes or more; got {list(sizes)}.")
    if twice := [size for place, size in enumerate(sizes) if size in sizes[:place]]:
        raise ValueError(f"A path passes each size once; {twice[0]} is there twice.")
    first, *others = sizes
    return [(first, *some) for count in range(1, len(sizes)) for some in combinations(others, count)]


def trainings(sizes: Sequence[Size]) -> str:
    """How many trainings all paths take together, in words. Raises ``ValueError`` as ``paths`` does.

    >>> trainings([10, 8, 6, 4, 2])
    '8 paths from 10 to 2: 15 trainings beside the teacher, since what paths share is trained once; apart, 20'
    >>> trainings([10, 2])
    '1 path from 10 to 2: 1 training beside the teacher'
    """
    ways = paths(sizes)
    ends = [path for path in ways if path[-1] == sizes[-1]]
    together, apart = len(ways), sum(len(path) - 1 for path in ends)
    count = f"{counted(len(ends), 'path')} from {sizes[0]} to {sizes[-1]}: {counted(together, 'training')}"
    shared = f", since what paths share is trained once; apart, {apart}" if apart > together else ""
    return f"{count} beside the teacher{shared}"


def taught_along_paths(
    run: Run, first: nn.Module, sizes: Sequence[Size], link: Callable[[Path[Size]], Link]
) -> Iterator[tuple[Path[Size], Finished]]:
    """Each of ``paths(sizes)`` and its last network, taught by the last one of the path without it.

    ``first`` is the trained network of the first size; ``link(path)`` says how the last network of a path is built and
    taught. What several paths begin with is trained once; ``trainings`` says how many that are. Raises ``ValueError``
    as ``paths`` does.
    """
    reached = {tuple(sizes[:1]): first}
    for path in paths(sizes):
        (finished,) = chain(run, reached[path[:-1]], [link(path)])
        reached[path] = finished.last
        yield path, finished
