"""What closed gates take with them: channels that nobody reads, layers that read nothing, branches that add nothing.

To a fixed point: a channel that no reader reads, neither itself nor through layers that work on each channel alone, is
dead. A layer whose channels are all dead, or whose gates are all closed, reads nothing. What comes of layers that read
nothing is constant and read by nobody; a branch that ends in one adds nothing. One thing stays that need not: a stream
that nobody reads but the branches that add to it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tutelage.compress.structure.graph import Channels, Closed, Layer
from tutelage.compress.structure.links import links


class Alive:
    """What of a network is alive while gates are closed, one after the other; ``tried`` takes them back.

    ``inputs`` and ``outputs`` count, by the part's name, the slots that a layer still reads and the channels that it
    still makes; of what runs between layers, by its place in ``channels.between``, the channels that come through.
    """

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        layers, self._links = channels.layers, links(channels)
        self.opened = {name: [True] * len(layer.gates) for name, layer in layers.items()}
        self.dead = [False] * len(channels.stays)
        self.silent = [False] * len(channels.stays)  # constant: made of nothing
        self.closed = dict.fromkeys(layers, False)  # whose whole answer is zero
        self.inputs = {name: len(layer.slots) for name, layer in layers.items()}
        self.outputs: dict[str | int, int] = {name: len(layer.makes) for name, layer in layers.items()}
        self.outputs |= {place: len(made) for place, (_, made) in enumerate(channels.between)}
        self._open = {name: len(layer.gates) for name, layer in layers.items()}
        self._sounds = dict(self._open)  # gates whose channel is not silent
        self._makes = {name: len(layer.makes) for name, layer in layers.items()}  # as outputs, of closed ones too
        self._speaks = dict.fromkeys(layers, True)  # is a source of the channels that it makes
        self._uses, self._sources = list(self._links.uses), list(self._links.sources)
        self._left: list[Callable[[], None]] = []  # to be done
        self._changes: list[tuple[Any, Any, Any]] = []
        self.touched: set[str | int] = set()

    def close(self, reader: str, gate: int) -> None:
        """The reader reads this channel no more, with all that follows."""
        self._left.append(partial(self._close, reader, gate))
        self._settle()

    def close_branch(self, layer: str) -> None:
        """The layer answers with zero, with all that follows."""
        self._left.append(partial(self._close_branch, layer))
        self._settle()

    @contextmanager
    def tried(self) -> Iterator[None]:
        """Afterwards, all is as before; within, ``touched`` are the parts whose counts have changed."""
        before = len(self._changes)
        self.touched = set()
        yield
        while len(self._changes) > before:
            values, key, value = self._changes.pop()
            values[key] = value

    def as_closed(self) -> Closed:
        """All that is closed by now."""
        readers = self.channels.readers
        inputs = {name: ~torch.tensor(self.opened[name], dtype=torch.bool, device="cpu") for name in readers}
        return Closed(inputs, frozenset(name for name in self.channels.branches if self.closed[name]))

    # ---- what follows from what

    def _settle(self) -> None:
        while self._left:
            self._left.pop()()

    def _close(self, reader: str, gate: int) -> None:
        if not self.opened[reader][gate]:
            return
        self._set(self.opened[reader], gate, False)
        self._add(self.inputs, reader, -self._links.width[reader][gate])
        self._add(self._open, reader, -1)
        self._unuse(self.channels.layers[reader].gates[gate])
        if not self._open[reader]:
            self._reads_nothing(self.channels.layers[reader])

    def _reads_nothing(self, layer: Layer) -> None:
        self._mute(layer)
        if layer.ends_branch:
            self._left.append(partial(self._close_branch, layer.part.name))

    def _close_branch(self, name: str) -> None:
        if self.closed[name]:
            return
        layer = self.channels.layers[name]
        self._set(self.closed, name, True)
        self._mute(layer)
        if layer.mixing:
            self._left += [partial(self._close, name, gate) for gate in range(len(layer.gates))]
        else:
            for place, channel in enumerate(layer.makes):
                if not self.dead[channel] and layer.gates[place] != channel:
                    self._unuse(layer.gates[place])
            self._set(self.inputs, name, 0)
        self._set(self.outputs, name, 0)

    def _mute(self, layer: Layer) -> None:
        """It is a source of nothing any more."""
        if not self._speaks[layer.part.name]:
            return
        self._set(self._speaks, layer.part.name, False)
        for place, channel in enumerate(layer.makes):
            if layer.mixing or self._is_source(layer, place):
                self._unsource(channel)

    def _falls_silent(self, channel: int) -> None:
        if self.silent[channel]:
            return
        self._set(self.silent, channel, True)
        self._left += [partial(self._close, *reading) for reading in self._links.read_by[channel]]
        for name, gate in self._links.children[channel]:
            layer = self.channels.layers[name]
            self._add(self._sounds, name, -1)
            if self._speaks[name] and layer.makes[gate] != channel:
                self._unsource(layer.makes[gate])
            if not self._sounds[name] and layer.ends_branch:
                self._left.append(partial(self._close_branch, name))

    def _dies(self, channel: int) -> None:
        if self.dead[channel]:
            return
        self._set(self.dead, channel, True)
        for number in self._links.between[channel]:
            self._add(self.outputs, number, -1)
        for name, place in self._links.made_by[channel]:
            layer = self.channels.layers[name]
            self._add(self._makes, name, -1)
            if self.closed[name]:
                continue
            self._add(self.outputs, name, -1)
            if not layer.mixing:
                self._add(self.inputs, name, -1)
                if layer.gates[place] != channel:
                    self._unuse(layer.gates[place])
            elif not self._makes[name]:
                self._left += [partial(self._close, name, gate) for gate in range(len(layer.gates))]

    # ---- counts

    def _is_source(self, layer: Layer, place: int) -> bool:
        return layer.gates[place] != layer.makes[place] and not self.silent[layer.gates[place]]

    def _unuse(self, channel: int) -> None:
        self._add(self._uses, channel, -1)
        if not self._uses[channel]:
            self._left.append(partial(self._dies, channel))

    def _unsource(self, channel: int) -> None:
        self._add(self._sources, channel, -1)
        if not self._sources[channel]:
            self._left.append(partial(self._falls_silent, channel))

    def _add(self, values: Any, key: Any, change: int) -> None:
        self._set(values, key, values[key] + change)

    def _set(self, values: Any, key: Any, value: Any) -> None:
        self._changes.append((values, key, values[key]))
        values[key] = value
        if values is self.inputs or values is self.outputs:
            self.touched.add(key)


def alive(channels: Channels, closed: Closed) -> Alive:
    """What is alive of a network of which so much is closed.

    Raises ``ValueError`` for a layer that cannot be gated, a branch that cannot be closed, and a wrong number of gates.
    """
    state = Alive(channels)
    for name, shut in closed.inputs.items():
        _refuse_other(channels, name, shut)
        for gate in shut.nonzero().flatten().tolist():
            state.close(name, gate)
    for name in sorted(closed.branches):
        if name not in channels.branches:
            ends = ", ".join(channels.branches) or "none"
            raise ValueError(f"{name!r} does not end a branch that can be closed; those that do: {ends}.")
        state.close_branch(name)
    return state


def settled(channels: Channels, closed: Closed) -> Closed:
    """``closed``, and all that is closed in consequence; every reader has an entry.

    The network that it stands for has every closed input multiplied by zero, and every closed branch. Raises
    ``ValueError`` for a layer that cannot be gated, a branch that cannot be closed, and a wrong number of gates.
    """
    return alive(channels, closed).as_closed()


def _refuse_other(channels: Channels, name: str, shut: Tensor) -> None:
    if name not in channels.readers:
        why = channels.refused.get(name)
        words = f": {why}" if why else f"; those that have gates: {', '.join(channels.readers) or 'none'}"
        raise ValueError(f"{name!r} has no gates{words}.")
    gates = channels.readers[name].gates
    if shut.dtype != torch.bool or shut.shape != (gates,):
        raise ValueError(
            f"{name!r} reads {gates} channels, so what is closed of it is as many truth values; got "
            f"{tuple(shut.shape)} of {str(shut.dtype)[6:]}."
        )
