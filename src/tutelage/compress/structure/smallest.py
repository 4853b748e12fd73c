"""The least network that gates can leave of another."""

from collections.abc import Iterable

from tutelage.compress.structure.alive import Alive
from tutelage.compress.structure.graph import Channels, Closed


def is_fed(state: Alive) -> bool:
    """Whether all that must stay, the answer among it, is still made of something."""
    return not unfed(state)


def unfed(state: Alive) -> list[str]:
    """The layers that must stay, as the answer does, and read nothing any more."""
    layers, stays = state.channels.layers, state.channels.stays
    must = (name for name, layer in layers.items() if layer.mixing and any(stays[channel] for channel in layer.makes))
    return [name for name in must if not state.inputs[name]]


def smallest(channels: Channels, readers: Iterable[str], branches: Iterable[str]) -> Closed:
    """What is closed of the least network that gates on these leave: as much as there can be, and an answer still.

    Branches go first, then all that a reader reads, one after the other in the order in which they run; where the
    answer would depend on nothing any more, one channel stays.
    """
    state = Alive(channels)
    for name in branches:
        if _keeps_answer(state, name, range(0)):
            state.close_branch(name)
    for name in readers:
        gates = range(len(channels.layers[name].gates))
        for gate in gates if _keeps_answer(state, name, gates) else gates[1:]:
            state.close(name, gate)
    return state.as_closed()


def _keeps_answer(state: Alive, name: str, gates: range) -> bool:
    with state.tried():
        if not gates:
            state.close_branch(name)
        for gate in gates:
            state.close(name, gate)
        return is_fed(state)
