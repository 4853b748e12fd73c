"""What a source of batches is."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from torch import Tensor

Batch: TypeAlias = Mapping[str, Tensor]
"""``input`` and whatever else the objective reads: ``target``, ``index`` and ``view`` if they are known."""
Batches: TypeAlias = Callable[[int, int], Iterable[Batch]]
"""``batches(epoch, first)``: the batches of an epoch from number ``first`` on."""


def as_batches(source: Batches | Iterable[Any]) -> Batches:
    """``source`` itself if it is a function; otherwise the same loader each epoch, pairs named input and target.

    A list can be entered in the middle. A loader cannot, its order is its own affair: a run over it continues only from
    the end of an epoch, and since its pairs say nothing of index and view, no teacher's answers can be cached.

    Raises ``ValueError`` for an iterator, which is used up after one epoch; and, once asked, for a batch that is
    neither a mapping nor a pair, and for entering a loader in the middle.

    >>> [sorted(batch) for batch in as_batches([("x", "y")])(0, 0)]
    [['input', 'target']]
    """
    if callable(source):
        return source
    if isinstance(source, Iterator):
        raise ValueError(
            f"A {type(source).__name__} is used up after one epoch; "
            "give a list, a loader or a function (epoch, first) -> batches."
        )

    def batches(_epoch: int, first: int) -> Iterable[Batch]:
        if first and not isinstance(source, Sequence):
            raise ValueError(
                "A plain loader cannot be entered in the middle of an epoch; go on from the end of one, "
                "or give a function (epoch, first) -> batches."
            )
        return map(_named, islice(source, first, None))

    return batches


def num_samples(batch: Batch) -> int:
    return len(batch["input"])


def _named(batch: Any) -> Batch:
    if isinstance(batch, Mapping):
        return batch
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return {"input": batch[0], "target": batch[1]}
    found = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, tuple | list) else "")
    raise ValueError(f"A batch is a mapping with an 'input', or a pair (input, target); the loader gave {found}.")
