"""What every model must satisfy, checked for whatever is found in ``tutelage.models``, and for models that break it."""

import inspect
import sys
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

import tutelage.models
from contract.find import modules, own, returned
from tutelage.models.mlp import example_inputs, mlp
from tutelage.taps import Tapped

pytestmark = pytest.mark.slow


def is_a_builder(member):
    """A function from plain numbers to a network; one whose name ends in ``_`` changes a network instead, and one that
    takes a ``build`` has others build it."""
    promise = returned(member) if inspect.isfunction(member) else None
    if not (inspect.isclass(promise) and issubclass(promise, nn.Module)) or member.__name__.endswith("_"):
        return False
    return "build" not in inspect.signature(member).parameters


BUILDERS = [
    pytest.param(member, id=f"{module.__name__}.{name}")
    for module in modules(tutelage.models)
    for name, member in own(module)
    if is_a_builder(member)
]


def inputs(build, count):
    home = sys.modules[build.func.__module__ if isinstance(build, partial) else build.__module__]
    return home.example_inputs(count)


def gives_finite_logits_for_every_sample(build):
    x = inputs(build, 5)
    logits = build()(x)
    assert logits.ndim == 2 or logits.shape[:-1] == x.shape  # of each sample, or of each of its tokens
    assert len(logits) == 5 and logits.isfinite().all() and logits.dtype is torch.float32


def treats_samples_one_by_one_in_eval_mode(build):
    model, x = build().eval().double(), inputs(build, 5)  # rounding depends on the batch, and on the processor
    x = x.double() if x.is_floating_point() else x
    with torch.no_grad():
        whole, part = model(x)[1:3], model(x[1:3])
    assert (whole - part).norm() <= 1e-9 * whole.norm()


def is_the_same_again_under_the_same_seed(build):
    torch.manual_seed(3)
    left = build().state_dict()
    torch.manual_seed(3)
    right = build().state_dict()
    assert left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def gives_every_parameter_a_gradient(build):
    model = build()
    model(inputs(build, 5)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def can_be_copied_and_loaded(build):
    model = build().eval()
    other = build()
    other.load_state_dict(model.state_dict(), strict=True)
    x = inputs(build, 2)
    assert torch.equal(model(x), other.eval()(x)) and torch.equal(model(x), deepcopy(model)(x))


def has_readable_names_that_can_all_be_tapped(build):
    model = build().eval()
    names = [name for name, layer in model.named_modules() if name and not list(layer.children())]
    assert names and all(part.isidentifier() for name in names for part in name.split("."))
    tapped = Tapped(model, names)
    try:
        assert tapped(inputs(build, 2)).keys() == set(names)
    finally:
        tapped.untap()


def draws_the_same_noise_again_under_the_same_seed(build):
    model, x = build().train(), inputs(build, 5)
    torch.manual_seed(5)
    first = model(x)
    torch.manual_seed(5)
    assert torch.equal(first, model(x))


def works_under_autocast(build):
    with torch.autocast("cpu", torch.bfloat16):
        logits = build()(inputs(build, 2))
    assert logits.isfinite().all()


def has_arguments_that_a_file_can_hold(build):
    plain = (bool, int, float, str, tuple)
    assert all(isinstance(p.default, plain) for p in inspect.signature(build).parameters.values())


LAWS = [
    gives_finite_logits_for_every_sample,
    treats_samples_one_by_one_in_eval_mode,
    is_the_same_again_under_the_same_seed,
    gives_every_parameter_a_gradient,
    can_be_copied_and_loaded,
    has_readable_names_that_can_all_be_tapped,
    draws_the_same_noise_again_under_the_same_seed,
    works_under_autocast,
    has_arguments_that_a_file_can_hold,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("build", BUILDERS)
def test_every_model(build, law):
    law(build)


@pytest.mark.parametrize("law", LAWS[:-1], ids=lambda law: law.__name__)
def test_a_model_with_dropout_keeps_the_laws_too(law):
    law(partial(mlp, dropout=0.5, input_dropout=0.2))


def test_the_family_is_found():
    assert mlp in [case.values[0] for case in BUILDERS]


# ---- models that break a law


class Bent(nn.Module):
    """An MLP, and something wrong with it."""

    def __init__(self, bend):
        super().__init__()
        self.body = mlp((784, 10))
        self.bend = bend
        self.draws = torch.Generator()
        self.number = nn.Parameter(torch.randn(()) if bend == "unused" else torch.ones(()))

    def forward(self, x):
        y = self.body(x) * (1 if self.bend == "unused" else self.number)
        return {
            "unused": lambda: y,
            "sample too few": lambda: y[:-1],
            "relates samples": lambda: y - y.mean(0),
            "own generator": lambda: y * torch.rand(y.shape, generator=self.draws),
            "not finite": lambda: y / 0,
            "narrow": lambda: y / 0 if y.dtype is torch.bfloat16 or torch.is_autocast_enabled("cpu") else y,
        }[self.bend]()


def bent(bend):
    def build():
        return Bent(bend)

    return build


def own_seed():
    network = mlp((784, 10))
    for p in network.parameters():
        nn.init.normal_(p, generator=torch.Generator().manual_seed(torch.seed() % 2**31))
    return network


def unreadable():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def other_shapes_each_time():
    other_shapes_each_time.width += 1
    return mlp((784, other_shapes_each_time.width, 10))


other_shapes_each_time.width = 3


def overwrites():
    network = mlp((784, 10, 10))
    network.relu1.inplace = True
    return network


def takes_a_function(activation=torch.relu):  # noqa: ARG001
    return mlp()


BROKEN = [
    (bent("unused"), gives_every_parameter_a_gradient),
    (bent("sample too few"), gives_finite_logits_for_every_sample),
    (bent("not finite"), gives_finite_logits_for_every_sample),
    (bent("relates samples"), treats_samples_one_by_one_in_eval_mode),
    (bent("own generator"), draws_the_same_noise_again_under_the_same_seed),
    (bent("narrow"), works_under_autocast),
    (own_seed, is_the_same_again_under_the_same_seed),
    (unreadable, has_readable_names_that_can_all_be_tapped),
    (overwrites, has_readable_names_that_can_all_be_tapped),
    (other_shapes_each_time, can_be_copied_and_loaded),
    (takes_a_function, has_arguments_that_a_file_can_hold),
]


@pytest.mark.parametrize(("build", "law"), BROKEN)
def test_a_broken_model_is_caught(build, law, monkeypatch):
    monkeypatch.setattr(sys.modules[build.__module__], "example_inputs", example_inputs)
    with pytest.raises((AssertionError, RuntimeError, ValueError)):
        law(build)


def test_every_law_catches_some_broken_model():
    assert {law for _, law in BROKEN} == set(LAWS)
