"""A found architecture as a few readable lines of JSON, and networks that have it: trained ones, and fresh ones."""

from collections.abc import Callable, Mapping
from itertools import groupby
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from tutelage.compress.structure.alive import settled
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.graph import Channels, Closed
from tutelage.compress.structure.removal import narrowed

LARGEST = 10**7
"""Numbers of a sample: a file that asks for more is no architecture."""
MOST = 2**20
"""Channels of a layer: as many as an architecture may number."""
WORDS = {"input", "integers", "reads", "closed"}


def describe(channels: Channels, closed: Closed) -> dict[str, Any]:
    """What is left of a network once ``closed`` has taken with it what it takes, as plain data for JSON.

    ``input`` is the shape of a sample; ``reads`` has, for each layer that does not read all of its channels, the
    numbers of those that it does, such as "0-3,7,9-23" ("" for none); ``closed`` are the layers whose branch adds
    nothing. Raises as ``settled`` does.
    """
    final = settled(channels, closed)
    reads = {name: _ranges(~shut) for name, shut in final.inputs.items() if bool(shut.any())}
    integers = {} if channels.dtype.is_floating_point else {"integers": True}
    return {"input": list(channels.sample), **integers, "reads": reads, "closed": sorted(final.branches)}


def read_back(channels: Channels, architecture: Mapping[str, Any]) -> Closed:
    """What is closed in the ``architecture`` that ``describe`` gave.

    Raises ``ValueError`` for other data, and, with its name, for a layer that cannot be gated or has no such channels.
    """
    _refuse_other_data(architecture)
    inputs = {}
    for name, text in architecture["reads"].items():
        if name not in channels.readers:
            why = channels.refused.get(name, "there is no such layer with gates")
            raise ValueError(f"The architecture does not fit the network: {name!r} cannot be gated, for {why}.")
        inputs[name] = ~_chosen(name, text, channels.readers[name].gates)
    return settled(channels, Closed(inputs, frozenset(architecture["closed"])))


def composed(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """One architecture for two: ``then`` is of the network that ``first`` left, the result of the one before that.

    Layers have the same names in both, as where whole groups of channels were taken out. Raises ``ValueError`` for
    other data, and for channels that the first has not left.

    >>> first = {"input": [3], "reads": {"2": "0-1,5,7"}, "closed": []}
    >>> composed(first, {"input": [3], "reads": {"2": "1-2"}, "closed": []})["reads"]
    {'2': '1,5'}
    """
    for architecture in (first, then):
        _refuse_other_data(architecture)
    reads = dict(first["reads"])
    for name, text in then["reads"].items():
        if name in reads:
            left = _chosen(name, reads[name], MOST).nonzero().flatten()
            kept = torch.zeros(MOST, dtype=torch.bool, device="cpu")
            kept[left[_chosen(name, text, len(left))]] = True
            text = _ranges(kept)
        reads[name] = text
    return {**first, "reads": reads, "closed": sorted({*first["closed"], *then["closed"]})}


def slim(network: nn.Module, *, architecture: Mapping[str, Any]) -> nn.Module:
    """``network`` with the ``architecture``, its weights kept: ``run.derive("student", slim, of=…, architecture=…)``.

    The architecture was found by ``without``, which holds the smaller network against the whole one; here it is only
    made again, as often as the network is loaded. Raises ``ValueError`` for an architecture that does not fit.
    """
    channels = channels_like(network, architecture)
    return narrowed(network, channels, read_back(channels, architecture))


def channels_like(network: nn.Module, architecture: Mapping[str, Any]) -> Channels:
    """The channels of ``network`` for the samples of ``architecture``. Raises ``ValueError`` for other data."""
    _refuse_other_data(architecture)
    floats = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
    dtype = torch.int64 if architecture.get("integers") else floats
    return channels_of(network, torch.zeros((1, *architecture["input"]), dtype=dtype, device="cpu"))


def fresh(
    build: Callable[[], nn.Module],
    *,
    architecture: Mapping[str, Any],
    start: Callable[[nn.Module], nn.Module] | None = None,
) -> nn.Module:
    """A new network with the ``architecture``, of one that ``build`` makes: a partial of this builds a stage's network.

    Its weights are those that ``build`` draws, in the places that are left, unless ``start`` draws them anew for the
    widths that there are now, as ``tutelage.models.resnet.he_fan_out_`` does. Raises as ``slim`` does.
    """
    network = slim(build(), architecture=architecture)
    return network if start is None else start(network)


def _refuse_other_data(architecture: Mapping[str, Any]) -> None:
    parts = architecture if isinstance(architecture, Mapping) else {}
    shape, reads, closed = parts.get("input"), parts.get("reads"), parts.get("closed")
    whole = (
        isinstance(shape, list | tuple) and all(isinstance(n, int) and n > 0 for n in shape) and prod(shape) <= LARGEST
    )
    texts = isinstance(reads, Mapping) and all(isinstance(x, str) for pair in reads.items() for x in pair)
    names = isinstance(closed, list | tuple) and all(isinstance(x, str) for x in closed)
    if not (whole and texts and names) or set(parts) - WORDS:
        raise ValueError(
            'An architecture has "input" (the sizes of a sample), "reads" (layers and numbers such as "0-3,7") and '
            f'"closed" (layers); got {str(architecture)[:200]}.'
        )


def _ranges(kept: Tensor) -> str:
    """
    >>> _ranges(torch.tensor([True, True, True, False, True]))
    '0-2,4'
    """
    runs = [
        [n for _, n in run] for _, run in groupby(enumerate(kept.nonzero().flatten().tolist()), lambda x: x[1] - x[0])
    ]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _chosen(name: str, text: str, gates: int) -> Tensor:
    kept = torch.zeros(gates, dtype=torch.bool, device="cpu")
    for run in filter(None, text.split(",")):
        first, dash, last = run.partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)):
            raise ValueError(f'{name!r} reads channels such as "0-3,7"; got {text[:100]!r}.')
        low, high = int(first), int(last or first)
        if not low <= high < gates:
            raise ValueError(f"{name!r} reads channels 0 to {gates - 1}, in rising order; got {run!r}.")
        kept[low : high + 1] = True
    return kept
