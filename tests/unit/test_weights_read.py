"""Code that computes with the weights of a layer itself passes its posterior by: refused by name, in the first pass."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tutelage.compress.compact import compacted
from tutelage.compress.footprint import footprint
from tutelage.compress.masks import prune_
from tutelage.compress.shared import share_
from tutelage.compress.variational import channelwise_, group_normal_jeffreys_, variational_, variational_layers

BFLOAT16 = partial(torch.autocast, "cpu", torch.bfloat16)
X, IDS = torch.rand(5, 6), torch.tensor([[0, 2], [1, 1], [5, 3]])


class Net(nn.Module):
    """Two layers, and ``way``: what is done with them."""

    def __init__(self, way):
        super().__init__()
        self.body, self.head, self.way = nn.Linear(6, 6), nn.Linear(6, 6, bias=False), way

    def forward(self, x):
        return self.way(self, x)


def reconstructs(net, x):
    return F.linear(net.head(net.body(x)), net.head.weight.t())


def measures_angles(net, x):
    return F.linear(F.normalize(net.body(x)), F.normalize(net.head.weight))


def embeds(net, ids):
    return net.head(net.body(F.embedding(ids, net.head.weight)))


def selects(net, ids):
    return net.head(net.body(net.head.weight[ids]))


def attends(net, x):
    return net.body(x) @ (net.head.weight.detach() * 2.0).T


def stacks(net, x):
    return net.body(x) @ torch.cat([net.head.weight, net.head.weight]).view(2, 6, 6)[0]


def has_an_auxiliary_head(net, x):
    return (net.body(x), x @ net.head.weight) if net.training else net.head(net.body(x))


def skips_its_type(net, x):
    return nn.Linear.forward(net.head, net.body(x))


READERS = [
    (reconstructs, X), (measures_angles, X), (embeds, IDS), (selects, IDS), (attends, X), (stacks, X),
    (has_an_auxiliary_head, X), (skips_its_type, X),
]  # fmt: skip


def tied(net, x):
    return net.head(net.body(x)) + F.linear(x, net.tie.weight)


def looks(net, x):
    """All that is no computation with a weight beside others."""
    weight = net.head.weight
    assert bool(weight.isfinite().all()) and weight.data.norm() < 1e9
    x = x.to(weight.dtype) + weight.new_zeros(len(x), 6) + torch.ones_like(weight)[0]
    return net.head(net.body(net.body.forward(x))), weight.square().sum()


@pytest.mark.parametrize("form", [variational_, channelwise_, group_normal_jeffreys_])
@pytest.mark.parametrize(("way", "given"), READERS)
def test_who_computes_with_a_weight_is_refused_by_name(form, way, given):
    net = form(Net(way))
    with pytest.raises(
        ValueError, match=r"outside of layer 'head' computes with its weight, .* leave it out"
    ) as refused:
        net(given)
    where = eval(str(refused.value).partition("where=")[2].removesuffix("."))
    form(Net(way), where)(given)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize(
    "context", [partial(torch.autocast, "cpu", torch.bfloat16), torch.no_grad, torch.inference_mode]
)
def test_in_whatever_mode_and_precision(train, context):
    net = variational_(Net(has_an_auxiliary_head)).train(train)
    with context(), pytest.raises(ValueError, match="outside of layer 'head'"):
        net(X)


def test_on_meta_in_a_copy_and_again_in_the_next_pass():
    meta = variational_(Net(reconstructs)).to("meta")
    with pytest.raises(ValueError, match="outside of layer 'head'"):
        meta(X.to("meta"))
    net = deepcopy(variational_(Net(reconstructs)))
    for _ in range(2):
        with pytest.raises(ValueError, match="outside of layer 'head'"):
            net(X)


def test_a_weight_that_was_tied_later():
    net = variational_(Net(tied))
    net.tie = nn.Linear(6, 6, bias=False)
    net.tie.weight = net.head.weight
    with pytest.raises(ValueError, match="outside of layer 'head'"):
        net(X)


def test_to_look_at_a_weight_is_no_computation():
    net = variational_(Net(looks))
    state = torch.get_rng_state()
    watched = net(X)[0]
    assert not net._forward_pre_hooks  # it is looked for once
    torch.set_rng_state(state)
    assert torch.equal(watched, net(X)[0])  # and no random number is used up


def test_nothing_is_left_of_a_look():
    net = variational_(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Dropout()))
    net.train()(X)
    assert net[1].num_batches_tracked == 1 and all(module.training for module in net.modules())
    assert not compacted(variational_(nn.Sequential(nn.Linear(6, 4))))._forward_pre_hooks


def test_a_pass_that_fails_is_none_that_was_watched():
    net = variational_(Net(reconstructs))
    with pytest.raises(RuntimeError, match="shape"):
        net(torch.rand(5, 7))
    with pytest.raises(ValueError, match="outside of layer 'head'"):
        net(X)


def test_a_layer_that_does_not_run_is_told():
    net = variational_(Net(lambda net, x: net.body(x)))
    with pytest.warns(UserWarning, match="Layer 'head' does not run, and the KL .* leave it out, where="):
        net(X)


@pytest.mark.parametrize("tool", [footprint, partial(prune_, share=0.5), partial(share_, bits={"*": 4})])
def test_tools_that_read_weights_want_a_plain_network(tool):
    net = variational_(nn.Sequential(nn.Linear(6, 4)))
    with pytest.raises(ValueError, match=r"weight of '0' is the mean of a posterior, .*make the network plain"):
        tool(net)
    assert next(variational_layers(net), None) and tool(compacted(net))
