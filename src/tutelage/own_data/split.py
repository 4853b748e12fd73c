"""Samples that are set apart where the data have no such part: stratified, drawn from a seed, before any is decoded."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tutelage.data.labelled import Labelled
from tutelage.data.split import held_out
from tutelage.own_data.source import PARTS, Part, Samples, Source
from tutelage.plurals import counted


def chosen(samples: Samples, places: Sequence[int]) -> Samples:
    """Those at ``places``, in that order."""
    rows = torch.tensor(places, dtype=torch.int64)
    inputs, targets = samples.inputs, samples.targets
    return Samples(
        tuple(samples.names[place] for place in places),
        inputs[rows] if isinstance(inputs, Tensor) else tuple(inputs[place] for place in places),  # type: ignore[arg-type]
        targets[rows] if isinstance(targets, Tensor) else tuple(targets[place] for place in places),
    )


def set_apart(source: Source, shares: dict[Part, float], seed: int) -> Source:
    """``source`` with a share of its training samples set apart for each part of ``shares`` that it does not have.

    Each class gives its share, to within one sample. Shares are of all training samples that were there at first; a
    part of a share above 0 has one sample or more. Raises ``ValueError`` where fewer than two are left to train on.
    """
    parts, notes = dict(source.parts), list(source.notes)
    total = len(parts["train"])
    for number, (part, share) in enumerate(shares.items()):
        if part in parts:
            continue
        count = max(1, round(share * total)) if share else 0
        train = parts["train"]
        if count == 0:
            continue
        if len(train) - count < 2:
            raise ValueError(
                f"{source.name} has {counted(total, 'training sample')}; {count} cannot be set apart for {part}: add "
                "some."
            )
        rest, held = held_out(_by_class(source, train), count, seed + number)
        parts["train"], parts[part] = chosen(train, rest.index.tolist()), chosen(train, held.index.tolist())
        flag = "validation" if part == "validation" else "test"
        how = ", each class its share," if source.task == "classification" else ""
        apart = f"{counted(count, 'sample', 'was', 'were')} set apart for {part} (--{flag}, --split-seed)"
        notes.append(f"of {counted(total, 'training sample')}{how} {apart}")
    return replace(source, parts={part: parts[part] for part in PARTS if part in parts}, notes=tuple(notes))


def _by_class(source: Source, samples: Samples) -> Labelled:
    """The samples as a set whose targets are classes, if they are: what ``held_out`` asks for."""
    numbers = torch.arange(len(samples))
    targets = samples.targets if source.task == "classification" else torch.zeros(len(samples))
    assert isinstance(targets, Tensor)
    return Labelled(source.name, numbers, targets, numbers, ())
