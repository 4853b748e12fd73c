"""Layers with a posterior: what they answer, what they cost, what is left of them, and what is refused."""

from copy import deepcopy
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

from tutelage.compress.compact import compacted, emptied
from tutelage.compress.dropout_kl import K1, K2, K3, bayesian, sparse
from tutelage.compress.reparameterisation import drawn, variance
from tutelage.compress.variational import (
    channelwise_,
    group_normal_jeffreys_,
    is_variational,
    kl,
    take_,
    variational_,
    variational_layers,
)
from tutelage.methods.weights import rising
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.models.resnet import resnet8x4
from tutelage.objective import Clock

FORMS = [variational_, channelwise_, group_normal_jeffreys_]


def small():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 6), nn.ReLU(),
        nn.Linear(6, 3),
    )  # fmt: skip


X = torch.rand(5, 1, 6, 6)


@pytest.mark.parametrize("form", FORMS)
class TestEveryForm:
    def test_keeps_names_weights_and_objects(self, form):
        net = small()
        layers, before = list(net), {name: x.clone() for name, x in net.state_dict().items()}
        assert form(net) is net and all(a is b for a, b in zip(net, layers, strict=True))
        after = net.state_dict()
        assert all(torch.equal(after[name], x) for name, x in before.items())
        assert all("posterior" in name for name in after.keys() - before.keys())
        assert all(isinstance(net[i], nn.Linear) for i in (4, 6)) and isinstance(net[0], nn.Conv2d)

    def test_is_random_in_train_mode_and_not_in_eval_mode(self, form):
        net = form(small())
        assert not torch.equal(net.train()(X), net(X))
        assert torch.equal(net.eval()(X), net(X))

    def test_noise_differs_between_the_samples_of_a_batch(self, form):
        net = form(small(), log_variance=-2.0).train()
        answers = net(X[:1].expand(4, -1, -1, -1))
        assert len({tuple(row.tolist()) for row in answers}) == 4

    def test_has_gradients_for_all_that_it_learns(self, form):
        net = form(small()).train()
        (F.cross_entropy(net(X), torch.tensor([0, 1, 2, 0, 1])) + kl(net) / 100).backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())

    @pytest.mark.parametrize("divergence", [sparse, bayesian])
    def test_without_data_every_variance_grows(self, form, divergence):
        net = form(small())
        kl(net, divergence).backward()
        for _, layer in variational_layers(net):
            q = layer.posterior
            grown = getattr(q, "channels", q).log_variance
            assert bool((grown.grad < 0).all())

    def test_is_compacted_to_the_same_bits_by_plain_layers(self, form):
        net = form(small(), threshold=-4.0 if form is variational_ else -8.9).eval()
        plain = compacted(net)
        assert torch.equal(plain(X), net(X))
        assert not any(map(is_variational, plain.modules())) and {type(x) for x in plain} == {type(x) for x in small()}
        assert plain.state_dict().keys() == small().state_dict().keys()
        assert next(variational_layers(net), None) is not None  # the network itself stays as it was

    def test_starts_from_a_trained_network(self, form):
        trained, net = small(), form(small())
        take_(net, trained)
        assert torch.equal(net[0].weight, trained[0].weight)


def test_draws_answers_as_explicit_weights_would():
    net = variational_(nn.Sequential(nn.Linear(3, 2)), log_variance=-1.0).double().train()
    x = torch.tensor([[1.0, 2.0, -1.0]], dtype=torch.float64)
    count = 1_000_000
    answers = net(x.expand(count, -1))
    q, layer = net[0].posterior, net[0]
    weights = layer.weight + (0.5 * q.log_variance).exp() * torch.randn(count, 2, 3, dtype=torch.float64)
    explicit = torch.einsum("soi,i->so", weights, x[0]) + layer.bias
    deviation = explicit.std(0)
    assert bool(((answers.mean(0) - explicit.mean(0)).abs() < 0.01 * deviation).all())
    assert torch.allclose(answers.var(0), explicit.var(0), rtol=0.01)


