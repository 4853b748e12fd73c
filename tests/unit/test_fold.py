"""Batch norms folded into the layers before them: the same answers, fewer layers."""

import inspect
import sys
from copy import deepcopy

import pytest
import torch
from torch import nn

import tutelage.models
from contract.find import modules, own, returned
from examples import bits, cnn, same
from tutelage.compress.fold import fold
from tutelage.models.densenet import densenet_bc
from tutelage.models.resnet import Basic, Bottleneck, resnet8
from tutelage.models.wide_resnet import PreActivated, wide_resnet
from tutelage.taps import Tapped

pytestmark = pytest.mark.slow

NORMS = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def is_a_builder(member):
    promise = returned(member) if inspect.isfunction(member) else None
    return inspect.isclass(promise) and issubclass(promise, nn.Module) and not member.__name__.endswith("_")


BUILDERS = [
    pytest.param(member, id=f"{module.__name__.rpartition('.')[2]}.{name}")
    for module in modules(tutelage.models)
    for name, member in own(module)
    if is_a_builder(member) and hasattr(module, "example_inputs")
]


def lived(model, x=None):
    """``model`` in float64, where rounding hides nothing; its norms have seen something and have their own weights."""
    model.double()
    for module in model.modules():
        if isinstance(module, NORMS):
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.3)
            if module.track_running_stats:
                module.running_mean.normal_(std=0.3)
                module.running_var.uniform_(0.5, 2.0)
    if x is not None:
        with torch.no_grad():
            model.train()(x)
    return model


def on(x):
    return lambda network: network(x)


def norms(model):
    return [name for name, module in model.named_modules() if isinstance(module, NORMS)]


def shown(model, x, addresses):
    tapped = Tapped(model, addresses)
    try:
        with torch.no_grad():
            return tapped(x)
    finally:
        tapped.untap()


def assert_near(left, right):
    left, right = left.double(), right.double()  # tokens are shown as they come
    assert (left - right).norm() <= 1e-9 * right.norm()


# ---- all models


@pytest.mark.parametrize("build", BUILDERS)
class TestEveryModel:
    @pytest.fixture
    def model(self, build, x):
        return lived(build(), x)

    @pytest.fixture
    def x(self, build):
        inputs = sys.modules[build.__module__].example_inputs(3)
        return inputs.double() if inputs.is_floating_point() else inputs

    def test_answers_the_same_and_is_not_touched(self, model, x):
        before, modes = bits(model), [module.training for module in model.modules()]
        folded = fold(model, on(x[:2]))
        assert same(bits(model), before) and [module.training for module in model.modules()] == modes
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in folded.modules())
        assert not any(p.requires_grad for p in folded.parameters())
        assert not any(module.training for module in folded.modules())
        with torch.no_grad():
            assert_near(folded(x), model.eval()(x))
            assert_near(fold(folded, on(x))(x), model(x))

    def test_shows_every_activation_that_was_to_be_kept(self, model, x):
        """Two nets with half of all layers tapped each, at their inputs and outputs."""
        names = [name for name, _ in model.named_modules() if name]
        for half in (names[::2], names[1::2]):
            keep = half + [f"{name}:input" for name in half]
            folded, wanted = fold(model, on(x), keep), {*keep, "output"}
            there, here = shown(model.eval(), x, wanted), shown(folded, x, wanted)
            for what in wanted:
                assert_near(here[what], there[what])


@pytest.mark.parametrize(
    ("model", "left"),
    [
        (resnet8(), 0),
        (wide_resnet(10, 1), 4),  # norm1 of each block has a sum before it, norm2 a convolution; and the last norm
        (densenet_bc(16, 4), 9),  # norm1 of each unit, the two transitions, and the last norm
    ],
)
def test_folds_all_norms_behind_a_layer_and_no_other(model, left):
    assert len(norms(fold(model, on(torch.rand(2, 3, 16, 16))))) == left


def test_keeps_the_layout_of_the_weights():
    model = resnet8().to(memory_format=torch.channels_last)
    folded = fold(model, on(torch.rand(2, 3, 16, 16)))
    assert folded.layer1.block1.conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_folds_what_is_called_several_times_in_a_pass():
    model, x = lived(cnn(4)), torch.randn(2, 3, 8, 8).double()
    assert not norms(fold(model, lambda network: (network(x), network(-x))))


def test_folds_a_norm_under_every_name_that_it_has():
    model = lived(Bent(lambda m, x: m.also(m.layer(x))))
    model.also = model.norm
    x = torch.randn(2, 3, 8, 8).double()
    folded = fold(model, on(x))
    assert isinstance(folded.norm, nn.Identity) and isinstance(folded.also, nn.Identity)
    with torch.no_grad():
        assert_near(folded(x), model.eval()(x))


# ---- what keeps a norm


