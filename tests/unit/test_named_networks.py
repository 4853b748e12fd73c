"""Networks by name, and the layers that are found in them."""

import pytest
import torch
from torch import nn

from tutelage.keys import called, described
from tutelage.models.named import known, named
from tutelage.models.outline import outline

CLASSIFIERS = sorted(name for name in known() if name not in ("lenet5", "imagenet_resnet", "wrn_28_10"))


class Grouped(nn.Module):
    """As much code looks: stages inside an enclosing module, a functional ReLU, a head called otherwise."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(6, 8, 3, 2, 1))
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.fc(torch.relu(self.features(x)).mean((2, 3)))


def grouped(num_classes: int = 10) -> nn.Module:
    return Grouped(num_classes)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_network_has_an_outline(name):
    model = named(name, 7)()
    found = outline(model, torch.rand(2, 3, 32, 32))
    assert len(found.maps) == len(found.preactivations) == len(found.norms) >= 2
    assert model.get_submodule(found.head).out_features == 7
    for norm in found.norms:
        assert norm is None or isinstance(model.get_submodule(norm), nn.BatchNorm2d)


def test_stages_inside_an_enclosing_module_are_found():
    found = outline(Grouped(), torch.rand(1, 3, 16, 16))
    assert found.maps == ("features.0", "features.1", "features.2") and found.embedding == "fc:input"


def test_the_margins_of_a_block_with_a_shortcut_are_not_the_shortcuts():
    assert outline(named("resnet8", 5)(), torch.rand(1, 3, 16, 16)).norms[1] == "layer2.block1.norm2"


def test_a_network_is_watched_without_a_trace():
    model = named("resnet8", 5)().train()
    model.layer1.eval()
    modes = [module.training for module in model.modules()]
    outline(model, torch.rand(2, 3, 16, 16))
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(("maps", "sentence"), [(("layer9",), "has no layer 'layer9'"), (("head",), "shows no map")])
def test_layers_that_do_not_fit_are_refused(maps, sentence):
    with pytest.raises(ValueError, match=sentence):
        outline(named("resnet8", 5)(), torch.rand(2, 3, 16, 16), maps)


def test_a_network_without_a_head_or_maps_is_refused():
    with pytest.raises(ValueError, match="does not end in a linear layer"):
        outline(nn.Sequential(nn.Conv2d(3, 2, 1)), torch.rand(1, 3, 4, 4))
    with pytest.raises(ValueError, match="shows a map"):
        outline(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), torch.rand(1, 3, 4, 4))


@pytest.mark.parametrize("text", ["resnet8", "resnet(depth=14)", "wide_resnet(10, width=1)", "torch.nn.Linear(3, 4)"])
def test_a_named_network_is_made_again_from_its_description(text):
    build = named(text, 6)
    assert [p.shape for p in called(described(build)).parameters()] == [p.shape for p in build().parameters()]


def test_classes_are_handed_on_unless_said():
    assert named("resnet8", 6)().head.out_features == 6
    assert named("resnet8(num_classes=3)", 6)().head.out_features == 3
    assert named("torch.nn.Linear(3, 4)", 6)().out_features == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("resnat8", "Did you mean one of"),
        ("nowhere.net(1)", "no module 'nowhere'"),
        ("torch.nn.Lineal", "has no 'Lineal'"),
        ("torch.pi", "is not a function or class"),
        ("resnet8(", "A network is named like"),
        ("resnet8(open('x'))", "A network is named like"),
    ],
)
def test_a_name_that_means_no_network_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        named(text, 10)
