"""Two sources at once, such as a few labelled samples and many to transfer to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from tutelage.data.batches import Batch, Batches, as_batches, num_samples

NO_TARGET = -100
"""What stands where a part has no target: ``cross_entropy`` leaves such samples out of its mean."""


def together(**parts: Batches | Iterable[Any]) -> Batches:
    """Batches that hold one batch of each of ``parts``, one after the other, so that a network sees them in one pass.

    What all parts have is joined: ``batch.input``, ``batch.target``, ``batch.index``, ``batch.view``. Each name is a
    mask: ``batch.labelled`` (bool) is true for the samples of ``labelled``. A part without ``target`` gets
    ``NO_TARGET``, so that a plain ``Term(cross_entropy, "student.output", "batch.target")`` learns from the others
    (``unlabelled`` takes the targets from a part that has some). Another key that a part lacks is left out.

    An epoch has as many batches as its longest part; a shorter one goes round again, in its next epoch's order, and
    carries on there in the next epoch. Parts of two *different* sets need different numbers for a cache to tell them
    apart: ``Labelled.numbered_from``.

    Raises ``ValueError`` for fewer than two parts, a part named like a key of the batch, plain loaders (they cannot be
    entered in the middle), a part without batches, and inputs that do not fit together.

    >>> from tutelage.data.synthetic import digits
    >>> from tutelage.data.views import in_order
    >>> few, many = digits(10, seed=0), digits(40, seed=1).numbered_from(10)
    >>> source = together(labelled=in_order(few, batch_size=5), transfer=unlabelled(in_order(many, batch_size=10)))
    >>> [(len(batch["input"]), int(batch["labelled"].sum())) for batch in source(0, 0)]
    [(15, 5), (15, 5), (15, 5), (15, 5)]
    """
    _refuse_unfit(parts)
    sources = {name: as_batches(part) for name, part in parts.items()}
    lengths: dict[str, int] = {}

    def batches(epoch: int, first: int) -> Iterator[Batch]:
        lengths.update({name: _length(name, source) for name, source in sources.items() if name not in lengths})
        longest = max(lengths.values())
        streams = [_around(source, lengths[name], epoch * longest + first) for name, source in sources.items()]
        for _, *row in zip(range(first, longest), *streams, strict=False):
            yield _joined(dict(zip(sources, row, strict=True)))

    return batches


def unlabelled(source: Batches) -> Batches:
    """``source`` without its targets."""

    def batches(epoch: int, first: int) -> Iterator[Batch]:
        for batch in source(epoch, first):
            yield {key: value for key, value in batch.items() if key != "target"}

    return batches


def _around(source: Batches, length: int, position: int) -> Iterator[Batch]:
    """The batches of all epochs of ``source`` in a row, from ``position`` on."""
    epoch, first = divmod(position, length)
    while True:
        yield from source(epoch, first)
        epoch, first = epoch + 1, 0


def _joined(parts: Mapping[str, Batch]) -> Batch:
    shared = set.intersection(*(set(batch) for batch in parts.values()))
    sizes = {name: num_samples(batch) for name, batch in parts.items()}
    _refuse_different({name: batch["input"] for name, batch in parts.items()})
    joined = {key: torch.cat([batch[key] for batch in parts.values()]) for key in sorted(shared)}
    if "target" not in shared and any("target" in batch for batch in parts.values()):
        joined["target"] = torch.cat([_target(batch) for batch in parts.values()])
    device = joined["input"].device
    for name in parts:
        joined[name] = torch.cat([torch.full((n,), other == name, device=device) for other, n in sizes.items()])
    return joined


def _target(batch: Batch) -> Tensor:
    if isinstance(target := batch.get("target"), Tensor):
        return target
    return torch.full((num_samples(batch),), NO_TARGET, dtype=torch.int64, device=batch["input"].device)


def _length(name: str, source: Batches) -> int:
    """The number of batches in an epoch, by entering it at ever later ones: doubling, then halving."""

    def reaches(first: int) -> bool:
        return next(iter(source(0, first)), None) is not None

    if not reaches(0):
        raise ValueError(f"Part {name!r} has no batches; there is nothing to go round in.")
    low, high = 0, 1
    while reaches(high):
        low, high = high, 2 * high
        if high > 2**40:
            raise ValueError(f"Part {name!r} never ends; batches(epoch, first) must stop at the end of the epoch.")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if reaches(middle) else (low, middle)
    return high


def _refuse_unfit(parts: Mapping[str, Batches | Iterable[Any]]) -> None:
    if len(parts) < 2:
        raise ValueError(f"Together takes at least two parts by name; it got {sorted(parts)}.")
    if taken := sorted({"input", "target", "index", "view"} & set(parts)):
        raise ValueError(f"A part cannot be named {taken[0]!r}, which a batch already has; choose another name.")
    if loaders := sorted(name for name, x in parts.items() if not callable(x) and not isinstance(x, Sequence)):
        raise ValueError(
            f"Part {loaders[0]!r} is a plain loader, which cannot be entered in the middle of an epoch; "
            "give a function (epoch, first) -> batches or a list."
        )


def _refuse_different(inputs: Mapping[str, Tensor]) -> None:
    kinds = {name: f"{x.dtype} {list(x.shape[1:])} on {x.device}" for name, x in inputs.items()}
    if len(set(kinds.values())) > 1:
        raise ValueError(f"Parts of one batch need inputs of one kind; these are {kinds}.")
