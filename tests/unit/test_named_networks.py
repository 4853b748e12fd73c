"""Networks by name, and the layers that are found in them."""

import sys

import pytest
import torch
from torch import nn

from tutelage.keys import already_imported, called, described
from tutelage.models.named import known, named
from tutelage.models.outline import outline

pytestmark = pytest.mark.slow

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


def test_a_network_without_a_head_or_maps_is_refused_once_these_are_asked_for():
    headless = outline(nn.Sequential(nn.Conv2d(3, 2, 1)), torch.rand(1, 3, 4, 4))
    assert headless.maps == ("0",)
    with pytest.raises(ValueError, match="does not end in a linear layer"):
        _ = headless.embedding
    flat = outline(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), torch.rand(1, 3, 4, 4))
    assert flat.head == "1"
    with pytest.raises(ValueError, match="shows a map"):
        _ = flat.maps


@pytest.mark.parametrize("text", ["resnet8", "resnet(depth=14)", "wide_resnet(10, width=1)", "torch.nn.Linear(3, 4)"])
def test_a_named_network_is_made_again_from_its_description(text):
    build = named(text, 6)
    again = called(described(build), found=already_imported)
    assert [p.shape for p in again.parameters()] == [p.shape for p in build().parameters()]


def test_classes_are_handed_on_unless_said():
    assert named("resnet8", 6)().head.out_features == 6
    assert named("resnet8(num_classes=3)", 6)().head.out_features == 3
    assert named("resnet8(3)", 6)().head.out_features == 3
    assert named("torch.nn.Linear(3, 4)", 6)().out_features == 4


@pytest.mark.parametrize("name", sorted(known()))
def test_the_first_number_that_a_name_leaves_open_is_that_of_the_classes(name):
    """``resnet8(7)`` has seven classes, as everybody means it; depth, width and growth that a name has are not open."""
    family = {"resnet": (8,), "four_stages": (18,), "imagenet_resnet": (18,), "wide_resnet": (10, 1), "vgg": (8,),
              "densenet": (7, 4), "densenet_bc": (10, 4), "narrow_cnn": (2,), "wide_cnn": (2,),
              "thin_deep": (((4,), (4,)),)}  # fmt: skip
    with torch.device("meta"):
        network = known()[name](*family.get(name, ()), 7)
    assert list(network.parameters())[-1].shape[0] == 7
    with pytest.raises(TypeError, match="positional"):
        known()[name](*family.get(name, ()), 7, 7)


LAB = """
import functools, torch
from torch import nn

class Small(nn.Module):
    def __init__(self, width=3, *, classes=2):
        super().__init__()
        self.fc = nn.Linear(width, classes)

    @classmethod
    def wide(cls, num_classes: int = 2):
        return cls(9, classes=num_classes)

def by_classes(classes): return nn.Linear(3, classes)
def by_num_classes(width=3, num_classes=2): return nn.Linear(width, num_classes)
def by_both(classes=("a", "b"), num_classes=2): return nn.Linear(3, num_classes)
def by_any(**options): return nn.Linear(3, options["num_classes"])
def by_no_word(): return nn.Linear(3, 2)
preset = functools.partial(by_num_classes, 4)

def wants_more(depth, num_classes): return nn.Linear(depth, num_classes)
def passes_on(**options): return Small(**options)
def fails(num_classes): return {}["width"]
def says(num_classes): raise ValueError("seven is no width")
def exits(num_classes): raise SystemExit(0)
def counts(num_classes): return num_classes
def nothing(num_classes): pass
def reads(num_classes): return nn.Linear(3, len(open("nowhere.pth").read()))
class Plain: pass
network = nn.Linear(3, 2)
"""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A module of one's own in the current directory, which is not on the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_lab").mkdir()
    (tmp_path / "own_lab" / "nets.py").write_text(LAB, encoding="utf-8")
    (tmp_path / "own_lab" / "needy.py").write_text("import nowhere_else.part", encoding="utf-8")
    (tmp_path / "own_lab" / "broken.py").write_text("x = 1 / 0", encoding="utf-8")
    (tmp_path / "own_lab" / "misspelt.py").write_text("def f(:", encoding="utf-8")
    return "own_lab.nets"


