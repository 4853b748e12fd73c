"""Numbers of pruning, worked out by hand: plain numpy, in the specification's examples E1 and E7 to E10."""

from collections import OrderedDict
from copy import deepcopy
from functools import partial
from math import sqrt

import pytest
import torch
from torch import nn

from tutelage.compress.dropout_rates import retraining_rates, with_rates
from tutelage.compress.importance import activity, changes, filters, first_order, loudness, scales, taylor
from tutelage.compress.masks import by_deviation, by_score, of_all
from tutelage.compress.ranked import evenly, least_important
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import channels_made, cost, parameters
from tutelage.models.dropout import FastDropout
from tutelage.optimizers.magnitude import cubic

W = torch.tensor([[0.05, -0.40, 0.90, -0.02], [0.30, -0.10, 0.00, 0.70], [-0.60, 0.20, -0.03, 0.11]])
G = torch.tensor([[0.1, 0.2, -0.1, 0.0], [0.3, 0.0, 0.1, -0.2], [0.0, 0.5, 0.1, 0.1]])
HALF_A_DEVIATION = [[0, 1, 1, 0], [1, 0, 0, 1], [1, 1, 0, 0]]


def layer(weight=W):
    """A layer of these weights, whose outputs a head reads."""
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        net[0].weight.copy_(weight)
    return net, channels_of(net, torch.zeros(1, 4))


def of_layer(scores, channels):
    return scores[list(channels.layers["0"].makes)]


def test_what_is_smaller_than_half_a_standard_deviation_goes():
    """E1: |w| ≥ 0.5 · 0.395098 keeps 6 of 12."""
    assert W.std(correction=0).item() == pytest.approx(0.395098, abs=1e-6)
    assert by_deviation({"w": W}, 0.5)["w"].int().tolist() == HALF_A_DEVIATION
    assert (W.abs() >= 0.5 * 0.395098).int().tolist() == HALF_A_DEVIATION


def test_the_four_largest_of_all():
    """E1: the threshold of the global ranking is 0.4."""
    kept = of_all({"w": W}, 1 - 4 / 12)["w"]
    assert int(kept.sum()) == 4 and W[kept].abs().min().item() == pytest.approx(0.4)


@pytest.mark.parametrize(("power", "expected"), [(1.0, [1.37, 1.10, 0.94]), (2.0, [0.986357, 0.768115, 0.642651])])
def test_filters_matter_by_their_length(power, expected):
    """E1: L1 and L2 of each row; ours is over their mean."""
    net, channels = layer()
    found = of_layer(filters(net, channels, power=power), channels)
    assert found.tolist() == pytest.approx([x / (sum(expected) / 3) for x in expected], abs=1e-5)
    assert torch.linalg.vector_norm(W, power, dim=1).tolist() == pytest.approx(expected, abs=1e-6)


def test_first_order_importance():
    """E8: |Σ w g| a row; by a network whose gradient is just that."""
    assert first_order(W, G).tolist() == pytest.approx([0.165, 0.050, 0.108], abs=1e-6)
    net, channels = layer()

    def shown(model):
        yield (model[0].weight * G).sum()

    assert of_layer(taylor(net, channels, shown=shown), channels).tolist() == pytest.approx(
        [0.165, 0.050, 0.108], abs=1e-6
    )


def test_first_order_importance_element_by_element():
    """E8: Σ |w g| a row; the elements that move the loss least are the first to become 0."""
    net, _ = layer()

    def shown(model):
        yield (model[0].weight * G).sum() + 0.0 * model[2].weight.sum()

    scores = changes(net, shown=shown)
    assert scores["0.weight"].sum(1).tolist() == pytest.approx([0.175, 0.230, 0.114], abs=1e-6)
    assert not scores["2.weight"].any() and list(scores) == ["0.weight", "2.weight"]
    kept = by_score({"0.weight": W}, 8 / 12, scores=scores)["0.weight"]
    assert kept.int().tolist() == [[0, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0]]
    with pytest.raises(ValueError, match="those of 'x' have none"):
        by_score({"x": W}, 0.5, scores=scores)


def test_less_dropout_for_a_pruned_network():
    """E1: 0.5 · sqrt(6 / 12); what stands before the first layer, and behind one that is whole, keeps its rate."""
    layers = OrderedDict(inputs=FastDropout(0.2), first=nn.Linear(4, 3), relu=nn.ReLU(), drop=nn.Dropout(0.5))
    layers.update(second=nn.Linear(3, 2), last=nn.Dropout(0.1))
    before = nn.Sequential(layers)
    network = deepcopy(before)
    with torch.no_grad():
        network.first.weight.copy_(W * torch.tensor(HALF_A_DEVIATION))
    rates = retraining_rates(network, before, torch.zeros(1, 4))
    assert rates == pytest.approx({"inputs": 0.2, "drop": 0.353553, "last": 0.1}, abs=1e-6)
    assert with_rates(partial(deepcopy, before), rates=rates).drop.p == rates["drop"]
    with pytest.raises(ValueError, match="no dropout 'relu'"):
        with_rates(partial(deepcopy, before), rates={"relu": 0.1})
    with pytest.raises(ValueError, match="no layer 'first'"):
        retraining_rates(nn.Linear(4, 3), before, torch.zeros(1, 4))


def test_loudness_of_two_samples_of_two_positions():
    """E7: the mean magnitude over positions, then the length over samples."""
    x = torch.tensor([[[1.0, -2.0], [3.0, 0.0]], [[-1.0, 1.0], [1.0, 1.0]]])
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2))
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(2))
    channels = channels_of(net, torch.zeros(1, 2, 2))

    def shown(model):
        yield model(x).sum()

    found = loudness(net, channels, shown=shown)[list(channels.layers["1"].gates)]
    assert found.tolist() == pytest.approx([sqrt(5), sqrt(2)])


def test_activity_is_the_share_of_what_is_not_zero():
    net, channels = layer(torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, -1.0, 0]]))
    nn.init.zeros_(net[0].bias)

    def shown(model):
        yield model(torch.tensor([[1.0, 1.0, 1.0, 0.0], [1.0, -1.0, 1.0, 0.0]])).sum()

    found = activity(net, channels, shown=shown)[list(channels.layers["2"].gates)]
    assert found.tolist() == [1.0, 0.5, 0.0]


def test_scales_of_norms():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([0.5, -2.0, 0.0]))
    channels = channels_of(net, torch.zeros(1, 4))
    assert scales(net, channels)[list(channels.layers["1"].makes)].tolist() == [0.5, 2.0, 0.0]
    with pytest.raises(ValueError, match="has no batch norm"):
        scales(*layer())


def test_a_share_of_channels_is_nearly_its_double_of_weights():
    """E9: of weights between two pruned layers 1 − (1 − 0.3)² = 0.51 go."""
    net = nn.Sequential(nn.Linear(10, 100), nn.Linear(100, 100, bias=False), nn.Linear(100, 5))
    channels = channels_of(net, torch.zeros(1, 10))
    shut = least_important(channels, filters(net, channels), partial(cost, channels, channels_made), 145, across=evenly)
    whole, left = cost(channels, parameters), cost(channels, parameters, shut)
    assert whole - left == 10_000 * 0.51 + 30 * 11 + 30 * 5


def test_the_cubic_course():
    """E10."""
    expected = [0.0, 0.520312, 0.7875, 0.885938, 0.9]
    found = [cubic(step, last=0.9, begin=0, end=100) for step in (0, 25, 50, 75, 100)]
    assert found == pytest.approx(expected, abs=1e-6)
