"""Which builders give networks that are trained already."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from tutelage.models.named import known
from tutelage.models.trained import comes_trained


def with_norms():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))


def of_tokens():
    return nn.Sequential(nn.Embedding(9, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.RMSNorm(4), nn.Linear(4, 2))


def without_norms():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))


FRESH = [with_norms, of_tokens, without_norms]


def trained(build):
    """A builder that loads the same weights, some steps after they were fresh, into each of its networks."""
    torch.manual_seed(7)
    done = build()
    x = (
        torch.randint(9, (8,))
        if build is of_tokens
        else torch.rand(8, 3, 3, 3)
        if build is with_norms
        else torch.rand(8, 3)
    )
    optimizer = torch.optim.SGD(done.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        done(x).square().mean().backward()
        optimizer.step()

    def load():
        network = build()
        network.load_state_dict(done.state_dict())
        return network

    return load


def seeded(build):
    """A builder that sets the seed itself."""

    def again():
        torch.manual_seed(3)
        return build()

    return again


@pytest.mark.parametrize("build", FRESH)
def test_fresh_networks_are_not_trained_and_loaded_ones_are(build):
    assert not comes_trained(build)
    assert comes_trained(trained(build))


@pytest.mark.parametrize("build", FRESH)
def test_a_builder_that_sets_the_seed_itself_is_still_told_apart(build):
    assert not comes_trained(seeded(build))
    if build is not without_norms:
        assert comes_trained(seeded(trained(build)))


@pytest.mark.parametrize("build", FRESH)
def test_the_same_object_every_time_is_as_it_is(build):
    network = trained(build)()
    assert comes_trained(lambda: network)


@pytest.mark.parametrize(
    "name", ["resnet8", "wrn_16_1", "vgg8", "mobilenet_v2", "shufflenet_v1", "lenet5", "narrow_cnn"]
)
def test_no_network_of_this_package_comes_trained(name):
    assert not comes_trained(known()[name])


@pytest.mark.parametrize("zero", [False, True])
def test_a_trained_body_under_a_new_head_is_still_to_be_trained(zero):
    load = trained(with_norms)

    def tuned():
        network = load()
        network[-1] = nn.Linear(4, 5)
        if zero:
            nn.init.zeros_(network[-1].weight)
            nn.init.zeros_(network[-1].bias)
        return network

    assert not comes_trained(tuned)


def test_networks_of_other_generators_are_told_apart_too():
    def drawn():
        network = without_norms()
        for p in network.parameters():
            p.data = torch.from_numpy(np.random.normal(size=p.shape)).float() * random.random()
        return network

    assert not comes_trained(drawn)


def test_nothing_is_trained_where_there_are_no_weights():
    assert not comes_trained(lambda: nn.Sequential(nn.Flatten()))


def test_all_generators_are_as_before():
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    comes_trained(seeded(with_norms))
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0]) and before[1:] == after[1:]
