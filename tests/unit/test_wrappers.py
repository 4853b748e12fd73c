"""Wrappers of an optimizer factory do one thing each; what holds for all of them is in the contract."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.optimizers.clipped import clipped
from tutelage.optimizers.ema import averaged, ema
from tutelage.optimizers.max_norm import max_norm
from tutelage.optimizers.proximal import proximal
from tutelage.optimizers.scheduled import scheduled


def everywhere(_name):
    return True


SGD = partial(torch.optim.SGD, lr=0.1)
ADAM = partial(torch.optim.Adam, lr=0.1)


def step(optimizer, net, seed):
    optimizer.zero_grad()
    net(torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))).square().sum().backward()
    optimizer.step()


def test_each_does_what_it_says():
    def after(factory, gradient):
        p = nn.Parameter(torch.tensor([[3.0, 4.0]]))
        optimizer = factory([("w", p)])
        p.grad = torch.tensor([gradient])
        optimizer.step()
        return p, optimizer

    torch.testing.assert_close(after(clipped(SGD, 1.0), [30.0, 40.0])[0].data, torch.tensor([[2.94, 3.92]]))
    torch.testing.assert_close(after(scheduled(SGD, lambda _: 0.5), [1.0, 0.0])[0].data, torch.tensor([[2.95, 4.0]]))
    torch.testing.assert_close(after(max_norm(SGD, 1.0, everywhere), [0.0, 0.0])[0].data, torch.tensor([[0.6, 0.8]]))
    assert after(proximal(SGD, 35.0, everywhere), [0.0, 0.0])[0].tolist() == [[0.0, 0.5]]
    p, optimizer = after(ema(SGD, 0.9), [1.0, 0.0])
    p.grad = torch.tensor([[1.0, 0.0]])
    optimizer.step()
    torch.testing.assert_close(averaged(optimizer)["w"], torch.tensor([[2.89, 4.0]]))


def test_wrappers_compose():
    net = nn.Linear(3, 2)
    optimizer = ema(clipped(scheduled(ADAM, lambda step: 0.5**step), 1.0), 0.5)(list(net.named_parameters()))
    for seed in range(3):
        step(optimizer, net, seed)
    assert optimizer.param_groups[0]["lr"] == 0.1 * 0.25 and set(averaged(optimizer)) == {"weight", "bias"}


def test_the_average_begins_with_the_weights_after_the_first_step_and_follows_them():
    net = nn.Linear(3, 2)
    optimizer = ema(SGD, 0.0)(list(net.named_parameters()))
    assert averaged(optimizer) == {}
    step(optimizer, net, 0)
    assert all(torch.equal(averaged(optimizer)[name], p) for name, p in net.named_parameters())
    step(optimizer, net, 1)
    torch.testing.assert_close(averaged(optimizer)["weight"], net.weight.detach())


@pytest.mark.parametrize(
    ("wrap", "sentence"),
    [
        (lambda: clipped(SGD, 0.0), "clipped to is a number above 0; got 0.0"),
        (lambda: clipped(SGD, float("nan")), "clipped to is a number above 0; got nan"),
        (lambda: max_norm(SGD, -1.0, everywhere), "may be is a number above 0; got -1.0"),
        (lambda: ema(SGD, 1.0), "at least 0 and below 1; got 1.0"),
        (lambda: proximal(SGD, -0.1, everywhere), "0 or more; got -0.1"),
    ],
)
def test_what_makes_no_sense_is_refused(wrap, sentence):
    with pytest.raises(ValueError, match=sentence):
        wrap()


def test_weights_of_length_zero_stay_zero_under_a_max_norm():
    p = nn.Parameter(torch.zeros(2, 3))
    optimizer = max_norm(SGD, 1.0, everywhere)([("w", p)])
    p.grad = torch.zeros(2, 3)
    optimizer.step()
    assert torch.equal(p, torch.zeros(2, 3))
