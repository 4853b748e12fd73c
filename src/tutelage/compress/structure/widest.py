"""The most gates that a cost holds, opened one after the other: who is too dear is passed over, the next is tried."""

from collections.abc import Sequence
from typing import NamedTuple

from tutelage.compress.structure.alive import Alive
from tutelage.compress.structure.costs import Price, price_of
from tutelage.compress.structure.graph import Channels


class Gate(NamedTuple):
    """What can be closed by itself: the reader ``layer``'s gate of this ``place``, or, of none, the branch it ends."""

    layer: str
    place: int | None


def too_dear(channels: Channels, order: Sequence[Gate], price: Price, limit: float) -> set[Gate]:
    """The gates of ``order`` that stay closed when each opens in its turn if no more than ``limit`` is spent then.

    All others of the network are open. Whoever did not fit would not fit later, for a network costs no less when more
    of it is open: none of those that are left can be opened by itself. Exact, and nearly as fast as closing them all:
    gates of the later half are closed while it is asked about the earlier half, and so on.

    >>> from torch import nn, zeros
    >>> from tutelage.compress.structure.channels import channels_of
    >>> from tutelage.compress.structure.costs import macs
    >>> channels = channels_of(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), zeros(1, 3))
    >>> sorted(too_dear(channels, [Gate("2", place) for place in (3, 1, 0, 2)], macs, limit=11))
    [Gate(layer='2', place=0), Gate(layer='2', place=2)]
    """
    state, left = Alive(channels), list[Gate]()

    def visit(gates: Sequence[Gate]) -> None:
        """With all after ``gates`` closed, and all before them that do not fit: close those of them that do not."""
        if price_of(state, price) <= limit:
            return
        if len(gates) == 1:
            left.append(gates[0])
            close(state, gates[0])
            return
        middle, before = len(gates) // 2, len(left)
        with state.tried():
            for gate in reversed(gates[middle:]):
                close(state, gate)
            visit(gates[:middle])
        for gate in left[before:]:
            close(state, gate)
        visit(gates[middle:])

    if order:
        visit(order)
    return set(left)


def close(state: Alive, gate: Gate) -> None:
    """Close it, with all that follows."""
    if gate.place is None:
        state.close_branch(gate.layer)
    else:
        state.close(gate.layer, gate.place)


def works(state: Alive, gate: Gate) -> bool:
    """Whether it is open, and what it lets through is read and made of something."""
    return not state.closed[gate.layer] if gate.place is None else state.opened[gate.layer][gate.place]
