"""Gates change nothing while they are open, act where they can be folded, and are folded to the bit."""

from copy import deepcopy
from functools import cache, partial

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from tutelage.checkpoint import load_weights, save_weights
from tutelage.compress.found import architecture_of, found
from tutelage.compress.gates import closed, everywhere, fill_, fold_gates_, gate_, gated, gates_of, layer_of, named
from tutelage.compress.scaled import all_alike, by_cost
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import macs_and_elements, saved
from tutelage.compress.structure.plain import Select, Selecting
from tutelage.compress.structure.removal import without
from tutelage.models.densenet import densenet, densenet_bc
from tutelage.models.lenet import lenet5
from tutelage.models.mlp import mlp
from tutelage.models.mobilenet import mobilenet_v2
from tutelage.models.resnet import resnet
from tutelage.models.vgg import vgg8
from tutelage.schemes.search import Penalty

PICTURE, DIGIT = (3, 16, 16), (1, 28, 28)
NETWORKS = {
    "mlp": (partial(mlp, (784, 12, 9, 5)), DIGIT),
    "lenet": (lenet5, DIGIT),
    "resnet": (partial(resnet, 8, num_classes=5), PICTURE),
    "densenet": (partial(densenet, 7, 3, num_classes=5), PICTURE),
    "densenet_bc": (partial(densenet_bc, 10, 3, num_classes=5), PICTURE),
}
LARGE = {
    "vgg": (partial(vgg8, num_classes=5), (3, 32, 32)),
    "mobilenet": (partial(mobilenet_v2, num_classes=5), PICTURE),
}


@cache
def _made(name):
    build, sample = (NETWORKS | LARGE)[name]
    torch.manual_seed(0)
    model, x = build(), torch.randn(4, *sample)
    return model, channels_of(model, x), x


def made(name):
    """A network of its own for each test, its channels, and samples: both are found once."""
    model, channels, x = _made(name)
    return deepcopy(model), channels, x