def test_draws_maps_as_explicit_kernels_would():
    net = variational_(nn.Sequential(nn.Conv2d(2, 1, 2, bias=False)), log_variance=-1.0).double().train()
    x = torch.rand(1, 2, 3, 3, dtype=torch.float64)
    answers = net(x.expand(20_000, -1, -1, -1))
    variance = F.conv2d(x.square(), net[0].posterior.log_variance.exp())
    assert torch.allclose(answers.mean(0), F.conv2d(x, net[0].weight)[0], atol=0.03)
    assert torch.allclose(answers.var(0), variance[0], rtol=0.05)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", ["in a row", "channels last", "a part"])
def test_noise_is_normal_in_any_layout_and_type(dtype, layout):
    mean = torch.zeros(10, 8, 60, 60, dtype=dtype)
    mean = mean.to(memory_format=torch.channels_last) if layout == "channels last" else mean
    mean = mean[:, ::2, 1:] if layout == "a part" else mean
    answer = drawn(mean, torch.full_like(mean, 4.0))
    assert (
        answer.shape == mean.shape
        and answer.dtype == dtype
        and (layout == "a part" or answer.stride() == mean.stride())
    )
    noise = answer.double() / 2
    assert (
        abs(noise.mean()) < 0.02
        and abs(noise.var() - 1) < 0.02
        and abs((noise.abs() < 1).double().mean() - 0.6827) < 0.01
    )
    flat = noise.flatten()
    assert abs((flat[1:] * flat[:-1]).mean()) < 0.02 and len(flat.unique()) > 100


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(3, 2), (4, 5, 3)),
        (nn.Conv1d(4, 6, 3, groups=2, padding=1, padding_mode="circular"), (2, 4, 7)),
        (nn.Conv2d(2, 3, 2, stride=2, dilation=2), (2, 2, 6, 6)),
    ],
)
def test_an_answer_and_its_gradients_are_those_of_the_formula(layer, shape):
    net = variational_(nn.Sequential(layer), log_variance=-1.0).double().train()
    x, q, learnt = torch.randn(shape).double().requires_grad_(), layer.posterior, [*net.parameters()]
    product = F.linear if isinstance(layer, nn.Linear) else layer._conv_forward
    torch.manual_seed(5)
    answer = net(x)
    torch.manual_seed(5)
    noise = torch.randn_like(answer)
    spread = product(x.square(), q.log_variance.exp(), None) + 1e-8
    formula = product(x, layer.weight, layer.bias) + spread.sqrt() * noise
    torch.testing.assert_close(answer, formula)
    upstream = torch.randn_like(answer)
    expected = torch.autograd.grad(formula, [x, *learnt], upstream)
    torch.testing.assert_close(torch.autograd.grad(answer, [x, *learnt], upstream), expected)


@pytest.mark.parametrize("shape", [(6, 1, 5, 5), (6, 4, 1, 1), (6, 4, 3, 3)])
def test_a_variance_is_laid_out_as_its_logarithm(shape):
    log_variance = torch.randn(shape).to(memory_format=torch.channels_last)
    found = variance(log_variance)
    assert found.stride() == log_variance.stride()
    torch.testing.assert_close(found, log_variance.exp())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_loses_neither_small_variances_nor_the_divergence(dtype):
    net = variational_(nn.Sequential(nn.Linear(40, 40))).to(dtype).train()
    x = torch.zeros(3, 40, dtype=dtype)
    answer = net(x)
    assert answer.dtype == dtype and bool(answer.isfinite().all())
    total = kl(net)
    torch.testing.assert_close(total, kl(deepcopy(net).float()), rtol=1e-6, atol=0.0)
    (answer.sum() + total).backward()
    assert all(bool(p.grad.isfinite().all()) for p in net.parameters())


def test_a_factor_is_one_for_all_places_of_a_channel():
    net = channelwise_(nn.Sequential(nn.Conv2d(2, 2, 1, bias=False)), log_variance=0.0).train()
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(2).view(2, 2, 1, 1))
    answers = net(torch.ones(3, 2, 4, 4))
    assert torch.allclose(answers, answers[:, :, :1, :1].expand_as(answers))
    assert len({x.item() for x in answers[:, :, 0, 0].flatten()}) == 6


