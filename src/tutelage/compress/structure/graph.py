"""The channels of a network, who makes them and who reads them, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["mixing", "channelwise", "rectified", "product", "elsewhere"]


@dataclass(frozen=True)
class Part:
    """What a part of a network costs for each sample: so much for each channel, or pair of channels.

    ``macs`` and ``weights`` are for one channel made of one that is read; ``offsets`` (further parameters, such as a
    bias) and ``elements`` (that batch norm or ReLU goes over) for one channel made. What is ``elsewhere`` makes one of
    one: its numbers are those of all of it. ``name`` is the layer's; of a rectification, or a product of
    activations, the module's that it is in.
    """

    name: str
    kind: Kind
    macs: int = 0
    weights: int = 0
    offsets: int = 0
    elements: int = 0


@dataclass(frozen=True)
class Layer:
    """A layer with weights. Channels that go together or not at all have one number, an index of ``Channels.stays``.

    ``slots`` has the gate of each index of its input axis, ``gates`` the channel of each gate, ``makes`` the channel of
    each output; a channelwise layer has a gate for each output, which is not closed by itself. Of a layer that mixes in
    groups, an index of the input axis is one channel of each group, and these go together.
    """

    part: Part
    slots: tuple[int, ...]
    gates: tuple[int, ...]
    makes: tuple[int, ...]
    ends_branch: bool = False
    overwritten: bool = False  # an addition writes into what it answers

    @property
    def mixing(self) -> bool:
        return self.part.kind == "mixing"


@dataclass(frozen=True, eq=False)
class Reader:
    """A layer whose reading can be gated: ``gates`` input channels, and the gate of each slot of its input axis.

    A linear layer behind a flattened map has a slot for each place of each channel. ``axis`` is the dimension of its
    weight that has an index for each slot: 1, of transposed convolutions 0.
    """

    name: str
    gates: int
    slots: Tensor
    axis: int


@dataclass(frozen=True)
class Closed:
    """What is no longer read, and which branches add nothing.

    ``inputs``: by the reader's name a truth value for each of its gates, true where it is closed; who is left out reads
    all. ``branches``: the layers whose whole answer is zero.
    """

    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    branches: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of a network, found by ``tutelage.compress.structure.channels.channels_of``.

    ``readers`` can be gated, ``branches`` be closed; ``refused`` are other layers with weights, and why they cannot;
    ``fixed`` are layers whose channels, all or some, stay whoever reads them, and why. ``parts`` are what it costs.
    """

    sample: tuple[int, ...]
    dtype: torch.dtype
    readers: Mapping[str, Reader]
    branches: tuple[str, ...]
    refused: Mapping[str, str]
    fixed: Mapping[str, str]
    layers: Mapping[str, Layer]
    between: tuple[tuple[Part, tuple[int, ...]], ...]  # the layers, with a channel for each that comes through
    pools: Mapping[str, tuple[int, ...]]  # poolings, and the channels that they see
    elsewhere: Part
    stays: tuple[bool, ...]  # by channel: whether it is fixed

    @property
    def parts(self) -> tuple[Part, ...]:
        return (*(x.part for x in self.layers.values()), *(part for part, _ in self.between), self.elsewhere)

    def example(self, samples: int = 2) -> Tensor:
        """A batch of noise of the size and type that the channels were found with."""
        shape = (samples, *self.sample)
        if not self.dtype.is_floating_point:
            return torch.zeros(shape, dtype=self.dtype, device="cpu")
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0), device="cpu")
        return noise.to(self.dtype)
