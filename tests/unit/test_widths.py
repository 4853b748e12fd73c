"""Whole groups of channels, taken out by importance: the network that is left is the one with them at zero."""

from functools import partial

import pytest
import torch
from torch import nn

from channel_networks import NETWORKS, assert_removed_exactly, found, network
from tutelage.compress.importance import activity, filters, loudness, scales, taylor
from tutelage.compress.ranked import evenly, least_important, least_left
from tutelage.compress.structure.costs import channels_made, cost, macs, parameters
from tutelage.compress.structure.plain import Blank, Select, Zero
from tutelage.compress.structure.widths import unread, widths
from tutelage.models.mlp import mlp

pytestmark = pytest.mark.slow


def shown(model, sample):
    x = torch.randn((5, *sample), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    yield model(x).square().sum()


IMPORTANCES = {
    "L1": lambda _sample: filters,
    "L2": lambda _sample: partial(filters, power=2.0),
    "norms": lambda _sample: scales,
    "taylor": lambda sample: partial(taylor, shown=partial(shown, sample=sample)),
    "activity": lambda sample: partial(activity, shown=partial(shown, sample=sample)),
    "loudness": lambda sample: partial(loudness, shown=partial(shown, sample=sample)),
}


@pytest.fixture(scope="module", params=NETWORKS)
def case(request):
    model, sample = network(request.param)
    return model, sample, found(model, sample)


def halved(model, sample, channels, importance):
    scores = importance(model, channels)
    limit = 0.5 * cost(channels, macs)
    shut = least_important(channels, scores, partial(cost, channels, macs), limit)
    assert cost(channels, macs, shut) <= limit
    smaller = assert_removed_exactly(model, sample, channels, shut)
    assert not any(isinstance(x, Select | Blank | Zero) for x in smaller.modules())
    assert [n for n, _ in smaller.named_modules()] == [n for n, _ in model.named_modules()]


def test_what_is_left_answers_as_the_whole_with_the_rest_at_zero_and_costs_what_was_asked(case):
    halved(*case, filters)


@pytest.mark.parametrize("of", ["resnet", "lenet", "densenet", "in groups"])
@pytest.mark.parametrize("name", IMPORTANCES)
def test_whatever_is_important_leaves_an_exact_network_and_the_model_as_it_was(name, of):
    model, sample = network(of)
    channels = found(model, sample)
    if name == "norms" and of == "lenet":
        with pytest.raises(ValueError, match="has no batch norm"):
            scales(model, channels)
        return
    modes = [module.training for module in model.modules()]
    halved(model, sample, channels, IMPORTANCES[name](sample))
    assert modes == [module.training for module in model.modules()]
    assert all(p.grad is None for p in model.parameters())


def test_the_least_network_of_all_is_exact(case):
    model, sample, channels = case
    groups = [group for width in widths(channels) for group in width.groups[1:]]
    assert_removed_exactly(model, sample, channels, unread(channels, groups))


@pytest.mark.parametrize("of", ["vgg", "wide resnet"])
def test_every_width_loses_the_same_share_where_they_are_ranked_evenly(of):
    model, sample = network(of)
    channels = found(model, sample)
    whole = cost(channels, channels_made)
    price = partial(cost, channels, channels_made)
    shut = least_important(channels, filters(model, channels), price, 0.6 * whole, across=evenly)
    dead = {channels.layers[n].gates[g] for n, x in shut.inputs.items() for g in x.nonzero().flatten().tolist()}
    for width in widths(channels):
        gone = sum(not dead.isdisjoint(group) for group in width.groups)
        assert abs(gone - 0.4 * len(width.groups)) < 0.05 * len(width.groups) + 1


@pytest.mark.parametrize("multiple", [4, 8])
def test_widths_that_are_left_are_multiples(multiple):
    model, sample = network("resnet")
    channels = found(model, sample)
    shut = least_important(
        channels,
        filters(model, channels),
        partial(cost, channels, parameters),
        0.4 * cost(channels, parameters),
        multiple=multiple,
    )
    smaller = assert_removed_exactly(model, sample, channels, shut)
    left = [x.out_channels for x in smaller.modules() if isinstance(x, nn.Conv2d)]
    assert all(x % multiple == 0 for x in left) and min(left) < 16


def test_the_least_important_go_first_and_no_more_than_needed():
    model = mlp((12, 20, 16, 5)).double()
    channels = found(model, (12,))
    scores = filters(model, channels)
    groups = sorted((float(scores[c]), c) for width in widths(channels) for (c,) in width.groups)
    for count in (0, 1, 5, 20):
        limit = cost(channels, macs, unread(channels, [(c,) for _, c in groups[:count]]))
        shut = least_important(channels, scores, partial(cost, channels, macs), limit)
        gone = {channels.layers[n].gates[g] for n, x in shut.inputs.items() for g in x.nonzero().flatten().tolist()}
        assert gone == {c for _, c in groups[:count]}


@pytest.mark.parametrize(("name", "multiple"), [("resnet", 1), ("resnet", 4), ("shufflenet v1", 4), ("mlp", 3)])
def test_the_least_that_is_left_can_be_had_and_its_share_of_the_whole_too(name, multiple):
    model, sample = network(name)
    channels = found(model, sample)
    price = partial(cost, channels, macs)
    least = least_left(channels, price, multiple=multiple)
    for limit in (least, least / price() * price(), least * (1 - 1e-14)):
        shut = least_important(channels, filters(model, channels), price, limit, multiple=multiple)
        assert price(shut) == least < price()
    with pytest.raises(ValueError, match="The least that can be left"):
        least_important(channels, filters(model, channels), price, least - 1, multiple=multiple)


class TestRefused:
    def test_less_than_is_left_at_last(self):
        model = mlp((12, 20, 16, 5)).double()
        channels = found(model, (12,))
        with pytest.raises(ValueError, match="The least that can be left costs 18, more than 10: let more be left"):
            least_important(channels, filters(model, channels), partial(cost, channels, macs), 10)

    def test_a_network_of_whose_channels_none_can_go_says_why(self):
        model = nn.Sequential(nn.Linear(3, 4)).double()
        channels = found(model, (3,))
        with pytest.raises(ValueError, match=r"No channel of this network can be taken out: 0: the network answers"):
            least_important(channels, filters(model, channels), partial(cost, channels, macs), 10)
