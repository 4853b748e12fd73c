"""The samples that a loader of torch's shows, each once, in the order of its data set, whatever it draws at random."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Subset,
    WeightedRandomSampler,
)


def shown_by(loader: DataLoader[Any]) -> Sequence[Any] | IterableDataset[Any]:
    """What lies behind ``loader``, less what its sampler leaves out; of what has no numbers, all as it comes.

    A sampler that draws with replacement leaves out nothing but by chance.

    >>> from torch.utils.data import SubsetRandomSampler
    >>> list(shown_by(DataLoader(list("abcd"), 2, sampler=SubsetRandomSampler([3, 1]), drop_last=True)))
    ['b', 'd']
    """
    source: Any = loader.dataset
    if isinstance(source, IterableDataset):
        return source
    sampler: Any = loader.sampler
    if type(loader.batch_sampler) not in (BatchSampler, type(None)):
        sampler = chain.from_iterable(loader.batch_sampler or ())
    if isinstance(sampler, WeightedRandomSampler) or (isinstance(sampler, RandomSampler) and sampler.replacement):
        return source  # type: ignore[no-any-return]
    places = range(len(source)) if isinstance(sampler, RandomSampler) else sorted({*sampler})
    return source if len(places) == len(source) else Subset(source, list(places))  # type: ignore[return-value]


def as_it_lies(loader: DataLoader[Any]) -> DataLoader[Any]:
    """A loader of all that ``loader`` shows, put together alike, in order, in this process."""
    source: Any = shown_by(loader)
    return DataLoader(source, batch_size=loader.batch_size or 1, collate_fn=loader.collate_fn)
