"""Who makes each channel and who reads it, the graph of ``channels`` the other way round."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tutelage.compress.structure.graph import Channels


@dataclass(frozen=True, eq=False)
class Links:
    """By channel: layers, each with the number of its gate or output, and how many of them there are at first.

    ``read_by`` are mixing layers, ``children`` channelwise ones, ``made_by`` both; ``between`` are numbers of
    ``channels.between``. A channel in use has ``uses`` and ``sources``; what stays has one of each for itself. A
    layer that makes a channel of that channel's own group counts as neither. ``width`` has the slots of each gate.
    """

    read_by: Mapping[int, Sequence[tuple[str, int]]]
    children: Mapping[int, Sequence[tuple[str, int]]]
    made_by: Mapping[int, Sequence[tuple[str, int]]]
    between: Mapping[int, Sequence[int]]
    uses: Sequence[int]
    sources: Sequence[int]
    width: Mapping[str, Mapping[int, int]]


@lru_cache(maxsize=8)
def links(channels: Channels) -> Links:
    """The links of a network's channels, kept for the next who asks."""
    read_by: dict[int, list[tuple[str, int]]] = defaultdict(list)
    children: dict[int, list[tuple[str, int]]] = defaultdict(list)
    made_by: dict[int, list[tuple[str, int]]] = defaultdict(list)
    between: dict[int, list[int]] = defaultdict(list)
    uses, sources = ([int(stays) for stays in channels.stays] for _ in range(2))
    for name, layer in channels.layers.items():
        for gate, channel in enumerate(layer.gates):
            (read_by if layer.mixing else children)[channel].append((name, gate))
            uses[channel] += layer.mixing or layer.makes[gate] != channel
        for place, channel in enumerate(layer.makes):
            made_by[channel].append((name, place))
            sources[channel] += layer.mixing or layer.gates[place] != channel
    for number, (_, made) in enumerate(channels.between):
        for channel in made:
            between[channel].append(number)
    width = {name: Counter(layer.slots) for name, layer in channels.layers.items()}
    return Links(read_by, children, made_by, between, uses, sources, width)
