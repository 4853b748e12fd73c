"""The MLP and its dropout."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from tutelage.models.dropout import FastDropout
from tutelage.models.mlp import he_, mlp


@pytest.mark.parametrize("widths", [(784, 1200, 1200, 10), (784, 800, 800, 10), (784, 10), (5, 4, 3, 2)])
def test_the_number_of_parameters_is_that_of_the_formula(widths):
    weights = sum(a * b for a, b in pairwise(widths))
    count = sum(p.numel() for p in mlp(widths).parameters())
    assert count == weights + sum(widths[1:])
    assert sum(p.numel() for p in mlp(widths, bias=False).parameters()) == weights


def test_images_and_rows_are_the_same_to_it():
    network, x = mlp(), torch.rand(3, 1, 28, 28)
    assert torch.equal(network(x), network(x.flatten(1)))


def test_dropout_stands_before_every_layer_but_the_first_and_is_named():
    names = list(dict(mlp((4, 3, 3, 2), dropout=0.5, input_dropout=0.2).named_children()))
    assert names == [
        *["flatten", "dropout0", "hidden1", "relu1", "dropout1"],
        *["hidden2", "relu2", "dropout2", "output"],
    ]


def test_dropout_changes_no_name_of_a_weight():
    assert mlp(dropout=0.5).state_dict().keys() == mlp().state_dict().keys()


@pytest.mark.parametrize("widths", [(784,), (), 784, "784"])
def test_widths_that_make_no_network_are_refused(widths):
    with pytest.raises(ValueError, match="two widths or more"):
        mlp(widths)


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_a_dropout_that_is_no_probability_is_refused(p):
    with pytest.raises(ValueError, match=f"from 0 to less than 1 as its dropout; got {p}"):
        mlp(dropout=p)


def test_he_keeps_the_size_of_activations():
    network, x = he_(mlp((500, 500, 500, 500))).eval(), torch.randn(200, 500)
    assert 0.7 < network[:-1](x).square().mean() / x.square().mean() < 1.4  # 1 ± 6 sd; without it, 0.03
    assert all(layer.bias.eq(0).all() for layer in network if isinstance(layer, nn.Linear))


@pytest.mark.parametrize("p", [0.5, 0.25, 0.2, 0.9, 1e-3])
class TestFastDropout:
    count = 1_000_001  # odd, so that bits are left over

    def test_drops_the_share_it_was_told_and_keeps_the_mean(self, p):
        y = FastDropout(p)(torch.ones(self.count))
        deviation = (p * (1 - p) / self.count) ** 0.5
        assert abs((y == 0).double().mean() - p) < 6 * deviation
        assert abs(y.double().mean() - 1) < 6 * deviation / (1 - p)

    def test_survivors_are_scaled_by_what_is_really_kept(self, p):
        y = FastDropout(p)(torch.ones(self.count))
        assert y.unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=1e-4)

    def test_no_element_knows_of_its_neighbours(self, p):
        noise = FastDropout(p)(torch.ones(self.count)).double() - 1
        for distance in (1, 2, 3, 4, 7, 8, 16):
            correlation = (noise[distance:] * noise[:-distance]).mean() / noise.square().mean()
            assert correlation.abs() < 6 / self.count**0.5

    def test_every_place_within_a_word_drops_the_same_share(self, p):
        dropped = (FastDropout(p)(torch.ones(self.count - 1).view(-1, 8)) == 0).double().mean(0)
        assert (dropped - p).abs().max() < 6 * (p * (1 - p) / len(dropped) / self.count * 64) ** 0.5

    def test_the_gradient_passes_where_the_value_did(self, p):
        x = torch.randn(1000, requires_grad=True)
        y = FastDropout(p)(x)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        torch.testing.assert_close(gradient * x, y)

    def test_the_same_seed_draws_the_same(self, p):
        draws = []
        for _ in range(2):
            torch.manual_seed(1)
            draws.append(FastDropout(p)(torch.ones(100_000)))
        assert torch.equal(*draws) and not torch.equal(draws[0], FastDropout(p)(torch.ones(100_000)))

    def test_it_keeps_the_type_and_the_shape(self, p):
        for dtype in (torch.bfloat16, torch.float32, torch.float64):
            x = torch.rand(3, 4, 5).to(dtype).mT
            assert FastDropout(p)(x).dtype is dtype and FastDropout(p)(x).shape == x.shape

    def test_in_eval_mode_nothing_happens_and_nothing_is_drawn(self, p):
        x, before = torch.rand(4), torch.get_rng_state()
        assert FastDropout(p).eval()(x) is x and torch.equal(before, torch.get_rng_state())
