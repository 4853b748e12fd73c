"""A key says what a computation is: equal for equal ones, different for others, refused where it cannot tell."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from examples import cnn, mlp
from tutelage import keys
from tutelage.data.labelled import labelled
from tutelage.keys import MOVED, STAGE_KEY, already_imported, called, described, home, key_of


@dataclass(frozen=True)
class Lesson:
    size: int
    transform: object = None


@dataclass(frozen=True)
class Other:
    size: int
    transform: object = None


@dataclass(frozen=True)
class Layers:
    names: tuple[str, ...] = ()
    widths: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Settings within settings, with functions and files in them."""

    epochs: float = 1
    layers: Layers = Layers()
    others: list[Layers] = field(default_factory=lambda: [Layers()])
    transform: Callable[[int], nn.Module] = mlp
    weights: Path | None = None


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
    Settings(),
    Settings(epochs=True),
    Settings(epochs=1.0),
    Settings(layers=Layers(("a",))),
    Settings(layers=Layers(widths={"a": 1})),
    Settings(others=[]),
    Settings(others=[Layers(("a",))]),
    Settings(transform=cnn),
    Settings(weights=Path(__file__)),
    Settings(weights=Path("a/b")),
]


def test_different_things_have_different_keys():
    assert len({key_of(x) for x in DIFFERENT}) == len(DIFFERENT)


def test_equal_things_have_equal_keys_and_descriptions_are_json():
    for thing in DIFFERENT:
        assert json.loads(json.dumps(described(thing))) == described(thing)
    assert key_of(partial(mlp, seed=1, width=3)) == key_of(partial(partial(mlp, width=3), seed=1))
    assert key_of({net, careless}) == key_of({careless, net}) and key_of((1, 2)) == key_of([1, 2])


def test_what_is_said_though_it_is_the_default_changes_no_key():
    said = Settings(1, Layers((), {}), [Layers()], mlp, None)
    assert key_of(said) == key_of(Settings()) and described(Settings())["fields"] == {}


def test_a_file_is_known_by_what_it_holds_wherever_it_lies(tmp_path):
    (tmp_path / "deep").mkdir()
    one, same, other = tmp_path / "one", tmp_path / "deep" / "same", tmp_path / "other"
    for file, content in ((one, b"x"), (same, b"x"), (other, b"y")):
        file.write_bytes(content)
    assert key_of(Settings(weights=one)) == key_of(Settings(weights=same)) != key_of(Settings(weights=other))
    assert str(tmp_path) not in json.dumps(described(Settings(weights=one)))
    before = key_of(one)
    one.write_bytes(b"y")
    assert before != key_of(one) == key_of(other)
    with pytest.raises(ValueError, match="cannot be part of a stage's key"):
        described(tmp_path)


def told(options: object) -> nn.Module:
    network = nn.Identity()
    network.options = options
    return network


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
    made = called(description, found=already_imported)
    assert isinstance(made[1], nn.Tanh) and made[0].weight.shape == (3, 8)
    assert isinstance(called(described(partial(nn.Linear, 3, 2)), found=already_imported), nn.Linear)


def test_arguments_by_name_come_back_as_they_were_whatever_is_in_them():
    options = {"reads": {"layer1.conv": "0-3", "": [1, {"deep": None}]}, "function": "os:system", "mapping": []}
    description = json.loads(json.dumps(described(partial(told, options=options))))
    assert called(description, found=already_imported).options == options


@pytest.mark.parametrize("entries", [3, [3], [["a"]], [["a", 1, 2]], [[1, 2]], [[["a"], 1]], {"a": 1}])
def test_entries_that_are_no_names_and_values_are_refused(entries):
    description = {"function": f"{__name__}:told", "arguments": [{"mapping": entries}]}
    with pytest.raises(ValueError, match="only the recipe can make"):
        called(description, found=already_imported)


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
        called(description, found=already_imported)


def test_a_network_that_cannot_be_built_here_is_refused():
    with pytest.raises(
        ValueError, match="here; start Python in the folder that holds nobody_has_this, or put that fold"
    ):
        called({"function": "nobody_has_this.nets:net"}, found=already_imported)
    with pytest.raises(ValueError, match="only the recipe can make"):
        called({"function": f"{__name__}:net", "arguments": [{"stage": "abc"}], "named": {}}, found=already_imported)


@pytest.mark.parametrize(
    "description", [None, [], "net", {}, {"function": None}, {"function": f"{__name__}:net", "arguments": {}}]
)
def test_what_describes_no_network_is_refused_in_one_sentence(description):
    with pytest.raises(ValueError, match=r"names a function|are a list"):
        called(description, found=already_imported)


def prune(network: nn.Module, width: int) -> nn.Module:
    return nn.Sequential(network, nn.Linear(5, width))


def width(network: nn.Module) -> float:
    return float(network[0].out_features)


def test_a_described_function_is_called_on_a_network_if_it_is_declared_to_make_one():
    assert called(described(partial(prune, width=2)), mlp(), found=already_imported)(torch.zeros(1, 8)).shape == (1, 2)
    with pytest.raises(ValueError, match="not declared to return"):
        called(described(width), mlp(), found=already_imported)


def test_every_home_that_was_given_up_leads_to_one_that_is_there(monkeypatch):
    """What files of earlier versions name is found where it is now, and is held to the same rules."""
    for old, new in MOVED.items():
        module = new.partition(":")[0].removesuffix(".")
        assert import_module(module).__name__.startswith("tutelage.") and old not in new
    moved = {
        "old.place.": f"{__name__}:",
        "old.place.nets:careless": f"{__name__}:careless",
        "old:net": f"{__name__}:net",
    }
    monkeypatch.setattr(keys, "MOVED", moved)
    assert called({"function": "old.place.net", "arguments": [3]}, found=already_imported)[0].weight.shape == (3, 8)
    assert called({"function": "old:net", "arguments": [3]}, found=already_imported)[0].weight.shape == (3, 8)
    with pytest.raises(ValueError, match="not declared to return"):
        called({"function": "old.place.nets:careless", "arguments": [3]}, found=already_imported)
    with pytest.raises(ValueError, match="cannot be imported here"):
        called({"function": "old:net_of_mine", "arguments": [3]}, found=already_imported)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tutelage.recipes.methods.response:kd", "tutelage.methods.response:kd"),
        ("tutelage.recipes.methods.find:methods", "tutelage.methods.by_name:methods"),
        ("tutelage.recipes.methods.weighed:stronger", "tutelage.methods.sums:stronger"),
        ("tutelage.recipes.parts.rules:rule", "tutelage.combine.by_name:rule"),
        ("tutelage.recipes.parts.rules:proposal", "tutelage.combine.by_name:pcgrad"),
        ("tutelage.recipes.parts.rules:proposal_in_turn", "tutelage.combine.by_name:sequential"),
        ("tutelage.speakers.frozen:frozen", "tutelage.teachers.frozen:frozen"),
        ("tutelage.recipes.parts.pupils:borrowing", "tutelage.losses.simkd:borrowing"),
        ("tutelage.models.mlp:mlp", "tutelage.models.mlp:mlp"),
    ],
)
def test_what_moved_with_its_module_is_known_by_its_old_name(old, new):
    assert home(old) == new