def draw_(model, share=0.6):
    """Other gates, of which some are closed, but none of a layer all."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for gates in gates_of(model).values():
            g = torch.rand(gates.gate.shape, generator=generator)
            g[1:] *= torch.rand(g[1:].shape, generator=generator) < share
            gates.gate.copy_(g)


def both_modes(model, x):
    """What a copy answers in train mode, to batches that move its statistics, and then in eval mode."""
    copy = deepcopy(model)
    with torch.no_grad():
        return [copy.train()(x), copy(2 * x), copy.eval()(x)]


def same(left, right):
    return all(torch.equal(x, y) for x, y in zip(left, right, strict=True))


@pytest.mark.parametrize("name", [*NETWORKS, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
class TestOnEveryNetwork:
    def test_open_gates_change_nothing_and_closed_ones_do(self, name):
        model, channels, x = made(name)
        before = both_modes(model, x)
        gate_(model, channels)
        assert same(both_modes(model, x), before)
        draw_(model)
        assert not same(both_modes(model, x), before)

    def test_gates_are_folded_to_the_bit_and_leave_no_trace(self, name):
        model, channels, x = made(name)
        plain = deepcopy(model)
        gate_(model, channels)
        draw_(model)
        answers = both_modes(model, x)
        folded = fold_gates_(deepcopy(model))
        assert same(both_modes(folded, x), answers)
        assert [type(module) for module in folded.modules()] == [type(module) for module in plain.modules()]
        assert list(folded.state_dict()) == list(plain.state_dict()) and not gates_of(folded)
        assert [p.requires_grad for p in folded.parameters()] == [p.requires_grad for p in plain.parameters()]
        assert same(both_modes(model, x), answers)  # which the copy has left alone

    def test_open_gates_leave_the_gradients_of_the_weights_alone(self, name):
        model, channels, x = made(name)
        plain = deepcopy(model).eval()
        gate_(model, channels)
        for network in (plain, model.eval()):
            network(x).square().sum().backward()
        folded = {n.replace(".parametrizations.weight.original", ".weight"): p for n, p in model.named_parameters()}
        folded = {n.replace(".parametrizations.bias.original", ".bias"): p for n, p in folded.items()}
        for parameter_name, p in plain.named_parameters():
            torch.testing.assert_close(folded[parameter_name].grad, p.grad)
        assert all(gates.gate.grad.isfinite().all() for gates in gates_of(model).values())


class Coarse(nn.Module):
    """A network whose weights are of a type of their own, to which it turns what it is given."""

    def __init__(self, inner, dtype):
        super().__init__()
        self.inner, self.dtype = inner.to(dtype), dtype

    def forward(self, x):
        return self.inner(x.to(self.dtype)).float()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["resnet", "densenet_bc"])
def test_gates_on_half_precision_are_float32_take_its_small_steps_and_are_removed(name, dtype):
    model, _, x = made(name)
    model = Coarse(model, dtype)
    channels, plain, before = channels_of(model, x), deepcopy(model), both_modes(model, x)
    gate_(model, channels)
    assert same(both_modes(model, x), before)
    gates = gates_of(model)
    assert {p.dtype for g in gates.values() for p in (g.gate, g.scale)} == {torch.float32}
    first, *_ = gates
    optimizer = Penalty(0.05).optimizer(partial(torch.optim.SGD, lr=0.02), model)(
        [(f"student.{key}", g.gate) for key, g in gates.items()]
    )
    for steps in range(1, 3):
        for key, g in gates.items():
            g.gate.grad = torch.zeros_like(g.gate) if key == first else -torch.ones_like(g.gate)
        optimizer.step()
        assert 1 - 0.005 * steps < gates[first].gate.max() < 1 - 0.0005 * steps  # by less than what they would round to
    draw_(model)
    assert {p.dtype for p in fold_gates_(deepcopy(model)).parameters()} == {dtype}
    shut = closed(model)
    smaller = without(fold_gates_(model), channels, shut)
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in plain.parameters())


def test_the_layout_of_the_weights_changes_no_channels():
    """As a run lays networks out for speed: there, poolings are made of other operations."""
    model, channels, x = made("densenet_bc")
    other = channels_of(model.to(memory_format=torch.channels_last), x)
    assert other.fixed == channels.fixed and other.stays == channels.stays


def test_a_gate_stands_behind_norm_and_rectification():
    """Computed by plain numpy; before the norm the closed channel would leave -0.36, its shift times the weight."""
    norm = nn.BatchNorm1d(2)
    net = nn.Sequential(nn.Linear(2, 2, bias=False), norm, nn.ReLU(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(2))
        norm.weight.copy_(torch.tensor([1.5, 0.5])), norm.bias.copy_(torch.tensor([0.2, 0.3]))
        net[3].weight.copy_(torch.tensor([[0.7, -1.2]]))
    x = torch.tensor([[1.0, 4.0], [2.0, 0.0], [3.0, 2.0], [6.0, -2.0]])
    gate_(net, channels_of(net, x))
    (gates,) = gates_of(net).values()
    with torch.no_grad():
        gates.gate.copy_(torch.tensor([0.4, 0.0]))
    torch.testing.assert_close(net(x).flatten(), torch.tensor([0, 0, 0.056, 0.729497]), atol=1e-6, rtol=0)


def test_behind_a_flatten_a_gate_is_of_a_channel_and_not_of_a_place():
    model, channels, _ = made("lenet")
    gate_(model, channels, partial(named, patterns=["hidden"]))
    (gates,) = gates_of(model).values()
    assert gates.gate.shape == (50,)
    with torch.no_grad():
        gates.gate[7] = 0
    assert (model.hidden.weight[:, 7 * 16 : 8 * 16] == 0).all() and (model.hidden.weight == 0).sum() == 500 * 16


@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_what_a_linear_layer_reads_is_gated_where_it_is_less_than_the_weight(name):
    """The same answers and gradients as with gates on the weight, of batches on either side, and nothing is left."""
    model, channels, x = made(name)
    gate_(model.double(), channels)
    draw_(model)
    on_weights = deepcopy(model)
    hooked = [layer for layer in on_weights.modules() if isinstance(layer, nn.Linear) and layer._forward_pre_hooks]
    assert hooked
    for layer in hooked:
        layer._forward_pre_hooks.clear()
    for samples in (x[:2].double(), x.double().repeat(200, 1, 1, 1)):  # fewer than units, and more
        for network in (model, on_weights):
            network.zero_grad()
            network(samples).square().mean().backward()
        pairs = zip(model.parameters(), on_weights.parameters(), strict=True)
        assert all(torch.allclose(p.grad, q.grad, rtol=1e-9, atol=1e-12) for p, q in pairs)
        torch.testing.assert_close(model(samples), on_weights(samples), rtol=1e-9, atol=1e-12)
    read = torch.randn(2, model[-1].in_features, dtype=torch.float64)
    torch.testing.assert_close(model[-1](input=read), model[-1](read), rtol=1e-9, atol=1e-12)
    assert not any(module._forward_pre_hooks for module in fold_gates_(model).modules())


class Interleaved(nn.Module):
    """Flattened with the places in front, so that the slots of a channel are not in a run."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 3, 3), nn.Linear(12, 2)

    def forward(self, x):
        return self.head(self.conv(x).permute(0, 2, 3, 1).flatten(1))