@pytest.mark.parametrize(
    ("text", "classes"),
    [("Small", 6), ("Small(classes=4)", 4), ("Small.wide", 6), ("by_classes", 6), ("by_classes(4)", 4), ("preset", 6),
     ("by_num_classes(5)", 6), ("by_num_classes(5, 4)", 4), ("by_both", 6), ("by_any", 6), ("by_any(num_classes=4)", 4),
     ("by_no_word", 2)],
)  # fmt: skip
def test_a_module_in_the_current_directory_makes_networks_of_as_many_classes(lab, text, classes):
    assert list(named(f"{lab}.{text}", 6)().parameters())[-1].shape == (classes,)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("wants_more", "cannot be called so: missing a required argument: 'depth'; it takes depth, num_classes"),
        ("by_no_word(3)", "cannot be called so: too many positional arguments; it takes nothing"),
        ("by_classes(width=3)", "cannot be called so: got an unexpected keyword argument 'width'"),
        ("passes_on", r"makes no network of these arguments: TypeError: .*'num_classes' \(nets.py, line \d+\)"),
        ("fails", "makes no network of these arguments: KeyError: 'width'"),
        ("says", "makes no network of these arguments: ValueError: seven is no width"),
        ("exits", "makes no network of these arguments: SystemExit: 0"),
        ("counts", "makes an int; a network is a torch.nn.Module"),
        ("nothing", "makes None; a network is a torch.nn.Module"),
        ("Plain", "is not a function or class that makes a network"),
        ("network", "is a network; name a function that makes one, so that it can be built again"),
        ("absent", "has no 'absent'"),
        ("Small.absent", "Small has no 'absent'"),
        ("small", "has no 'small'; did you mean 'Small'"),
    ],
)
def test_a_function_that_makes_no_such_network_is_refused_in_one_sentence(lab, text, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        named(f"{lab}.{text}", 6)()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("resnet8(width='a')", "resnet8 takes a whole number as its width; got 'a'"),
        ("resnet8(width=1e9)", "resnet8 takes a whole number as its width; got 1000000000.0"),
        ("resnet8(None)", "resnet8 takes a whole number as its num_classes; got None"),
        ("resnet(True)", "resnet takes a whole number as its depth; got True"),
        ("tutelage.models.resnet.resnet('8')", r"tutelage.models.resnet.resnet takes .* depth; got '8'"),
    ],
)
def test_what_is_no_number_is_refused_where_our_networks_want_one(text, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}.$"):
        named(text, 6)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("own_lab.needy.net", r"own_lab.needy needs the module 'nowhere_else'; .* pip install nowhere_else torch==\d"),
        ("nowhere_else.net", r"no module 'nowhere_else' here, neither in .* pip install nowhere_else torch==\d"),
        ("own_lab.broken.net", r"ends in ZeroDivisionError: division by zero \(broken.py, line 1\)"),
        ("own_lab.misspelt.net", r"ends in SyntaxError: .*misspelt.py, line 1"),
        ("own_lab.absent.net", "own_lab has no 'absent'"),
    ],
)
@pytest.mark.usefixtures("lab")
def test_a_module_that_cannot_be_imported_is_refused_with_what_is_missing(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        named(text, 6)


@pytest.mark.usefixtures("lab")
def test_weights_that_cannot_be_read_are_a_matter_of_files():
    with pytest.raises(FileNotFoundError):
        named("own_lab.nets.reads", 6)()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("resnat8", "Did you mean one of"),
        ("nowhere.net(1)", "no module 'nowhere'"),
        ("torch.nn.Lineal", "has no 'Lineal'; did you mean 'Linear'"),
        ("./nets/mine.py:net(3)", r"without .py: write nets.mine:net\(3\) for \./nets/mine\.py:net\(3\)"),
        ("mine.py", r"without \.py: write mine:Net for mine\.py"),
        ("mine.py.net(width=3)", r"write mine:net\(width=3\) for"),
        ("torch.pi", "is not a function or class"),
        ("resnet8(", "A network is named like"),
        ("resnet8(open('x'))", "A network is named like"),
    ],
)
def test_a_name_that_means_no_network_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        named(text, 10)


def test_the_number_of_channels_is_handed_on_where_the_network_has_another():
    assert named("resnet8", 10, 3).keywords == named("resnet8", 10).keywords == {"num_classes": 10}  # keys stay
    assert named("resnet8", 10, 2).keywords == {"num_classes": 10, "num_channels": 2}
    assert named("resnet8(num_channels=1)", 10, 2).keywords == {"num_classes": 10, "num_channels": 1}
    assert named("lenet5", 10, 1).keywords == {"num_classes": 10}
    assert named("lenet5", 10, 3).keywords["num_channels"] == 3
