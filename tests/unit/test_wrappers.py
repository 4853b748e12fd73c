"""Wrappers of an optimizer factory do one thing each; what holds for all of them is in the contract."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from tutelage.optimizers.accelerated_proximal import accelerated_proximal, lasting, sparse, steady
from tutelage.optimizers.clipped import clipped
from tutelage.optimizers.ema import averaged, ema
from tutelage.optimizers.max_norm import max_norm
from tutelage.optimizers.proximal import proximal
from tutelage.optimizers.scheduled import scheduled
from tutelage.optimizers.usual import nesterov, sgd


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
        (lambda: accelerated_proximal(SGD, float("nan"), everywhere), "0 or more; got nan"),
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


def is_gate(name):
    return name.endswith("gate")


def pulled(optimizer, **gradients):
    for p, gradient in gradients.values():
        p.grad = torch.tensor(gradient)
    optimizer.step()


def test_each_element_has_a_threshold_of_its_own():
    p = nn.Parameter(torch.tensor([1.0, 1.0, -1.0]))
    optimizer = proximal(SGD, 5.0, everywhere, lambda _: torch.tensor([1.0, 0.5, 4.0]))([("p", p)])
    pulled(optimizer, p=(p, [0.0, 0.0, 0.0]))
    torch.testing.assert_close(p.data, torch.tensor([0.5, 0.75, 0.0]))


@pytest.mark.parametrize("base", [SGD, ADAM, partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.1)])
def test_an_accelerated_step_leaves_others_to_their_optimizer_and_lets_it_do_nothing_of_its_own(base):
    def trained(factory):
        gate, weight = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
        optimizer = factory([("gate", gate), ("weight", weight)])
        for k in range(3):
            pulled(optimizer, gate=(gate, [0.1 * k, -0.2]), weight=(weight, [0.3, -0.1, k / 2]))
        return gate.detach(), weight.detach()

    gate, weight = trained(accelerated_proximal(base, 0.5, is_gate))
    assert torch.equal(weight, trained(base)[1])
    assert torch.equal(gate, trained(accelerated_proximal(SGD, 0.5, is_gate))[0])


def test_an_accelerated_step_sees_the_scheduled_rate():
    """Without a gradient the first step is ``(1 + μ) · lr · strength`` long."""
    gate = nn.Parameter(torch.ones(1))
    optimizer = scheduled(accelerated_proximal(SGD, 0.5, is_gate), lambda _: 0.5)([("gate", gate)])
    pulled(optimizer, gate=(gate, [0.0]))
    torch.testing.assert_close(gate.data, torch.tensor([1 - 1.9 * 0.05 * 0.5]))


def test_a_closed_gate_opens_again_where_the_loss_wants_it():
    gate = nn.Parameter(torch.zeros(2))
    optimizer = accelerated_proximal(SGD, 0.5, is_gate)([("gate", gate)])
    for _ in range(3):
        pulled(optimizer, gate=(gate, [-1.0, -0.4]))
    assert gate[0] > 0 and gate[1] == 0  # a pull of less than strength · α leaves it closed


def test_the_sparse_iterate_is_that_of_the_last_step():
    gate, other = nn.Parameter(torch.tensor([1.0, 0.02])), nn.Parameter(torch.ones(1))
    factory = accelerated_proximal(SGD, 0.5, is_gate, momentum=partial(steady, momentum=0.5))
    optimizer = factory([("gate", gate), ("other", other)])
    assert sparse(optimizer) == {}
    pulled(optimizer, gate=(gate, [0.0, 0.0]), other=(other, [1.0]))
    torch.testing.assert_close(sparse(optimizer), {"gate": torch.tensor([0.95, 0.0])})
    torch.testing.assert_close(gate.data, torch.tensor([0.925, 0.0]))


@pytest.mark.parametrize("loaded", [None, 7])
def test_gates_move_together_as_each_would_alone(loaded):
    """Of several shapes and types, some without a gradient in some of the steps, and on after a state is loaded."""
    kinds = [((2,), torch.float32), ((2, 3), torch.float64), ((3,), torch.float32), ((), torch.float32)]

    def moved(numbers, loaded=None):
        gates = {k: nn.Parameter(torch.ones(kinds[k][0], dtype=kinds[k][1])) for k in numbers}
        make = accelerated_proximal(ADAM, 0.5, everywhere)
        optimizer = make([(f"gate{k}", p) for k, p in gates.items()])
        for count in range(12):
            generator = torch.Generator().manual_seed(count)
            for k, (shape, dtype) in enumerate(kinds):
                pull = torch.randn(shape, generator=generator).to(dtype)
                if k in gates:
                    gates[k].grad = pull if (count + k) % 3 else None
            optimizer.step()
            if count == loaded:
                state = deepcopy(optimizer.state_dict())
                optimizer = make([(f"gate{k}", p) for k, p in gates.items()])
                optimizer.load_state_dict(state)
        return [*gates.values(), *sparse(optimizer).values(), *lasting(optimizer).values()]

    alone = zip(*(moved([k]) for k in range(len(kinds))), strict=True)
    together = moved(range(len(kinds)), loaded)
    assert all(map(torch.equal, together, [x for rows in alone for x in rows]))


@pytest.mark.parametrize("factory", [sgd, nesterov])
def test_momentum_begins_with_the_first_gradient_of_a_parameter_whenever_that_comes(factory):
    """As of a layer that is skipped by chance: torch's fused step fails there, its plain one is what is wanted."""
    ours, theirs = ([nn.Parameter(torch.ones(3)) for _ in range(2)] for _ in range(2))
    plain = torch.optim.SGD(theirs, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=factory is nesterov)
    optimizers = factory([("a", ours[0]), ("b", ours[1])], lr=0.1, weight_decay=0.01), plain
    for seen in ((0,), (0, 1), (1,), (0, 1)):
        for parameters, optimizer in zip((ours, theirs), optimizers, strict=True):
            for place, p in enumerate(parameters):
                p.grad = torch.arange(3.0) if place in seen else None
            optimizer.step()
        torch.testing.assert_close(ours, theirs)
