"""Which connections a found student has left: of what each layer makes, how much each other layer still reads."""

from collections.abc import Iterator, Mapping

from tutelage.compress.structure.alive import settled
from tutelage.compress.structure.graph import Channels, Closed
from tutelage.results import Table

INPUT = "the input"
PARTS_NOTE = "Of the channels that layers of a block read, and those behind it: the per cent that they read no more."
"""How a table of ``drop_by_part`` is to be read."""
Connections = Mapping[str, Mapping[str, float]]
"""Reader -> source -> the share of its channels that is not read any more."""


def connection_maps(channels: Channels, shut: Closed) -> list[Table]:
    """A map for each part of the network in which several layers read from several: each block of a DenseNet, say.

    Rows read, columns are read from; a cell is the share of the channels that is gone, in per cent.
    """
    shares = drop_ratios(channels, shut)
    return [
        Table(
            title=f"What is gone of each connection, from {sources[0]} on",
            columns=("read by", *sources),
            rows=tuple((name, *(_percent(shares[name].get(source)) for source in sources)) for name in readers),
            note="Of the channels that the column's layer made, the per cent that the row's layer does not read.",
            shaded=True,
        )
        for readers, sources in _parts(shares)
    ]


def drop_ratios(channels: Channels, shut: Closed) -> Connections:
    """Of each layer that has gates in ``shut``, by the layers whose channels it read: with all that goes with them."""
    gone_of, made = settled(channels, shut).inputs, makers(channels)
    shares = {}
    for name in shut.inputs:
        sources = [made.get(channel, INPUT) for channel in channels.layers[name].gates]
        gone = [source for source, is_gone in zip(sources, gone_of[name].tolist(), strict=True) if is_gone]
        shares[name] = {source: gone.count(source) / sources.count(source) for source in dict.fromkeys(sources)}
    return shares


def drop_by_part(channels: Channels, shut: Closed) -> dict[str, float]:
    """The same of each part of ``connection_maps``, in the order of the network: its first source -> the share gone."""
    gone_of = settled(channels, shut).inputs
    drops = {}
    for readers, sources in _parts(drop_ratios(channels, shut)):
        gone = [is_gone for name in readers for is_gone in gone_of[name].tolist()]
        drops[sources[0]] = sum(gone) / len(gone)
    return drops


def makers(channels: Channels) -> dict[int, str]:
    """Channel -> the first layer that makes it of others, whatever norms it went through since."""
    makes = {channel: name for name, x in reversed([*channels.layers.items()]) if x.mixing for channel in x.makes}
    for layer in channels.layers.values():  # in the order in which they run
        if not layer.mixing:
            for read, made in zip(layer.gates, layer.makes, strict=True):
                if read in makes:
                    makes.setdefault(made, makes[read])
    return makes


def _parts(shares: Connections) -> Iterator[tuple[list[str], list[str]]]:
    """Readers and sources that hang together, if there are several of both."""
    left = dict(shares)
    while left:
        first = next(iter(left))
        readers, sources, size = {first}, {*left[first]}, -1
        while size != len(readers):
            size = len(readers)
            readers |= {name for name, x in left.items() if sources & x.keys()}
            sources |= {source for name in readers for source in left[name]}
        ordered = [name for name in left if name in readers]
        if len(readers) > 1 and len(sources) > 1:
            yield ordered, list(dict.fromkeys(source for name in ordered for source in shares[name]))
        left = {name: x for name, x in left.items() if name not in readers}


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)