def test_slots_of_a_channel_need_not_be_neighbours():
    model, x = Interleaved(), torch.randn(2, 1, 4, 4)
    gate_(model, channels_of(model, x))
    (gates,) = gates_of(model).values()
    with torch.no_grad():
        gates.gate[1] = 0
    assert (model.head.weight == 0).any(0).tolist() == [False, True, False] * 4
    model(x).sum().backward()
    assert gates.gate.grad.abs().min() > 0


def test_a_closed_branch_adds_nothing():
    model, channels, x = made("resnet")
    gate_(model, channels, partial(named, patterns=["*.norm2"]))
    assert sorted(closed(model).inputs) == [] and len(gates_of(model)) == len(channels.branches) == 3
    with torch.no_grad():
        for gates in gates_of(model).values():
            gates.gate.zero_()
    assert closed(model).branches == set(channels.branches)
    block = model.eval().layer1[0]
    shown = []
    block.norm2.register_forward_hook(lambda _module, _args, y: shown.append(y))
    with torch.no_grad():
        model(x)
    assert (shown[0] == 0).all()


def test_what_is_closed_is_what_is_exactly_zero():
    model, channels, _ = made("mlp")
    gate_(model, channels)
    assert not any(shut.any() for shut in closed(model).inputs.values())
    gate = gates_of(model)["output.parametrizations.weight.0.gate"].gate
    with torch.no_grad():
        gate[2], gate[3] = 0, 1e-30
    assert closed(model).inputs["output"].tolist() == [place == 2 for place in range(9)]
    others = {"output.parametrizations.weight.0.gate": torch.arange(9)}
    assert closed(model, others).inputs["output"].tolist() == [place == 0 for place in range(9)]


def test_which_layers_have_gates_is_chosen_by_name_and_layer():
    def linear(_name, layer):
        return isinstance(layer, nn.Linear)

    for where, layers in [
        (everywhere, ["conv2", "head", "hidden"]),
        (linear, ["head", "hidden"]),
        (partial(named, patterns=["conv*", "head"]), ["conv2", "head"]),
    ]:
        model, channels, _ = made("lenet")
        gate_(model, channels, where)
        assert sorted(closed(model).inputs) == layers  # conv1 reads the digits themselves


@pytest.mark.slow
def test_the_gates_of_a_densenet_and_by_how_much_they_count():
    """8,832 on what the dense layers read; each saves H · W · (4k + 2) operations: 51,200, 12,800 and 3,200."""
    build = partial(densenet_bc, 100, 12, num_classes=10)
    with torch.device("meta"):
        model = build()
    channels = channels_of(model, torch.zeros(1, 3, 32, 32))
    gate_(model, channels, partial(named, patterns=["layer*.conv1", "transition*.conv"]))
    sizes = {name.split(".parametrizations")[0]: len(gates.gate) for name, gates in gates_of(model).items()}
    dense = {name: size for name, size in sizes.items() if name.startswith("layer")}
    assert sum(dense.values()) == 8832
    found = saved(channels, macs_and_elements)
    assert [found.inputs[f"layer{n}.unit9.conv1"].unique().tolist() for n in (1, 2, 3)] == [[51200], [12800], [3200]]
    (direct, with_its_maker), (second, _) = (found.inputs[f"transition{n}.conv"].unique().tolist() for n in (1, 2))
    assert (direct, second) == (110592 + 2048, 38400 + 512)
    assert with_its_maker == direct + 1024 * 9 * 48  # a filter of the last layer, which nobody else reads

    on_cpu = model.to_empty(device="cpu")
    for among, expected in [(("layer*",), [1, 0.25, 0.0625, 1]), (("*",), [0.092251, 0.023063, 0.005766, 0.202952])]:
        by_cost(on_cpu, found, among=among)
        scales = {name.split(".parametrizations")[0]: gates.scale for name, gates in gates_of(on_cpu).items()}
        ours = [float(scales[name][0]) for name in (*(f"layer{n}.unit9.conv1" for n in (1, 2, 3)), "transition1.conv")]
        assert ours == [pytest.approx(x, abs=1e-6) for x in expected]
    all_alike(on_cpu, found)
    assert all((gates.scale == 1).all() for gates in gates_of(on_cpu).values())