class TestKeep:
    @pytest.fixture
    def model(self):
        return lived(resnet8())

    X = torch.rand(2, 3, 16, 16).double()

    @pytest.mark.parametrize(
        ("address", "kept"),
        [
            ("layer1.block1.conv1", ["layer1.block1.norm1"]),
            ("layer1.block1.norm1:input", ["layer1.block1.norm1"]),
            ("layer1.block1.norm1", []),
            ("layer1.block1.relu1:input", []),
            ("layer1.block1.conv2:input", []),
            ("layer1.block1.relu2:input", []),
            ("layer1", []),
            ("stem", []),
            ("layer2.block1.shortcut", []),
            ("layer2.block1.shortcut.conv", ["layer2.block1.shortcut.norm"]),
            ("head:input", []),
            ("output", []),
        ],
    )
    def test_only_the_norm_that_would_change_what_is_tapped(self, model, address, kept):
        assert norms(fold(model, on(self.X), [address])) == kept

    def test_a_layer_that_encloses_what_is_read(self):
        inner = nn.Sequential(nn.Conv2d(3, 4, 3))
        model = lived(nn.Sequential(inner, nn.Sequential(nn.BatchNorm2d(4)), nn.ReLU()))
        assert norms(fold(model, on(self.X))) == []
        assert norms(fold(model, on(self.X), ["0"])) == norms(fold(model, on(self.X), ["1:input"])) == ["1.0"]

    def test_whatever_the_call_does_with_what_it_is_shown(self, model):
        def forgets(network):
            network(self.X)

        assert norms(fold(model, forgets, ["stem.conv"])) == ["stem.norm"]

    def test_through_a_layer_that_returns_no_tensor(self):
        class Pair(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 4, 3)

            def forward(self, x):
                return self.conv(x), x

        class First(nn.Module):
            def forward(self, pair):
                return pair[0]

        model = lived(nn.Sequential(Pair(), First(), nn.BatchNorm2d(4)))
        assert norms(fold(model, on(self.X))) == []
        assert norms(fold(model, on(self.X), ["0"], {"0": lambda pair: pair[0]})) == ["2"]

    def test_refuses_a_layer_that_does_not_exist(self, model):
        with pytest.raises(ValueError, match="no layer 'layer9'"):
            fold(model, on(self.X), ["layer9"])


class Bent(nn.Module):
    """A layer and its norm, and something else that is done with them."""

    def __init__(self, bend, layer=None, norm=None):
        super().__init__()
        self.layer = layer or nn.Conv2d(3, 3, 3, padding=1)
        self.norm = norm or nn.BatchNorm2d(3)
        self.bend = bend

    def forward(self, x):
        return self.bend(self, x)


def remembers(m, x):
    m.seen = m.layer(x)
    return m.norm(m.seen)


def hooked(m):
    m.layer.register_forward_hook(lambda _layer, _args, output: output * 2)
    return m


def plain(m, x):
    return m.norm(m.layer(x))


class OwnForward(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) / self.weight.norm()


class NormAndMore(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x).relu()


class AlwaysTraining(nn.BatchNorm2d):
    def train(self, _mode=True):
        return super().train(True)


def conv(**settings):
    return nn.Conv2d(3, 3, 3, padding=1, **settings)


@pytest.mark.parametrize(
    "model",
    [
        Bent(lambda m, x: m.norm(y := m.layer(x)) + y),
        Bent(lambda m, x: (y := m.layer(x), m.norm(y))[1] + y.mean()),
        Bent(lambda m, x: m.norm(m.layer(x).relu_())),
        Bent(lambda m, x: m.norm(m.layer(x)[:, :3])),
        Bent(lambda m, x: m.norm(m.layer(x)) + m.layer(-x)),
        Bent(lambda m, x: m.norm(m.layer(m.layer(x)))),
        Bent(lambda m, x: m.norm(m.layer(x)) + m.norm(x)),
        Bent(lambda m, x: m.norm(x) + m.layer(x)),
        Bent(lambda m, x: m.layer(m.norm(x).relu())),
        Bent(remembers),
        hooked(Bent(plain)),
        Bent(plain, OwnForward(3, 3, 3)),
        Bent(plain, norm=NormAndMore(3)),
        Bent(plain, norm=AlwaysTraining(3)),
        Bent(plain, norm=nn.BatchNorm2d(3, track_running_stats=False)),
        Bent(plain, nn.utils.parametrizations.weight_norm(conv())),
        Bent(lambda m, x: m.norm(m.layer(x.flatten(2).mT)), nn.Linear(3, 5), nn.BatchNorm1d(64)),
        Bent(plain, nn.ConvTranspose2d(3, 3, 3)),
        Bent(lambda m, x: m.norm(m.layer(x)) / m.layer.weight.norm()),
        Bent(lambda m, x: m.norm(m.layer(x)) + m.layer.bias.view(3, 1, 1)),
        Bent(lambda m, x: nn.functional.conv_transpose2d(m.norm(m.layer(x)), m.layer.weight.mT)),
        Bent(lambda m, x: m.norm(m.layer(x)) * m.norm.weight.mean()),
        Bent(lambda m, x: m.norm(m.layer(x)) - m.norm.running_mean.sum()),
        PreActivated(3, 3, 1, 0.0),
    ],
)
def test_leaves_what_cannot_be_folded_and_answers_the_same(model):
    lived(model)
    x = torch.randn(4, 3, 8, 8).double()
    there = deepcopy(model).eval()
    folded = fold(model, on(x))
    assert len(norms(folded)) == 1
    with torch.no_grad():
        assert_near(folded(x), there(x))


