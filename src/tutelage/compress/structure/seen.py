"""What a pass of a network showed of its channels, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from weakref import ref

from torch import Size, Tensor

from tutelage.compress.structure.graph import Part
from tutelage.compress.structure.ids import Groups, Ids

ZERO = object()
"""The value of what is zero everywhere."""


@dataclass(eq=False)
class Chain:
    """What a layer answers, and what is computed of that alone, element by element."""

    layer: str
    made: int = 1
    taken: int = 0
    overwritten: bool = False  # an addition writes into it


@dataclass(eq=False)
class Seen:
    """An activation, and its channels, if anybody knows them. Two of one ``value`` hold the same numbers.

    ``whole`` are the channels of what it was selected from, in a narrowed network; of what nobody knows, ``chosen`` are
    the places.
    """

    tensor: "ref[Tensor]"  # not held: memory is freed as it is without a trace
    shape: Size
    ids: Ids | None
    depth: int = 0
    chain: Chain | None = None
    value: object = field(default_factory=object)
    whole: Ids | None = None
    chosen: Sequence[int] | None = None


@dataclass(frozen=True)
class Ran:
    """A layer that ran: the channels of its inputs and outputs, and what one of each costs."""

    name: str
    mixing: bool
    slots: list[int]
    made: list[int]
    macs: int
    elements: int


@dataclass(frozen=True)
class Step:
    """An operation, or a layer, with what it took and answered, and ``numbers`` by which it changed each element."""

    operation: str
    where: str
    taken: Sequence[Ids | None]
    made: Sequence[Ids | None]
    numbers: Sequence[float] = ()


@dataclass(eq=False)
class Traced:
    """What a pass showed."""

    groups: Groups = field(default_factory=Groups)
    layers: dict[str, Ran] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    born: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    between: list[tuple[Part, list[int]]] = field(default_factory=list)  # layers: what runs, what comes through
    pools: dict[str, list[int]] = field(default_factory=dict)
    sums: list[tuple[Seen, Seen]] = field(default_factory=list)
    divided: list[tuple[list[int], str]] = field(default_factory=list)  # channels cut into equal parts, and where
    passed: list[str] = field(default_factory=list)  # modules that answered what they took
    samples: int = 1
    mixed: bool = False  # somewhere else than in a layer
    elements: int = 0  # rectified or normalised, of channels that nobody knows

    @property
    def branches(self) -> dict[str, bool]:
        """Layers that end a branch which an addition takes in -> whether the addition writes into it."""
        found = {}
        for pair in self.sums:
            deeper = max(pair, key=lambda x: x.depth)
            chain = deeper.chain
            if chain is not None and chain.made == chain.taken and chain.layer not in self.refused:
                found[chain.layer] = chain.overwritten
        return found


class DiffersError(Exception):
    """A narrower network does something else than the channels that it has left account for; perhaps in what way."""


@dataclass(frozen=True)
class Narrowed:
    """How a network was narrowed: what it was before, the channels that are gone, and by layer what is left to make."""

    before: Traced
    gone: Tensor
    made: Mapping[str, Sequence[int]]
