"""A key says what a computation is: equal for equal ones, different for others, refused where it cannot tell."""

import json
import math
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from examples import cnn, mlp
from tutelage.data.labelled import labelled
from tutelage.keys import STAGE_KEY, called, described, key_of


@dataclass(frozen=True)
class Lesson:
    size: int
    transform: object = None


@dataclass(frozen=True)
class Other:
    size: int
    transform: object = None


def net(width: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, width), activation(), nn.Linear(width, 5))


def careless(width: int):
    return net(width)


def network_of(key):
    made = mlp()
    setattr(made, STAGE_KEY, key)
    return made


class Trainer:
    def fit(self):
        pass


DIFFERENT = [
    1,
    1.0,
    "1",
    True,
    None,
    0.1,
    [1],
    [[1]],
    {"a": 1},
    {"a": 2},
    {1, 2},
    {1, 3},
    {net, careless},
    mlp,
    cnn,
    partial(mlp, 3),
    partial(mlp, 4),
    partial(mlp, width=3),
    partial(mlp, width=3, seed=1),
    Lesson(1),
    Lesson(2),
    Lesson(1, mlp),
    Other(1),
    labelled("a", torch.zeros(3, 2), torch.zeros(3)),
    labelled("a", torch.ones(3, 2), torch.zeros(3)),
    network_of("one"),
    network_of("one/best"),
    torch.float32,
    torch.bfloat16,
    Path("a/b"),
    torch.tanh,
    torch.relu,
    F.gelu,
    F.relu,
    nn.ReLU,
    math.sqrt,
    partial(partial(mlp, 3), seed=2),
    torch.optim.SGD,
]


def test_different_things_have_different_keys():
    assert len({key_of(x) for x in DIFFERENT}) == len(DIFFERENT)


def test_equal_things_have_equal_keys_and_descriptions_are_json():
    for thing in DIFFERENT:
        assert json.loads(json.dumps(described(thing))) == described(thing)
    assert key_of(partial(mlp, seed=1, width=3)) == key_of(partial(partial(mlp, width=3), seed=1))
    assert key_of({net, careless}) == key_of({careless, net}) and key_of((1, 2)) == key_of([1, 2])


def local():
    def inner():
        pass

    return inner


@pytest.mark.parametrize(
    "thing",
    [lambda: None, local(), Trainer().fit, Trainer(), mlp(), torch.zeros(2), lru_cache(mlp), partial(local(), 1)],
    ids=lambda thing: type(thing).__name__,
)  # fmt: skip
def test_what_cannot_be_told_apart_is_refused(thing):
    with pytest.raises(ValueError, match="cannot be part of a stage's key"):
        described(thing)


def test_a_described_network_can_be_built_from_its_description_alone():
    description = json.loads(json.dumps(described(partial(net, 3, activation=nn.Tanh))))
    made = called(description)
    assert isinstance(made[1], nn.Tanh) and made[0].weight.shape == (3, 8)
    assert isinstance(called(described(partial(nn.Linear, 3, 2))), nn.Linear)


@pytest.mark.parametrize(
    "description",
    [
        {"function": "os:system", "arguments": ["exit 1"], "named": {}},
        {"function": "builtins:exec", "arguments": ["raise SystemExit"], "named": {}},
        {"function": f"{__name__}:net", "arguments": [3, {"function": "os:abort", "arguments": []}]},
        {"function": f"{__name__}:net", "arguments": [3], "named": {"activation": {"function": "os:abort"}}},
        described(partial(careless, 3)),
    ],
    ids=lambda x: x["function"],
)
def test_only_what_is_declared_to_make_a_network_is_called(description):
    with pytest.raises(ValueError, match="not declared to return"):
        called(description)


def test_a_network_that_cannot_be_built_here_is_refused():
    with pytest.raises(ValueError, match="cannot be imported here"):
        called({"function": "nobody_has_this:net"})
    with pytest.raises(ValueError, match="only the recipe can make"):
        called({"function": f"{__name__}:net", "arguments": [{"stage": "abc"}], "named": {}})