@pytest.mark.parametrize(
    "model",
    [
        Bent(plain),
        Bent(plain, conv(bias=False, padding_mode="circular")),
        Bent(plain, conv(groups=3), nn.BatchNorm2d(3, affine=False)),
        Bent(plain, norm=nn.BatchNorm2d(3, eps=0.1, momentum=None)),
        Bent(lambda m, x: m.norm(input=m.layer(input=x))),
        Bent(lambda m, x: m.norm(m.layer(x)).relu_()),
        Bent(lambda m, x: m.norm(m.layer(x.to(m.layer.weight.dtype))).to(m.norm.weight)),
        Bent(lambda m, x: m.norm(m.layer(m.norm(m.layer(x)).relu()))),
        Bent(lambda m, x: m.norm(m.layer(x.flatten(1))), nn.Linear(192, 7, bias=False), nn.BatchNorm1d(7)),
        Bent(lambda m, x: m.norm(m.layer(x.flatten(2))), nn.Conv1d(3, 7, 3), nn.BatchNorm1d(7)),
        Bent(lambda m, x: m.norm(m.layer(x.unsqueeze(2))), nn.Conv3d(3, 7, 1), nn.BatchNorm3d(7)),
        Basic(3, 3, 1),
        Basic(3, 6, 2),
        Bottleneck(3, 2, 2),
    ],
)
def test_folds_the_rest_and_answers_the_same(model):
    lived(model)
    x = torch.randn(4, 3, 8, 8).double()
    there = deepcopy(model).eval()
    folded = fold(model, on(x))
    assert not norms(folded)
    with torch.no_grad():
        assert_near(folded(x), there(x))


def test_two_layers_with_one_weight_become_different():
    model = lived(nn.Sequential(conv(), nn.BatchNorm2d(3), conv(), nn.BatchNorm2d(3)))
    model[2].weight = model[0].weight
    x = torch.randn(4, 3, 8, 8).double()
    with torch.no_grad():
        assert_near(fold(model, on(x))(x), model.eval()(x))


def test_a_layer_and_norm_under_two_names_are_folded_once():
    block = nn.Sequential(conv(), nn.BatchNorm2d(3))
    model = lived(nn.Sequential(block, nn.ReLU(), block))
    x = torch.randn(4, 3, 8, 8).double()
    folded = fold(model, on(x))
    assert not norms(folded)
    with torch.no_grad():
        assert_near(folded(x), model.eval()(x))


class Branching(nn.Module):
    """Three ReLUs: of the batch itself, of what a shortcut reads as well, and of what nobody else reads."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        y = self.conv(self.first(x))
        return self.third(self.conv(y + self.second(y)))


def in_place(model):
    return [name for name, module in model.named_modules() if getattr(module, "inplace", False)]


class TestReLUsInPlace:
    def test_only_what_nobody_else_reads_is_overwritten(self):
        x = torch.randn(2, 3, 4, 4)
        kept, model = x.clone(), Branching().eval()
        folded = fold(model, on(x))
        assert in_place(folded) == ["third"]
        assert not in_place(model)
        assert torch.equal(folded(x), model(x))
        assert torch.equal(x, kept)

    def test_what_is_tapped_stays(self):
        x, model = torch.randn(2, 3, 4, 4), Branching().eval()
        assert not in_place(fold(model, on(x), keep=["third:input"]))
        assert in_place(fold(model, on(x), keep=["third"])) == ["third"]

    def test_one_that_runs_twice_works_in_place_only_if_it_may_each_time(self):
        relu, conv, x = nn.ReLU(), nn.Conv2d(3, 3, 1), torch.randn(2, 3, 4, 4)
        assert in_place(fold(nn.Sequential(conv, relu, conv, relu), on(x))) == ["1"]
        assert not in_place(fold(nn.Sequential(relu, conv, relu), on(x)))

    def test_a_view_is_not_overwritten(self):
        class Halves(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.relu = nn.Conv2d(3, 4, 1), nn.ReLU()

            def forward(self, x):
                whole = self.conv(x)
                return self.relu(whole[:, :2]) + whole[:, :2]

        x, model = torch.randn(2, 3, 4, 4), Halves().eval()
        folded = fold(model, on(x))
        assert not in_place(folded)
        assert torch.equal(folded(x), model(x))

    def test_a_residual_block_rectifies_in_place_to_the_bit(self):
        x = torch.randn(2, 3, 16, 16)
        model = lived(resnet8(10), x.double()).float().eval()
        folded = fold(model, on(x))
        assert "layer1.block1.relu2" in in_place(folded)
        plain = deepcopy(folded)
        for module in plain.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False
        assert torch.equal(folded(x), plain(x))
