"""Samples that are set apart where the data have no such part: stratified, drawn from a seed, before any is decoded."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tutelage.data.draws import order
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
        tuple(samples.answers[place] for place in places) if samples.answers else (),
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
        apart_of = _contexts_held if source.task == "spans" else _held
        rest, held = apart_of(source, train, count, seed + number)
        parts["train"], parts[part] = chosen(train, rest), chosen(train, held)
        flag = "validation" if part == "validation" else "test"
        how = ", each class its share," if source.task == "classification" else ""
        how = ", all of a context together," if source.task == "spans" else how
        apart = f"{counted(len(held), 'sample', 'was', 'were')} set apart for {part} (--{flag}, --split-seed)"
        notes.append(f"of {counted(total, 'training sample')}{how} {apart}")
    return replace(source, parts={part: parts[part] for part in PARTS if part in parts}, notes=tuple(notes))


def _held(source: Source, samples: Samples, count: int, seed: int) -> tuple[list[int], list[int]]:
    """The places of those that are left, and of ``count`` that are set apart."""
    rest, held = held_out(_by_class(source, samples), count, seed)
    return rest.index.tolist(), held.index.tolist()


def _contexts_held(source: Source, samples: Samples, count: int, seed: int) -> tuple[list[int], list[int]]:
    """As ``_held``, contexts as a whole, until ``count`` questions or a few more are set apart: who learnt from a
    context knows something of the other questions about it.

    Raises ``ValueError`` where no context is left to train on.
    """
    numbers = {context: n for n, context in enumerate(dict.fromkeys(text for _, text in samples.texts))}
    of_context = torch.tensor([numbers[text] for _, text in samples.texts])
    sizes, drawn = of_context.bincount(), order(seed, 0, len(numbers))
    taken = drawn[: int((sizes[drawn].cumsum(0) < count).sum()) + 1]
    held = torch.isin(of_context, taken)
    if bool(held.all()):
        raise ValueError(
            f"{source.name} has {counted(len(numbers), 'context')} to train on, of which none can be set apart; add "
            "some, or bring a folder of train.json, dev.json and test.json."
        )
    return (~held).nonzero().flatten().tolist(), held.nonzero().flatten().tolist()


def _by_class(source: Source, samples: Samples) -> Labelled:
    """The samples as a set whose targets are classes, if they are: what ``held_out`` asks for."""
    numbers = torch.arange(len(samples))
    targets = samples.targets if source.task == "classification" else torch.zeros(len(samples))
    assert isinstance(targets, Tensor)
    return Labelled(source.name, numbers, targets, numbers, ())