@pytest.mark.parametrize(("divergence", "k1"), [(sparse, K1), (bayesian, 0.0)])
def test_a_divergence_is_its_formula_and_its_gradient_that_of_it(divergence, k1):
    mean = torch.randn(37, dtype=torch.float64, requires_grad=True)
    log_variance = (3 * torch.randn(37, dtype=torch.float64)).requires_grad_()
    log_alpha = log_variance - (mean.square() + 1e-8).log()
    formula = (k1 - k1 * (K2 + K3 * log_alpha).sigmoid() + 0.5 * F.softplus(-log_alpha)).sum()
    assert torch.allclose(divergence(mean, log_variance), formula)
    expected = torch.autograd.grad(formula, (mean, log_variance))
    found = torch.autograd.grad(2 * divergence(mean, log_variance), (mean, log_variance))
    assert all(torch.allclose(2 * x, y) for x, y in zip(expected, found, strict=True))


@pytest.mark.parametrize("form", [variational_, group_normal_jeffreys_])
@pytest.mark.parametrize("what", [lambda net: net(X).sum(), kl])
def test_a_gradient_that_is_to_be_differentiated_is_refused_and_not_taken_for_a_constant(form, what):
    net = form(small()).train()
    with pytest.raises(RuntimeError, match="cannot be differentiated again: ask for it without create_graph=True"):
        torch.autograd.grad(what(net), [*net.parameters()], create_graph=True, allow_unused=True)
    torch.autograd.grad(net.eval()(X).sum(), net[0].weight, create_graph=True)


@pytest.mark.parametrize("divergence", [sparse, bayesian])
def test_a_divergence_does_not_depend_on_the_layout(divergence):
    mean, log_variance = torch.randn(2, 5, 3, 3, 3, dtype=torch.float64)
    last = [x.to(memory_format=torch.channels_last).requires_grad_() for x in (mean, log_variance)]
    total = divergence(*last)
    assert torch.allclose(total, divergence(mean, log_variance), rtol=1e-12)
    assert all(x.stride() == y.stride() for x, y in zip(torch.autograd.grad(total, last), last, strict=True))


@pytest.mark.parametrize("divergence", [sparse, bayesian])
def test_a_divergence_is_0_or_more_and_falls_with_alpha(divergence):
    one = torch.ones(1)
    values = [divergence(one, torch.tensor([x])).item() for x in torch.linspace(-9, 12, 50)]
    assert all(a > b for a, b in pairwise(values) if a > 1e-4) and min(values) >= -1e-6


def test_a_divergence_is_finite_at_the_edges_of_what_there_is():
    mean = torch.tensor([0.0, 1e-20, 1e10, 1.0, 1.0] * 3, requires_grad=True)
    log_variance = torch.tensor([-40.0, 40.0, -40.0, -80.0, 80.0] * 3, requires_grad=True)
    for divergence in (sparse, bayesian):
        total = divergence(mean, log_variance)
        total.backward()
        assert bool(total.isfinite()) and bool(mean.grad.isfinite().all() and log_variance.grad.isfinite().all())


def test_where_chooses_layers():
    net = variational_(small(), lambda name: name == "4")
    assert [name for name, _ in variational_layers(net)] == ["4"]


def test_networks_of_ours_become_variational():
    for net, x in (
        (lenet5(), torch.rand(2, 1, 28, 28)),
        (mlp(), torch.rand(2, 784)),
        (resnet8x4(), torch.rand(2, 3, 32, 32)),
    ):
        plain = compacted(variational_(net.eval()))
        assert plain(x).shape[0] == 2 and bool(plain(x).isfinite().all())


