"""Every wrapper of an optimizer factory: saved and loaded, the next step is the same; and it minds its own business."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from inspect import signature
from typing import get_type_hints

import pytest
import torch
from find import members
from torch import nn

import tutelage.optimizers
from tutelage.compress.masks import Choice, of_each
from tutelage.optimizers.factory import Factory

WRAPPERS = members(tutelage.optimizers, Factory)
BASES = {
    "sgd": partial(torch.optim.SGD, lr=0.1),
    "momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "fused": partial(torch.optim.SGD, lr=0.1, momentum=0.9, fused=True),
    "adam": partial(torch.optim.Adam, lr=0.1),
    "adagrad": partial(torch.optim.Adagrad, lr=0.1),
}


def falling(step):
    return 1 / (1 + step)


def everywhere(_name):
    return True


def one_each(_name):
    return 0.3


EXAMPLES = {
    float: 0.5,
    Callable[[int], float]: falling,
    Callable[[str], bool]: everywhere,
    Callable[[str], float | torch.Tensor]: one_each,
    Choice: of_each,
}


def wrapped(wrapper, base):
    """The wrapper around ``base``, its other arguments drawn from their types."""
    kinds = get_type_hints(wrapper)
    return wrapper(base, *(EXAMPLES[kinds[name]] for name in list(signature(wrapper).parameters)[1:]))


def grouped(base):
    """A factory that makes two groups, as one does for weight decay."""

    def build(named):
        decays, rest = ([(n, p) for n, p in named if (p.ndim > 1) is wide] for wide in (True, False))
        return base([{"params": decays, "weight_decay": 0.1}, {"params": rest}])

    return build


def net(seed=0):
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    made.unused = nn.Linear(1, 1)
    return made


def step(optimizer, model, seed):
    optimizer.zero_grad()
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))
    model[2](model[1](model[0](x))).square().sum().backward()
    optimizer.step()


def goes_on_alike(factory):
    """Two steps after saving and loading are those of one that was never interrupted, state and all."""
    model = net()
    optimizer = factory(list(model.named_parameters()))
    for seed in range(3):
        step(optimizer, model, seed)
    other = deepcopy(model)
    again = factory(list(other.named_parameters()))
    again.load_state_dict(deepcopy(optimizer.state_dict()))
    for seed in (7, 8):
        step(optimizer, model, seed)
        step(again, other, seed)
    left, right = optimizer.state_dict(), again.state_dict()
    tensors = [(s[k], right["state"][i][k]) for i, s in left["state"].items() for k in s if torch.is_tensor(s[k])]
    return (
        left["param_groups"] == right["param_groups"]
        and all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))
        and all(torch.equal(x, y) for x, y in tensors)
    )


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("groups", [lambda base: base, grouped], ids=["plain", "grouped"])
@pytest.mark.parametrize("base", BASES)
def test_saved_and_loaded_the_next_step_is_the_same(wrapper, base, groups):
    assert goes_on_alike(wrapped(wrapper, groups(BASES[base])))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_around_every_other_wrapper_too(wrapper):
    for other in WRAPPERS:
        assert goes_on_alike(wrapped(wrapper, wrapped(other.values[0], BASES["adam"])))


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("base", BASES)
def test_what_has_no_gradient_gets_no_state_and_the_state_of_others_is_the_optimizers_first(wrapper, base):
    model, plain = net(), net()
    ours, theirs = wrapped(wrapper, BASES[base])(list(model.named_parameters())), BASES[base](plain.named_parameters())
    step(ours, model, 0), step(theirs, plain, 0)
    for p, q in zip(model.parameters(), plain.parameters(), strict=True):
        assert theirs.state.get(q, {}).keys() <= ours.state.get(p, {}).keys()
        assert p.grad is not None or ours.state.get(p, {}).keys() == theirs.state.get(q, {}).keys()


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_two_of_a_kind_share_nothing(wrapper):
    factory, (model, alone) = wrapped(wrapper, BASES["momentum"]), (net(), net())
    one, two = factory(list(model.named_parameters())), factory(list(net(1).named_parameters()))
    single = wrapped(wrapper, BASES["momentum"])(list(alone.named_parameters()))
    for seed in range(3):
        step(one, model, seed), step(single, alone, seed)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), alone.parameters(), strict=True))
    assert not any(two.state.values()) or isinstance(two, torch.optim.Adagrad)


def forgetful(factory: Factory, limit: float) -> Factory:
    """A broken member: it counts its steps where no checkpoint looks."""

    def build(named):
        optimizer, steps = factory(named), []

        def weaken(optimizer, *_):
            steps.append(1)
            for group in optimizer.param_groups:
                group["lr"] = limit / len(steps)

        optimizer.register_step_pre_hook(weaken)
        return optimizer

    return build


def test_a_broken_member_is_caught():
    assert not goes_on_alike(wrapped(forgetful, BASES["momentum"]))
