"""A loader stands for the samples that it shows, each once and in order, whatever it draws and drops."""

import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from tutelage.own_data.function import source_of
from tutelage.own_data.wanted import Wanted
from tutelage.study.own.given_sets import given_sets

WHOLE = TensorDataset(torch.arange(20.0).view(10, 2), torch.arange(10) % 2)
ALL, SOME = list(range(10)), [7, 2, 5, 4]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(WHOLE)


LOADERS = {
    "in order": (lambda: DataLoader(WHOLE, 3), ALL),
    "shuffled": (lambda: DataLoader(WHOLE, 3, shuffle=True), ALL),
    "without a rest": (lambda: DataLoader(WHOLE, 3, drop_last=True), ALL),
    "a part": (lambda: DataLoader(WHOLE, 3, sampler=SubsetRandomSampler(SOME), drop_last=True), sorted(SOME)),
    "a part by a list": (lambda: DataLoader(WHOLE, 3, sampler=SOME), sorted(SOME)),
    "with weights": (lambda: DataLoader(WHOLE, 3, sampler=WeightedRandomSampler([9.0] + [0.1] * 9, 10)), ALL),
    "with replacement": (lambda: DataLoader(WHOLE, 3, sampler=RandomSampler(WHOLE, True, 30)), ALL),
    "batches of one's own": (lambda: DataLoader(WHOLE, batch_sampler=[[7, 2], [5, 4]]), sorted(SOME)),
    "batches of torch's": (
        lambda: DataLoader(WHOLE, batch_sampler=BatchSampler(SequentialSampler(WHOLE), 4, True)),
        ALL,
    ),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_each_sample_that_is_shown_comes_once_and_in_order(kind):
    make, places = LOADERS[kind]
    source = source_of(make(), "my:data", Wanted("classification"))
    assert torch.equal(source.parts["train"].inputs, WHOLE.tensors[0][places])
    assert source.parts["train"].targets.tolist() == [place % 2 for place in places]
    given = given_sets((make(), DataLoader(WHOLE, 2)))
    assert torch.equal(given.train.inputs, WHOLE.tensors[0][places])


def test_loaders_that_share_a_data_set_share_no_sample():
    own, other = (DataLoader(WHOLE, 2, sampler=SubsetRandomSampler(places)) for places in (ALL[:6], ALL[6:]))
    sets = given_sets((own, other))
    assert (len(sets.train), len(sets.test)) == (6, 4)
    assert not {*map(tuple, sets.train.inputs.tolist())} & {*map(tuple, sets.test.inputs.tolist())}


def test_a_stream_is_taken_as_it_comes():
    found = source_of(DataLoader(Stream(), 4), "my:data", Wanted("classification")).parts["train"]
    assert torch.equal(found.inputs, WHOLE.tensors[0])


def named(rows):
    inputs, targets = zip(*rows, strict=True)
    return {"pixel_values": torch.stack(inputs), "labels": torch.stack(targets)}


def test_what_puts_samples_together_is_kept():
    loader = DataLoader(WHOLE, 3, shuffle=True, collate_fn=named)
    assert torch.equal(source_of(loader, "my:data", Wanted("classification")).parts["train"].inputs, WHOLE.tensors[0])
