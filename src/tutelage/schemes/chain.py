"""Networks in a row, each taught by the one before it: assistants, generations, and plain distillation as the shortest.

Mirzadeh et al., "Improved knowledge distillation via teacher assistant", 2020, arXiv:1902.03393; Furlanello et al.,
"Born-again neural networks", 2018, arXiv:1805.04770.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from torch import nn

from tutelage.keys import Build
from tutelage.run import Run
from tutelage.stages.stage import Fit
from tutelage.stages.storage import Finished


class Link(NamedTuple):
    """A network of a chain: the stage that it is, how it is built, how a given teacher teaches it, and its seed."""

    name: str
    build: Build
    taught: Callable[[nn.Module], Fit]
    seed: int = 0


def chain(run: Run, first: nn.Module, links: Iterable[Link]) -> Iterator[Finished]:
    """The network of each link in turn, taught by that of the link before it; the first one by ``first``.

    Each is trained when it is asked for, so that links may go on for ever; what teaches is a network after its last
    epoch. A stage that another chain needs as well is trained once. Raises ``ValueError`` for no link.
    """
    teacher, finished = first, None
    for link in links:
        finished = run.stage(link.name, link.build, link.taught(teacher), seed=link.seed)
        yield finished
        teacher = finished.last
    if finished is None:
        raise ValueError("A chain has one student or more; got none.")
