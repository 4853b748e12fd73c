"""Places of a few values among many zeros, as the distance of each to the one before it, in few bits."""

import numpy
from numpy.typing import NDArray

Places = NDArray[numpy.int64]


def gaps_of(places: Places, span: int) -> tuple[Places, NDArray[numpy.bool_]]:
    """Distances of 1 to ``span`` that lead to the rising ``places``, and which of them arrive at one.

    Where the next place is farther away, a filler of ``span`` goes before, which arrives at a zero. The first distance
    is from the place before 0.

    Han, Mao & Dally, "Deep Compression", ICLR 2016, arXiv:1510.00149, §2 and figure 2.

    >>> gaps, arrives = gaps_of(numpy.array([1, 4, 15]), span=8)
    >>> gaps.tolist(), arrives.tolist()
    ([2, 3, 8, 3], [True, True, False, True])
    """
    steps = numpy.diff(places, prepend=-1)
    fillers = (steps - 1) // span
    ends = numpy.cumsum(fillers + 1) - 1
    gaps = numpy.full(int(ends[-1]) + 1 if len(ends) else 0, span, dtype=numpy.int64)
    gaps[ends] = steps - fillers * span
    arrives = numpy.zeros(len(gaps), dtype=numpy.bool_)
    arrives[ends] = True
    return gaps, arrives


def places_of(gaps: Places, arrives: NDArray[numpy.bool_]) -> Places:
    """The places that the distances lead to."""
    return (numpy.cumsum(gaps) - 1)[arrives]
