"""Channels that are taken out together, and how many of a kind there are: the widths of a network."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from tutelage.compress.structure.graph import Channels, Closed
from tutelage.compress.structure.ids import Groups
from tutelage.compress.structure.links import links


@dataclass(frozen=True)
class Width:
    """Groups of channels that the same layers make and the same layers read: one may go as well as another.

    Each of ``groups`` is what is taken out together: a channel with what norms and depthwise convolutions make of it,
    and with those that it is added to. ``makers`` mix channels, ``readers`` too.
    """

    makers: tuple[str, ...]
    readers: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]


def widths(channels: Channels) -> list[Width]:
    """The widths of a network that can be less, in the order in which the first layer of each runs.

    Not among them is what stays whoever reads it, such as the classes, and what no layer makes, such as the colours of
    a picture.

    >>> from tutelage.compress.structure.channels import channels_of
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    >>> [(x.makers, x.readers, len(x.groups)) for x in widths(channels_of(net, torch.zeros(1, 3)))]
    [(('0',), ('3',), 4)]
    """
    together, known = Groups(), links(channels)
    together.new(len(channels.stays))
    for layer in channels.layers.values():
        if not layer.mixing:
            for parent, child in zip(layer.gates, layer.makes, strict=True):
                together.couple(parent, child)
    members: dict[int, list[int]] = {}
    for channel in range(len(channels.stays)):
        members.setdefault(together.of(channel), []).append(channel)
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[int, ...]]] = {}
    for group in members.values():
        makers = _once(n for c in group for n, _ in known.made_by[c] if channels.layers[n].mixing)
        readers = _once(name for c in group for name, _ in known.read_by[c])
        if makers and readers and not any(channels.stays[c] for c in group):
            found.setdefault((makers, readers), []).append(tuple(group))
    return [Width(*layers, tuple(groups)) for layers, groups in found.items()]


def unread(channels: Channels, groups: Iterable[tuple[int, ...]]) -> Closed:
    """Nobody reads any channel of ``groups``: what is taken out with them is all that they were made by."""
    read_by = links(channels).read_by
    inputs = {name: torch.zeros(x.gates, dtype=torch.bool, device="cpu") for name, x in channels.readers.items()}
    for group in groups:
        for channel in group:
            for name, gate in read_by[channel]:
                inputs[name][gate] = True
    return Closed(inputs)


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
