"""A batch of one sample: refused where nothing can be made of it, welcome where something can."""

import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, TensorDataset

from examples import SGD, bits, cnn, images, label, mlp, run, same, vectors
from tutelage.data.labelled import labelled
from tutelage.data.views import plain, views
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.objective import Objective, Term


def fit(student=None, objective=None, *, teachers=None, batches=None, optimizer=SGD, **settings):
    learner = Learner(student or mlp(), objective or Objective(label=label()), optimizer, teachers=teachers or {})
    return run(train({"student": learner}, vectors() if batches is None else batches, 1, **settings))


def normed():
    return nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Linear(4, 5))


class Named(Dataset):
    def __getitem__(self, i):
        return {"input": torch.randn(8), "target": i % 5, "path": f"{i}.png", "size": (3, 4)}

    def __len__(self):
        return 9


class Stored:
    """Neither a list nor a loader: nobody sees what an epoch holds."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def loader(count, size=1, **settings):
    return DataLoader(TensorDataset(torch.randn(count, 8), torch.randint(5, (count,))), size, **settings)


SINGLE = {
    "the remainder of a loader": lambda: loader(33, 32),
    "a batch in a list": lambda: [*vectors(2), *vectors(1, 1)],
    "the remainder beside paths": lambda: DataLoader(Named(), 4),
    "the remainder of a batch sampler": lambda: loader(33, batch_sampler=BatchSampler(range(33), 32, False)),
    "a batch of a list of batches": lambda: loader(9, batch_sampler=[[0, 1, 2], [3]]),
    "a batch of any iterable": lambda: Stored([*vectors(2), *vectors(1, 1)]),
    "every batch": lambda: loader(3, 1),
    "the first from a function": lambda: lambda _epoch, first: vectors(2, 1)[first:],
}


@pytest.mark.parametrize("source", SINGLE)
def test_a_batch_of_one_sample_is_refused_before_the_first_step_where_nothing_can_be_made_of_it(source):
    two_samples = Objective(two=Term(two, "student.output"))
    at_once = source in ("every batch", "the first from a function")  # the plain rehearsal may find it before
    sentence = r"." if at_once else r"a batch of a single sample.*drop_last=True"
    for student, objective in ((normed(), None), (Squeezing(), None), (mlp(), two_samples)):
        with pytest.raises(ValueError, match=sentence):
            fit(student, objective, batches=SINGLE[source]())


class Squeezing(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp()

    def forward(self, x):
        return self.body(x)[..., None].squeeze()


def two(student):
    if len(student) < 2:
        raise ValueError("Two samples are wanted.")
    return student.square().mean()


@pytest.mark.parametrize("source", SINGLE)
def test_a_batch_of_one_sample_is_welcome_where_something_can_be_made_of_it(source):
    assert fit(nn.Sequential(nn.Linear(8, 5), nn.Dropout()), batches=SINGLE[source]()).finished


def test_a_remainder_that_is_dropped_is_no_batch():
    assert fit(normed(), batches=loader(33, 32, drop_last=True)).finished
    assert fit(normed(), batches=loader(34, 32)).finished


def test_batches_cut_by_another_sampler_are_not_guessed_at():
    class Merged(BatchSampler):
        def __iter__(self):
            yield from (range(16), range(16, 33))

    assert fit(normed(), batches=loader(33, batch_sampler=Merged(range(33), 16, False))).finished
    assert fit(normed(), batches=loader(33, batch_sampler=BatchSampler(range(33), 32, True))).finished


def test_trying_a_single_sample_leaves_no_trace():
    batches = [*images(2), *images(1, 1)]
    student = nn.Sequential(cnn(4), nn.Dropout())
    before, state = torch.get_rng_state(), bits(student)
    training = train({"student": Learner(student, Objective(label=label()), SGD)}, batches, 1)
    assert same(bits(student), state) and torch.equal(torch.get_rng_state(), before) and training.step == 0
    assert training.states and all(module.training for module in student.modules())


def test_a_remainder_of_one_in_our_own_batches_joins_the_batch_before_it():
    data = labelled("mine", torch.randn(33, 8), torch.randint(5, (33,)))
    batches = views(data, plain, num_views=1, batch_size=16)
    assert [len(batch["input"]) for batch in batches(0, 0)] == [16, 17]
    assert fit(normed(), batches=batches).finished
