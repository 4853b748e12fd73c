"""Ranks that are seeded alike draw noise of their own, and alike again what is drawn beside the training."""

from copy import deepcopy

import pytest
import torch
import torch.distributed as dist
from torch import nn

from examples import SGD, bits, same
from tutelage.compress.variational import variational_
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.objective import Objective, Term

X = torch.linspace(-1, 1, 24).reshape(3, 8)


def begun(seen):
    """A training of a layer with a posterior, after a dropout, that notes its answers in ``seen``."""
    torch.manual_seed(0)
    network = variational_(nn.Sequential(nn.Dropout(), nn.Linear(8, 5)), log_variance=-1.0)

    def loss(student):
        seen.append(student.detach().clone())
        return student.square().mean()

    learner = Learner(network, Objective(small=Term(loss, "student.output")), SGD)
    return network, train({"student": learner}, [{"input": X}] * 2, 3)


@pytest.fixture
def as_rank(monkeypatch):
    """Makes this process a rank of two, as far as its random numbers go."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    monkeypatch.setattr("tutelage.learn.size_of_group", lambda: 2)
    yield lambda number: monkeypatch.setattr("tutelage.loop.rank", lambda: number)
    dist.destroy_process_group()


def test_each_rank_draws_its_own_and_all_the_same_beside_it(as_rank):
    answers, beside, states = [], [], []
    for number in (0, 1, 1):
        as_rank(number)
        answers.append([])
        _, training = begun(answers[-1])
        beside.append([torch.rand(3) for _ in training])
        beside[-1].append(torch.rand(3))
        states.append(torch.get_rng_state())
    first, second, again = map(torch.stack, answers)
    assert torch.equal(first[0], second[0])  # the rehearsal is in eval mode
    assert not any(torch.equal(x, y) for x, y in zip(first[1:], second[1:], strict=True))
    assert torch.equal(second, again)
    assert all(torch.equal(torch.stack(beside[0]), torch.stack(x)) for x in beside[1:])
    assert all(torch.equal(states[0], x) for x in states[1:])


@pytest.mark.parametrize("number", [0, 1])
def test_a_rank_goes_on_to_the_same_bits(as_rank, number):
    as_rank(number)
    whole, straight = begun([])
    kept = [deepcopy(straight.state_dict()) for _ in straight]
    after = torch.rand(3)
    resumed, training = begun([])
    training.load_state_dict(kept[0])
    assert len(list(training)) == 2
    assert same(bits(resumed), bits(whole)) and torch.equal(torch.rand(3), after)


def test_a_process_alone_draws_on():
    answers = []
    network, training = begun(answers)
    network, state = deepcopy(network), torch.get_rng_state()
    list(training)
    torch.set_rng_state(state)
    assert torch.equal(network.train()(X), answers[1])