def test_scales_are_of_gates_that_save_something():
    model, channels, _ = made("mlp")
    gate_(model, channels)
    with pytest.raises(ValueError, match="No gate on the inputs of conv\\* saves anything"):
        by_cost(model, saved(channels, macs_and_elements), among=["conv*"])


def test_a_network_with_gates_is_filled_with_the_weights_of_one_without():
    model, channels, x = made("resnet")
    other = deepcopy(model)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1)
        model.train()(x)  # statistics, too
    gate_(other, channels)
    fill_(other, model)
    assert same(both_modes(other, x), both_modes(model, x))
    narrower = resnet(8, num_classes=4)
    with pytest.raises(ValueError, match=r"another architecture than the network with gates: 'head\.bias' differs"):
        fill_(other, narrower)


@pytest.mark.parametrize("computed", [parametrizations.spectral_norm, parametrizations.weight_norm])
def test_a_network_with_gates_is_filled_where_weights_of_others_are_computed(computed):
    def build():
        layers = (nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), computed(nn.Linear(5, 4)))
        return nn.Sequential(*layers).eval()

    start, other, x = build(), build(), torch.randn(3, 7)
    gate_(other, channels_of(other, x))
    fill_(other, start)
    assert torch.equal(other(x), start(x))


def test_the_build_of_a_stage_is_loaded_with_its_gates(tmp_path):
    build = partial(gated, partial(mlp, (784, 12, 9, 5)), sample=DIGIT)
    model = build()
    draw_(model)
    checksum = save_weights(tmp_path / "gated.safetensors", model)
    again = load_weights(tmp_path / "gated.safetensors", build(), expected=checksum)
    x = torch.randn(3, *DIGIT)
    assert torch.equal(again(x), model(x))
    assert all(torch.equal(closed(again).inputs[name], shut) for name, shut in closed(model).inputs.items())


def test_what_makes_no_sense_is_refused():
    model, channels, _ = made("lenet")
    with pytest.raises(ValueError, match="has no gates to fold"):
        fold_gates_(model)
    with pytest.raises(ValueError, match="No layer was chosen for gates; conv2, hidden, head can have them"):
        gate_(model, channels, partial(named, patterns=["conv1", "nothing"]))
    gate_(model, channels, partial(named, patterns=["head"]))
    with pytest.raises(ValueError, match="has gates already; fold_gates_ removes them"):
        gate_(model, channels)
    fold_gates_(model)
    gate_(model, channels)  # as it was told


@pytest.mark.parametrize("end", [nn.PReLU(6), nn.BatchNorm1d(6, affine=False)], ids=["prelu", "norm"])
def test_a_branch_whose_last_layer_is_not_scaled_by_its_weights_has_no_gate_of_its_own(end):
    """A PReLU leaves what is above 0, whatever its weight; such a norm has none."""

    class Adds(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.read, self.end, self.head = nn.Linear(7, 6), nn.Linear(6, 6), end, nn.Linear(6, 3)

        def forward(self, x):
            x = torch.relu(self.stem(x))
            return self.head(x + self.end(self.read(x)))

    model, x = Adds(), torch.randn(4, 7)
    channels = channels_of(model, x)
    assert channels.branches == ("end",)
    gate_(model, channels)
    assert [layer_of(name) for name in gates_of(model)] == ["read", "head"]


@pytest.mark.parametrize("name", ["resnet", "densenet_bc"])
def test_a_student_is_searched_within_a_student_that_was_found(name):
    """Where layers read a part of what others read, by its numbers: those channels stay, and all else may go again."""
    model, _, x = made(name)
    for _ in range(2):
        gate_(model, channels_of(model, x))
        draw_(model)
        smaller = found(deepcopy(model), architecture=architecture_of(model, x))
        torch.testing.assert_close(both_modes(smaller, x), both_modes(model, x), rtol=1e-4, atol=1e-5)
        assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in model.parameters())
        model = smaller
    assert any(isinstance(module, Select) for module in model.modules())


def test_a_layer_that_selects_is_copied_with_its_gates():
    """A parametrised layer has a way of its own to be copied, which is not that of what stands around it."""
    selecting = Selecting(Select([0, 2]), nn.Linear(2, 3))
    nn.utils.parametrize.register_parametrization(selecting[1], "weight", nn.Identity())
    copy = deepcopy(selecting)
    x = torch.randn(4, 3)
    assert type(copy) is Selecting and torch.equal(copy(x), selecting(x))
