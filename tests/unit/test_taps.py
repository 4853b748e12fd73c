"""Taps show what they are asked for, refuse what they cannot show rightly, and leave nothing behind."""

import pytest
import torch
from torch import nn

from examples import cnn
from tutelage.taps import Tapped

X = torch.ones(2, 3, 8, 8)


def test_shows_outputs_and_inputs_under_their_addresses():
    net = cnn(4).eval()
    shown = Tapped(net, ["2", "8:input", "output"])(X)
    assert set(shown) == {"2", "8:input", "output"}
    torch.testing.assert_close(net[8](shown["8:input"]), shown["output"])


def test_ends_the_forward_pass_when_nobody_reads_on():
    net, ran = cnn(4), []
    net[3].register_forward_hook(lambda *_: ran.append(3))
    tapped = Tapped(net, ["2", "output"])
    tapped(X)
    tapped.wanted = frozenset({"2"})
    assert set(tapped(X)) == {"2"} and ran == [3]


def test_a_layer_without_a_tensor_needs_a_reader():
    net = nn.Sequential(nn.GRU(3, 4))
    with pytest.raises(ValueError, match="is a tuple"):
        Tapped(net, ["0"])(torch.ones(2, 3))
    assert Tapped(net, ["0"], read={"0": lambda pair: pair[0]})(torch.ones(2, 3))["0"].shape == (2, 4)


def test_a_layer_that_runs_twice_is_refused():
    relu = nn.ReLU()
    with pytest.raises(ValueError, match="ran twice"):
        Tapped(nn.Sequential(relu, relu), ["0", "output"])(X)


@pytest.mark.parametrize("address", ["0", "1:input"])
def test_an_activation_that_is_overwritten_later_is_refused_by_name(address):
    net = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(inplace=True))
    with pytest.raises(ValueError, match=rf"'{address}'.*overwritten"):
        Tapped(net, [address, "output"])(X)
    assert set(Tapped(net, ["1", "output"])(X)) == {"1", "output"}  # the layer that overwrites may be read


def test_misspelt_layers_are_refused_with_a_suggestion():
    with pytest.raises(ValueError, match="Did you mean"):
        Tapped(cnn(4), ["22"])
    with pytest.raises(ValueError, match=":input"):
        Tapped(cnn(4), ["2:output"])


def test_a_silent_layer_is_refused():
    class Skips(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)

        def forward(self, x):
            return self.a(x)

    with pytest.raises(ValueError, match="did not run"):
        Tapped(Skips(), ["b"])(torch.ones(2, 2))


def test_untap_puts_everything_back():
    net = cnn(4)
    net[1].eval()
    net[0].weight.requires_grad_(False)
    modes = [m.training for m in net.modules()]
    grads = [p.requires_grad for p in net.parameters()]
    tapped = Tapped(net, ["2", "8:input"])
    net.eval().requires_grad_(True)
    assert tapped.untap() is net
    assert [m.training for m in net.modules()] == modes and [p.requires_grad for p in net.parameters()] == grads
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_a_tap_that_fails_leaves_no_other_behind():
    net = cnn(4)
    with pytest.raises(ValueError, match="Did you mean"):
        Tapped(net, ["2", "8:input", "nowhere"])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_the_input_of_a_layer_that_is_given_none_is_refused():
    class Constant(nn.Module):
        def forward(self):
            return torch.ones(2)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = Constant()

        def forward(self, x):
            return x + self.bias()

    with pytest.raises(ValueError, match="is None, not a tensor"):
        Tapped(Net(), ["bias:input", "output"])(torch.ones(2))
