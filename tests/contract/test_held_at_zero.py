"""What is 0 stays 0: in every optimizer of the package, and whatever other wrappers do inside or outside."""

from functools import partial
from inspect import signature

import pytest
import torch
from find import modules, own, returned
from test_optimizers import BASES, WRAPPERS, wrapped
from torch import nn

import tutelage.optimizers
from tutelage.compress.masks import prune_, weights_of
from tutelage.optimizers.ema import averaged, ema
from tutelage.optimizers.magnitude import cubic, magnitude_pruned
from tutelage.optimizers.masked import masked

OPTIMIZERS = {
    name: member
    for module in modules(tutelage.optimizers)
    for name, member in own(module)
    if returned(member) is torch.optim.Optimizer and "lr" in signature(member).parameters
}
DECAYING = {
    f"{name}, {decay:g}": partial(make, lr=0.05, **({"weight_decay": decay} if decay else {}))
    for name, make in OPTIMIZERS.items()
    for decay in (0.0, 0.1)
    if not decay or "weight_decay" in signature(make).parameters
} | {
    "amsgrad": partial(torch.optim.Adam, lr=0.05, amsgrad=True, weight_decay=0.1),
    "adagrad": partial(torch.optim.Adagrad, lr=0.05, initial_accumulator_value=0.1),
    "rmsprop": partial(torch.optim.RMSprop, lr=0.05, momentum=0.9, centered=True),
}


def everywhere(_name):
    return True


def net():
    return nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, 4), nn.Tanh(), nn.Linear(4, 2))


def take_steps(optimizer, model, steps):
    for seed in range(steps):
        optimizer.zero_grad()
        x = torch.randn(16, 8, generator=torch.Generator().manual_seed(seed))
        model(x).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("factory", DECAYING.values(), ids=DECAYING)
def test_what_is_0_is_0_after_ten_steps_of_every_optimizer(factory):
    model = prune_(net(), 0.6)
    gone = {name: w.detach() == 0 for name, w in weights_of(model).items()}
    before = {name: w.detach().clone() for name, w in weights_of(model).items()}
    optimizer = masked(factory, everywhere)(list(model.named_parameters()))
    take_steps(optimizer, model, 10)
    for name, w in weights_of(model).items():
        assert not w[gone[name]].any() and not w[gone[name]].signbit().any()
        assert bool((w[~gone[name]] != before[name][~gone[name]]).any())


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_whatever_other_wrappers_do_inside_or_outside(wrapper, outside):
    model = prune_(net(), 0.6)
    gone = {name: w.detach() == 0 for name, w in weights_of(model).items()}
    hold = partial(masked, where=everywhere)
    base = BASES["momentum"]
    factory = wrapped(wrapper, hold(base)) if outside else hold(wrapped(wrapper, base))
    optimizer = factory(list(model.named_parameters()))
    for _ in range(3):
        take_steps(optimizer, model, 3)
        assert not any(w[gone[name]].any() for name, w in weights_of(model).items())


@pytest.mark.parametrize("inside", [False, True])
def test_an_average_of_pruned_weights_is_pruned(inside):
    model, share = net(), partial(cubic, last=0.7, begin=0, end=6)
    prune, average = partial(magnitude_pruned, share=share, where=everywhere), partial(ema, decay=0.9)
    base = BASES["adam"]
    factory = prune(average(base)) if inside else average(prune(base))
    optimizer = factory(list(model.named_parameters()))
    take_steps(optimizer, model, 10)
    for name, p in model.named_parameters():
        assert torch.equal(averaged(optimizer)[name] == 0, p == 0)
    assert sum(int((p == 0).sum()) for p in model.parameters()) == round(
        0.7 * sum(p.numel() for p in model.parameters())
    )


def test_open_masks_are_identities():
    model, plain = net(), net()
    plain.load_state_dict(model.state_dict())
    ours = masked(BASES["adam"], everywhere)(list(model.named_parameters()))
    theirs = BASES["adam"](plain.named_parameters())
    take_steps(ours, model, 5), take_steps(theirs, plain, 5)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), plain.parameters(), strict=True))


def test_what_becomes_0_later_is_not_held():
    model = nn.Linear(2, 1, bias=False)
    optimizer = masked(partial(torch.optim.SGD, lr=1.0), everywhere)(list(model.named_parameters()))
    model.weight.grad = model.weight.detach().clone()
    optimizer.step()
    assert not model.weight.any()
    model.weight.grad = torch.ones(1, 2)
    optimizer.step()
    assert bool((model.weight == -1).all())