@pytest.mark.parametrize("form", FORMS)
def test_torchs_own_encoder_layer_does_not_pass_the_posteriors_by(form):
    """In eval mode without gradients it takes a way of its own, which reads the weights as they are."""
    encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    form(encoder, lambda name: name.startswith("linear"))
    with torch.no_grad():
        for _, layer in variational_layers(encoder):
            layer.posterior.get_parameter("log_variance").fill_(9.0)
        x, encoder = torch.randn(2, 3, 8), encoder.eval()
        plain = compacted(encoder, may_be_empty=("linear1", "linear2"))
        torch.testing.assert_close(encoder(x), plain(x), rtol=1e-5, atol=1e-6)


class TestRefused:
    @pytest.mark.parametrize("form", FORMS)
    def test_a_weight_of_two_layers(self, form):
        net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        net[1].weight = net[0].weight
        with pytest.raises(ValueError, match=r"weight of layer '0' \(Linear\) is another layer's, too"):
            form(net)
        form(net, where=lambda name: name == "2")

    @pytest.mark.parametrize(
        ("layer", "kind"), [(nn.ConvTranspose2d(1, 1, 2), "ConvTranspose2d"), (nn.LSTM(2, 2), "LSTM")]
    )
    def test_a_layer_type_that_it_cannot_treat_is_named(self, layer, kind):
        net = nn.Sequential(nn.Linear(2, 2), layer)
        with pytest.raises(ValueError, match=rf"layer '1' is of type {kind}; leave it out, where="):
            variational_(net)
        assert type(net[0]) is nn.Linear  # nothing was begun
        variational_(net, where=lambda name: name != "1")

    def test_a_network_that_is_one_layer(self):
        with pytest.raises(ValueError, match=r"and the network itself is of type GRU; no layer of it can have one"):
            variational_(nn.GRU(2, 2))

    def test_a_layer_of_somebody_elses_type(self):
        class Own(nn.Linear):
            pass

        with pytest.raises(ValueError, match="is of type Own"):
            variational_(nn.Sequential(Own(2, 2)))

    def test_a_computed_weight(self):
        net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)))
        with pytest.raises(ValueError, match=r"'0' is of type ParametrizedLinear"):
            variational_(net)

    @pytest.mark.parametrize("form", FORMS)
    def test_what_to_leave_out_is_said_of_all_such_layers_at_once(self, form):
        def net():
            return nn.ModuleDict(
                {"tokens": nn.Embedding(9, 4), "attention": nn.MultiheadAttention(4, 2), "mix": nn.Conv1d(4, 4, 3),
                 "up": nn.ConvTranspose1d(4, 4, 2), "head": nn.Linear(4, 9, bias=False)}
            )  # fmt: skip

        tied = net()
        tied["head"].weight = tied["tokens"].weight
        with pytest.raises(ValueError, match="leave out all of the kind, where=") as refused:
            form(tied)
        where = eval(str(refused.value).partition("where=")[2].removesuffix("."))
        assert [name for name, _ in variational_layers(form(tied, where))] == ["mix"]

    def test_a_layer_without_weights_yet(self):
        net = nn.Sequential(nn.LazyLinear(3))
        with pytest.raises(ValueError, match=r"'0' \(LazyLinear\) gets its weights with the first batch: show"):
            variational_(net)
        net(torch.rand(2, 4))
        assert type(variational_(net)[0].posterior.log_variance) is nn.Parameter

    def test_numbers_that_are_not_real(self):
        with pytest.raises(ValueError, match=r"weight of layer '0' \(Linear\) is torch.complex64; leave it out"):
            variational_(nn.Sequential(nn.Linear(2, 2, dtype=torch.complex64), nn.Linear(2, 2)))

    @pytest.mark.parametrize(
        ("computed", "plain"),
        [
            (nn.utils.parametrizations.weight_norm, nn.utils.parametrize.remove_parametrizations),
            (partial(prune.l1_unstructured, amount=1), prune.remove),
        ],
    )
    def test_a_weight_that_came_to_be_computed_until_it_is_made_plain(self, computed, plain):
        net = variational_(small()).train()
        computed(net[4], "weight")
        net(X)
        with pytest.raises(ValueError, match=r"weight of '4' is computed from others already; make it plain before"):
            compacted(net)
        plain(net[4], "weight")
        assert torch.equal(compacted(net)(X), net.eval()(X))

    def test_a_second_posterior_and_none_at_all(self):
        with pytest.raises(ValueError, match="has a posterior already"):
            variational_(variational_(small()))
        with pytest.raises(ValueError, match="no linear or convolutional layer that is chosen"):
            variational_(nn.Sequential(nn.ReLU()))
        with pytest.raises(ValueError, match="that is chosen; its layers with weights: '0', '4', '6'"):
            variational_(small(), where=lambda name: name == "head")
        with pytest.raises(ValueError, match="has no variational layer"):
            kl(small())
        with pytest.raises(ValueError, match="nothing to be dropped"):
            compacted(small())

    @pytest.mark.parametrize("form", [channelwise_, group_normal_jeffreys_])
    def test_groups_where_channels_are_dropped(self, form):
        with pytest.raises(ValueError, match="is in groups"):
            form(nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)))

    @pytest.mark.parametrize("threshold", [10.0, -10.0, 11.0, float("nan")])
    def test_a_threshold_beyond_the_clip(self, threshold):
        with pytest.raises(ValueError, match=r"A threshold lies within ±10, .*; got"):
            variational_(small(), threshold=threshold)

    @pytest.mark.parametrize("log_variance", [float("nan"), float("inf"), -1e3])
    def test_a_variance_that_no_layer_begins_with(self, log_variance):
        with pytest.raises(ValueError, match="log variance to begin with is from -40 to 10"):
            variational_(small(), log_variance=log_variance)

    @pytest.mark.parametrize("form", FORMS)
    def test_a_layer_of_which_nothing_is_left(self, form):
        net = form(small())
        q = net[4].posterior
        with torch.no_grad():
            getattr(q, "channels", q).log_variance.fill_(9.0)
        assert emptied(net) == ["4"]
        with pytest.raises(ValueError, match=r"Nothing is left of layer '4': .* at β = 0.5\. Let the KL begin later"):
            compacted(net, beta=0.5)
        assert not compacted(net, may_be_empty=["4"])[4].weight.any()

    def test_names_of_layers_that_may_be_empty_and_are_none(self):
        with pytest.raises(ValueError, match="may_be_empty names variational layers, '0', '4', '6'; got 'conv'"):
            compacted(variational_(small()), may_be_empty=["conv"])

    def test_a_warm_up_that_ends_before_it_begins(self):
        with pytest.raises(ValueError, match="rises from an epoch, begin, to a later one, end; got 20 and 5"):
            rising(Clock(6, 0, 0.0), begin=20, end=5)

    def test_weights_without_values(self):
        with pytest.raises(ValueError, match="Weights on meta hold no values, such as 'weight' of layer '0'"):
            compacted(variational_(small()).to("meta"))

    def test_a_variance_that_is_no_number(self):
        net = variational_(small())
        with torch.no_grad():
            net[6].posterior.log_variance[0, :2] = float("nan")
        with pytest.raises(
            ValueError, match=r"2 of 18 numbers of 'posterior.log_variance' in layer '6' are not finite"
        ):
            compacted(net)

    def test_a_layer_of_no_numbers_is_not_taken_for_an_empty_one(self):
        net = variational_(small())
        with torch.no_grad():
            net[6].posterior.log_variance.fill_(float("nan"))
        assert emptied(net) == []
        with pytest.raises(ValueError, match=r"18 of 18 numbers of 'posterior.log_variance' in layer '6'"):
            compacted(net)

    def test_weights_of_another_architecture(self):
        net = variational_(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
        for other in (net[:1], nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 5)), variational_(mlp((4, 3, 2)))):
            before = {name: x.clone() for name, x in net.state_dict().items()}
            with pytest.raises(ValueError, match="is in one of the two alone, or of another size"):
                take_(net, other)
            assert all(torch.equal(x, before[name]) for name, x in net.state_dict().items())
