"""What a source of batches is."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils.data import Dataset

from tutelage.data.labelled import Labelled
from tutelage.outputs import kind_of

Batch: TypeAlias = Mapping[str, Any]
"""``input`` and whatever else the objective reads: ``target``, ``index`` and ``view`` if they are known.

Tensors, for the most part; a list of paths or a dictionary of targets is handed on as it is, its tensors on the device.
"""
Batches: TypeAlias = Callable[[int, int], Iterable[Batch]]
"""``batches(epoch, first)``: the batches of an epoch from number ``first`` on."""


def as_batches(source: Batches | Iterable[Any]) -> Batches:
    """``source`` itself if it is a function; otherwise the same loader each epoch, pairs named input and target.

    A list can be entered in the middle. A loader cannot, its order is its own affair: a run over it continues only from
    the end of an epoch, and since its pairs say nothing of index and view, no teacher's answers can be cached.

    Raises ``ValueError`` for an iterator, which is used up after one epoch, and for a data set; and, once asked, for a
    batch that is neither a mapping nor a pair, and for entering a loader in the middle.

    >>> [sorted(batch) for batch in as_batches([("x", "y")])(0, 0)]
    [['input', 'target']]
    """
    _refuse_no_source(source)
    if callable(source):
        return source

    def batches(_epoch: int, first: int) -> Iterable[Batch]:
        if first and not isinstance(source, Sequence):
            raise ValueError(
                "A plain loader cannot be entered in the middle of an epoch; go on from the end of one, "
                "or give a function (epoch, first) -> batches."
            )
        return map(named_batch, islice(source, first, None))

    return batches


def named_batch(batch: Any) -> Batch:
    """``batch`` if it is a mapping; a pair as its input and target. Raises ``ValueError`` for anything else."""
    if isinstance(batch, Mapping):
        return batch
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return {"input": batch[0], "target": batch[1]}
    kind = kind_of(batch) + (f" of {len(batch)}" if isinstance(batch, tuple | list) else "")
    raise ValueError(f"A batch is a mapping with an 'input', or a pair (input, target); the loader gave {kind}.")


def input_of(batch: Batch, name: str = "input") -> Any:
    """``batch[name]``. Raises ``ValueError`` with the names that there are."""
    if name not in batch:
        raise ValueError(
            f"The network is called with the batch's {name!r}; this batch has {sorted(map(str, batch))}: rename one, "
            f"or say how it is called, such as call=lambda model, scene: model(scene['batch'][{_first(batch)!r}])."
        )
    return batch[name]


def num_samples(batch: Batch) -> int:
    """The length of ``input`` if that is a tensor, else of the batch's first tensor.

    Raises ``ValueError`` where there is none, or where tensors of an input in parts differ in length.
    """
    for x in (batch.get("input"), *batch.values()):
        if isinstance(x, Tensor) and x.ndim:
            return x.shape[0]
    parts = [part for x in batch.values() if isinstance(x, Mapping) for part in x.values()]
    lengths = {len(part) for part in parts if isinstance(part, Tensor) and part.ndim}
    if len(lengths) == 1:
        return lengths.pop()
    kinds = ", ".join(f"{name!r} ({type(x).__name__})" for name, x in batch.items())
    raise ValueError(f"A batch of {kinds} does not show how many samples it holds; pass size=, a function of a batch.")


def moved(device: torch.device, x: Any) -> Any:
    """``x`` with every tensor in it, however deep in mappings, lists and tuples, on ``device``; the rest as it is."""
    if isinstance(x, Tensor):
        return x.to(device, non_blocking=True)
    if isinstance(x, Mapping):
        return {name: moved(device, part) for name, part in x.items()}
    if isinstance(x, tuple) and hasattr(x, "_fields"):  # a named tuple; packed sequences know better themselves
        return x.to(device) if hasattr(x, "to") else type(x)(*(moved(device, part) for part in x))
    if type(x) in (tuple, list):
        return type(x)(moved(device, part) for part in x)
    return x


def on_device(device: torch.device, batch: Batch) -> Batch:
    """``batch`` itself where all of it are tensors on ``device``, else as ``moved``."""
    if all(isinstance(x, Tensor) and x.device == device for x in batch.values()):
        return batch
    return {name: moved(device, x) for name, x in batch.items()}


def _refuse_no_source(source: Any) -> None:
    usual = "a list, a loader or a function (epoch, first) -> batches"
    if isinstance(source, Iterator):
        raise ValueError(f"A{kind_of(source)[1:]} is used up after one epoch; give {usual}.")
    if isinstance(source, Labelled):
        raise ValueError(f"The set {source.name!r} is not batches yet; give views(data, …) from tutelage.data.views.")
    if isinstance(source, Dataset) and not isinstance(source, Iterable):
        raise ValueError(f"{type(source).__name__} gives samples one by one; give a DataLoader(data, batch_size=64).")
    if not callable(source) and not isinstance(source, Iterable) and not hasattr(source, "__getitem__"):
        raise ValueError(f"Batches are {usual}; got {kind_of(source)}.")


def _first(batch: Batch) -> str:
    return next((str(name) for name, x in batch.items() if isinstance(x, Tensor)), "…")
