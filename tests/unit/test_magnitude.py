"""Weights that are pruned by magnitude while they train: how many, which ones, and that they stay 0."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.optimizers.magnitude import cubic, magnitude_pruned
from tutelage.optimizers.usual import adam, sgd


def weights(name):
    return name.endswith("weight")


@pytest.mark.parametrize("factory", [partial(sgd, lr=0.01, weight_decay=0.1), partial(adam, lr=0.1)])
def test_the_smallest_go_first_and_stay_0_whatever_momentum_says(factory):
    net = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 5))
    share = partial(cubic, last=0.8, begin=0, end=5)
    optimizer = magnitude_pruned(factory, share, weights)(list(net.named_parameters()))
    gone = torch.zeros(150, dtype=torch.bool)
    for step in range(12):
        optimizer.zero_grad()
        net(torch.randn(8, 10)).square().sum().backward()
        optimizer.step()
        flat = torch.cat([layer.weight.flatten() for layer in net]).detach()
        assert int((flat == 0).sum()) == max(round(150 * share(step)), int(gone.sum()))
        assert bool((flat[gone] == 0).all()) and not flat[flat == 0].signbit().any()
        gone = flat == 0
    assert int(gone.sum()) == 120 and all(bool(layer.bias.all()) for layer in net)


def test_they_are_ranked_over_all_layers_together():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    with torch.no_grad():
        net[0].weight.fill_(0.01), net[1].weight.fill_(5.0)
    optimizer = magnitude_pruned(partial(sgd, lr=1e-9), lambda _step: 0.5, weights)(list(net.named_parameters()))
    net(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    assert not net[0].weight.any() and bool(net[1].weight.all())
