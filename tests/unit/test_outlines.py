"""The layers that are found in networks which nobody here wrote, and in our own."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn

from foreign_networks import MAPS, TOKENS, example
from tutelage.models.named import known
from tutelage.models.outline import outline
from tutelage.teachers.frozen import frozen

pytestmark = pytest.mark.slow

SIZES = (16, 32, 64, 224)
OURS = json.loads((Path(__file__).parent / "outlines.json").read_text(encoding="utf-8"))
"""Network -> size of the image -> what was found in it before other people's networks were thought of.

Since then ``last`` follows the networks that shrink to a single place to what the mean is taken of there, too.
"""
READ = {"output": lambda y: getattr(y, "logits", y)}
DEEPER = ("torchvision VGG", "torchvision MobileNetV3")
"""Networks with linear layers between the mean and the last one."""


@cache
def of_others(name):
    """A network of other people's; nothing is computed or stored."""
    with torch.device("meta"):
        return {**MAPS, **TOKENS}[name].build()


@cache
def found_in(name, size):
    """Its outline."""
    with torch.device("meta"):
        return outline(of_others(name), example(name, size))


def expected(case, size):
    """The stages whose maps have more than one place in images of that size."""
    return tuple(name for name, stride in case.stages if -(-size // stride) > 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", MAPS)
def test_the_stages_are_those_of_the_construction(name, size):
    assert found_in(name, size).maps == expected(MAPS[name], size)


@pytest.mark.parametrize("name", MAPS)
def test_maps_shrink_from_stage_to_stage_and_all_layers_can_be_read(name):
    network, x = MAPS[name].build(), example(name, 32)
    found = outline(network, x)
    shown = frozen(network, read=READ)({"batch": {"input": x}}, frozenset(
        {*found.maps, *found.preactivations, *found.blocks, found.last}
    ))  # fmt: skip
    areas = [shown[address].shape[2:].numel() for address in found.maps]
    assert areas == sorted(set(areas), reverse=True)
    assert [shown[address].shape[2:].numel() for address in found.preactivations] == areas
    assert all(shown[address].ndim == 4 for address in found.blocks)
    assert shown[found.last].ndim == 4


@pytest.mark.parametrize("name", [name for name in MAPS if MAPS[name].last])
def test_the_last_map_is_what_the_mean_is_taken_of(name):
    assert found_in(name, 64).last == MAPS[name].last


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [name for name in MAPS if MAPS[name].head and name not in DEEPER])
def test_the_last_map_is_what_the_head_is_fed_the_mean_of_even_where_it_is_a_single_place(name, size):
    network, found = of_others(name), found_in(name, size)
    with torch.device("meta"):
        inputs = {"input": example(name, size)}
        shown = frozen(network, read=READ)({"batch": inputs}, frozenset({found.last, found.embedding}))
    assert shown[found.last].mean((2, 3)).shape[1] == shown[found.embedding].shape[-1]


class PoolsFirst(nn.Module):
    """As MobileNetV3 elsewhere: the mean, then a convolution of it and what gives the classes."""

    def __init__(self, pool, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1))
        self.pool, self.widen, self.classes = pool, nn.Conv2d(6, 9, 1), classes

    def forward(self, x):
        return self.classes(self.widen(self.pool(self.body(x)))).flatten(1)


@pytest.mark.parametrize("pool", [nn.AdaptiveAvgPool2d(1), nn.Sequential(nn.AdaptiveAvgPool2d(1)), nn.AvgPool2d(4)])
@pytest.mark.parametrize("classes", [nn.Conv2d(9, 5, 1), nn.Sequential(nn.Flatten(), nn.Linear(9, 5))])
def test_what_follows_the_pool_is_no_map_of_a_single_place(pool, classes):
    assert outline(PoolsFirst(pool, classes), torch.rand(2, 3, 16, 16)).last == "pool:input"


def test_a_convolution_that_leaves_one_place_and_gives_the_classes_is_no_map():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(6, 5, 4), nn.Flatten())
    assert outline(network, torch.rand(2, 3, 16, 16)).last == "2:input"


def test_a_network_without_weights_has_a_last_map():
    assert outline(nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(2)), torch.rand(2, 3, 4, 4)).last == "1:input"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", {**MAPS, **TOKENS})
def test_the_head_is_the_linear_layer_that_answers(name, size):
    case = {**MAPS, **TOKENS}[name]
    found = found_in(name, size)
    if case.head is None:
        with pytest.raises(ValueError, match="does not end in a linear layer"):
            _ = found.head
    else:
        assert found.head == case.head and found.embedding == f"{case.head}:input"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", TOKENS)
def test_a_network_of_tokens_has_no_maps_to_learn_from(name, size):
    found = found_in(name, size)
    for layers in ("maps", "preactivations", "norms", "last", "blocks"):
        with pytest.raises(ValueError, match=f"{TOKENS[name].build.__name__} has no layer that shows a map"):
            getattr(found, layers)


@pytest.mark.parametrize("name", MAPS)
def test_an_image_need_not_be_square(name):
    case = MAPS[name]
    with torch.device("meta"):
        assert outline(case.build(), torch.rand(2, 3, 64, 96)).maps == expected(case, 64)


def test_given_maps_are_taken_even_of_a_network_of_tokens():
    found = outline(TOKENS["ViT"].build(), example("ViT", 32), ("patch_embed.proj",))
    assert found.maps == ("patch_embed.proj",) and found.last == "patch_embed.proj"


@pytest.mark.parametrize("name", OURS)
def test_the_outlines_of_our_own_networks_stay_as_they_are(name):
    with torch.device("meta"):
        network = known()[name]()
    for sizes, layers in OURS[name]:
        for size in sizes:
            found = outline(network, torch.empty(2, 1 if name == "lenet5" else 3, size, size, device="meta"))
            assert {field: _listed(getattr(found, field)) for field in layers} == layers


def _listed(found):
    return list(found) if isinstance(found, tuple) else found
