"""What a fake-quantised network rounds, learns and becomes: int8 in a file with exactly its scales."""

from copy import deepcopy
from functools import partial

import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn.functional import cross_entropy

from exporting import COLOUR, PETS, pictures, small
from tutelage.checkpoint import load_weights, save_weights
from tutelage.compress.chains import OUTPUT, chains_of
from tutelage.compress.fake_quantised import (
    RoundedActivation,
    affine,
    fake_quantised,
    fake_quantised_,
    fill_,
    freeze_,
    is_fake_quantised,
)
from tutelage.compress.rounded_weight import RoundedWeight
from tutelage.data.synthetic import digits
from tutelage.data.views import in_order
from tutelage.deployment.about import About
from tutelage.deployment.compared import ROUNDED
from tutelage.deployment.network import as_seen
from tutelage.deployment.onnx import export_onnx
from tutelage.deployment.whole_numbers import in_whole_numbers, whole_weights
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.losses.squared_gap import squared_gap
from tutelage.models.mlp import mlp
from tutelage.models.resnet import resnet
from tutelage.objective import Objective, Term
from tutelage.optimizers.usual import sgd
from tutelage.teachers.frozen import frozen

REFERENCE = "method specification 2, E4: affine uint8 and symmetric int8, checked against torch's own operators"


def quantised_activation(low, high, bits=8):
    rounding = RoundedActivation(bits).eval()
    rounding.low.fill_(low)
    rounding.high.fill_(high)
    return rounding


class TestActivation:
    X = torch.tensor([-0.7, 0.0, 0.33, 1.9, 2.6])

    def test_worked_values(self):
        scale, zero = affine(self.X.min(), self.X.max())
        rounded = quantised_activation(-0.7, 2.6)(self.X)
        assert scale.item() == pytest.approx(0.012941, abs=1e-6) and zero == 54
        assert torch.allclose(rounded, torch.tensor([-0.698824, 0, 0.336471, 1.902353, 2.601176]), atol=1e-6)
        assert (rounded / scale + zero).round().int().tolist() == [0, 54, 80, 201, 255]

    def test_the_gradient_passes_inside_of_the_range_and_not_outside(self):
        x = torch.tensor([-1.0, -0.69, 0.4, 2.6, 3.0], requires_grad=True)
        quantised_activation(-0.7, 2.6)(x).sum().backward()
        assert x.grad.tolist() == [0, 1, 1, 1, 0]

    @pytest.mark.parametrize("bits", [2, 4, 8])
    def test_rounding_twice_is_rounding_once_and_half_a_step_off_at_most(self, bits):
        x, rounding = torch.linspace(-1.3, 2.4, 999), quantised_activation(-1.3, 2.4, bits)
        scale, _ = rounding.scale_and_zero()
        once = rounding(x)
        assert torch.equal(rounding(once), once) and len(once.unique()) <= 2**bits
        inside = (x > -1.3 + scale) & (x < 2.4 - scale)
        assert (x - once)[inside].abs().max() <= scale * 0.5001
        assert rounding(torch.zeros(1)) == 0

    @pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (-2.0, -1.0), (0.0, 0.0)])
    def test_a_range_without_0_is_made_to_have_it(self, low, high):
        assert quantised_activation(low, high)(torch.zeros(1)) == 0

    def test_the_range_is_the_first_batch_s_and_then_follows_until_it_is_frozen(self):
        rounding, x = RoundedActivation(8), torch.tensor([-1.0, 3.0])
        assert torch.equal(rounding.eval()(x), x)  # nothing was seen yet
        rounding.train()(x)
        assert (rounding.low, rounding.high) == (-1, 3)
        rounding(torch.tensor([-2.0, 13.0]))
        assert rounding.low.item() == pytest.approx(-1.01) and rounding.high.item() == pytest.approx(3.1)
        freeze_(rounding)
        before = rounding.state_dict()
        rounding.train()(10 * x)
        assert all(torch.equal(x, before[name]) for name, x in rounding.state_dict().items())


class TestWeight:
    W = torch.tensor([[0.5, -1.27, 0.01], [10.0, 2.0, -3.0]])

    def test_worked_values(self):
        rounding = RoundedWeight(8)
        scale = rounding.scale(self.W)
        assert torch.allclose(scale, torch.tensor([0.010000, 0.078740]), atol=1e-6)
        whole = (rounding(self.W) / scale[:, None]).round().int().tolist()
        assert whole == [[50, -127, 1], [127, 25, -38]]

    def test_halves_go_to_the_even_number(self):
        w = torch.tensor([[127.0, 0.5, 1.5, 2.5, -0.5]])
        assert RoundedWeight(8)(w).tolist() == [[127.0, 0.0, 2.0, 2.0, 0.0]]

    @pytest.mark.parametrize("bits", [2, 3, 4, 8])
    def test_every_weight_learns_and_a_channel_of_zeros_stays(self, bits):
        w = torch.cat([self.W, torch.zeros(1, 3)]).requires_grad_()
        rounded = RoundedWeight(bits)(w)
        rounded.sum().backward()
        assert torch.equal(w.grad, torch.ones_like(w)) and not rounded[2].any()
        assert torch.equal(RoundedWeight(bits)(rounded.detach()), rounded.detach())
        assert all(len(row.unique()) <= 2**bits - 1 for row in rounded)


def seen(count=40):
    return as_seen(pictures(count), COLOUR)


def calibrated(model, bits=8):
    """``model`` with statistics of the pictures, fake-quantised, its ranges seen and frozen."""
    x = seen()
    with torch.no_grad():
        model.train()(x)
        fake_quantised_(model, x[:2], weights=bits)
        model.train()(x)
    freeze_(model)
    return model.eval()


class TestNetwork:
    def test_32_bits_change_nothing(self):
        model = small()
        own = deepcopy(model)
        fake_quantised_(model, seen(2), weights=32, activations=32)
        assert not is_fake_quantised(model) and list(model.state_dict()) == list(own.state_dict())
        assert torch.equal(model(seen()), own(seen()))

    def test_ranges_stand_behind_the_norm_and_the_relu_and_the_answer_is_not_rounded(self):
        model = small()
        fake_quantised_(model, seen(2))
        rounded = [name for name, x in model.named_modules() if isinstance(x, RoundedActivation)]
        assert rounded == ["0.fake_input", "2.fake_output", "3.fake_output"]  # the picture, the ReLU, the mean

    def test_a_sum_that_a_relu_reads_is_rounded_once_for_all_who_read_it(self):
        model = resnet(8, num_classes=3)
        fake_quantised_(model, seen(2))
        names = {name.rpartition(".")[0] for name, x in model.named_modules() if isinstance(x, RoundedActivation)}
        assert {"layer1.block1.relu1", "layer1.block1.norm2", "layer1.block1.relu2"} <= names
        assert "layer1.block1.conv2" not in names and "layer1.block1.norm1" not in names

    def test_the_first_and_the_last_layer_keep_8_bits_unless_they_are_named(self):
        names = chains_of(mlp((9, 8, 7, 6)), torch.zeros(2, 9)).names
        found = []
        for bits in (4, dict.fromkeys(names, 4), {names[1]: 2}):
            model = mlp((9, 8, 7, 6))
            fake_quantised_(model, torch.zeros(2, 9), weights=bits)
            layers = [model.get_submodule(name) for name in names]
            found.append([x.parametrizations.weight[0].bits if hasattr(x, "parametrizations") else 32 for x in layers])
        assert found == [[8, 4, 8], [4, 4, 4], [32, 2, 32]]

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ({"weights": 0}, "1 to 8 bits, or 32; got 0"),
            ({"activations": 16}, "2 to 8 bits, or 32; got 16"),
            ({"weights": {"x": 8}}, "no layer 'x' to be rounded; it has 0, 5"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, asked, words):
        with pytest.raises(ValueError, match=words):
            fake_quantised_(small(), seen(2), **asked)
        with pytest.raises(ValueError, match="no linear layer and no convolution"):
            fake_quantised_(nn.ReLU(), seen(2))
        with pytest.raises(ValueError, match="already"):
            fake_quantised_(calibrated(small()), seen(2))

    @pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
    @pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm])
    def test_a_weight_that_is_computed_already_is_refused_with_what_makes_it_plain(self, norm):
        model = nn.Sequential(norm(nn.Linear(9, 8)), nn.ReLU(), nn.Linear(8, 3))
        with pytest.raises(ValueError, match="'0' is computed from others already; make it plain"):
            fake_quantised_(model, torch.zeros(2, 9))
        assert not is_fake_quantised(model)

    def test_frozen_statistics_stay_while_weights_learn(self):
        model = calibrated(small())
        before = deepcopy(model.state_dict())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        cross_entropy(model.train()(seen()), torch.arange(40) % 3).backward()
        optimizer.step()
        moved = {name for name, x in model.state_dict().items() if not torch.equal(x, before[name])}
        assert "0.parametrizations.weight.original" in moved and "1.weight" in moved
        assert not any("running" in name or "fake" in name or "num_batches" in name for name in moved)

    def test_it_starts_from_trained_weights_and_comes_back_from_a_file(self, tmp_path):
        own = small()
        model = fake_quantised(small, sample=(3, 32, 32))
        fill_(model, own)
        assert all(
            torch.equal(x, own.state_dict()[name]) for name, x in model.state_dict().items() if "running" in name
        )
        save_weights(tmp_path / "w.safetensors", done := calibrated(small()))
        again = load_weights(tmp_path / "w.safetensors", fake_quantised(small, sample=(3, 32, 32)), "")
        assert torch.equal(again.eval()(seen()), done(seen()))
        with pytest.raises(ValueError, match="another architecture"):
            fill_(model, nn.Linear(3, 3))

    def test_it_is_filled_where_weights_of_other_layers_are_computed(self):
        def build():
            return nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(4, 8)), nn.ReLU(), nn.Linear(8, 3))

        start, model, x = build().eval(), build().eval(), torch.randn(5, 4)
        fake_quantised_(model, x, weights={"2": 8}, activations=32)
        fill_(model, start)
        assert torch.allclose(model(x), start(x), atol=0.05) and torch.equal(model[0](x), start[0](x))


def test_any_method_teaches_it_and_its_layers_are_read():
    data = digits(64, seed=0)
    torch.manual_seed(0)
    teacher, student = mlp((784, 16, 10)), mlp((784, 16, 10))
    fake_quantised_(student, torch.zeros(2, 1, 28, 28))
    layer = next(name for name, x in student.named_modules() if isinstance(x, nn.ReLU))
    objective = Objective(
        label=Term(cross_entropy, "student.output", "batch.target"),
        soft=Term(soft_targets, "student.output", "teacher.output"),
        hint=Term(squared_gap, f"student.{layer}", f"teacher.{layer}"),
    )
    learner = Learner(student, objective, partial(sgd, lr=0.1), teachers={"teacher": frozen(teacher)})
    training = train({"student": learner}, in_order(data, batch_size=32), 3)
    losses = [epoch.losses["student"]["label"] for epoch in training]
    assert losses[-1] < losses[0]
    assert student.get_submodule(layer).get_submodule(OUTPUT).high > 0


class TiedByHand(nn.Module):
    """What a layer makes goes back through its own weight; its code looks at the weight's type, and at a bias."""

    def __init__(self):
        super().__init__()
        self.code, self.head = nn.Linear(4, 8), nn.Linear(4, 3)

    def forward(self, x):
        y = torch.relu(self.code(x.to(self.code.weight.dtype)))
        return self.head(nn.functional.linear(y + self.code.bias, self.code.weight.T))


@pytest.mark.slow
class TestFile:
    def test_code_that_reads_weights_reads_what_the_whole_numbers_stand_for(self, tmp_path):
        torch.manual_seed(0)
        model, x = TiedByHand(), torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
        fake_quantised_(model, x[:2])
        model.train()(x)
        assert export_onnx(model.eval(), x, tmp_path / "net.onnx", About()).difference <= ROUNDED

    @pytest.mark.parametrize("bits", [8, 4])
    def test_onnx_runtime_answers_as_the_network_with_exactly_its_scales(self, tmp_path, bits):
        model = calibrated(resnet(8, num_classes=3), bits)
        own = model(seen()).detach()
        done = export_onnx(model, pictures(40), tmp_path / "net.onnx", PETS)
        assert done.difference <= ROUNDED == done.allowed and f"{ROUNDED:.0e} is allowed" in done.in_words()
        session = onnxruntime.InferenceSession(done.path, providers=["CPUExecutionProvider"])
        answers = torch.from_numpy(session.run(None, {"input": pictures(40).numpy()})[0])
        assert (answers - own).square().mean().sqrt() < 0.01 * (own.max() - own.min())
        kept = [numpy_helper.to_array(x) for x in onnx.load(done.path).graph.initializer]
        scales = {float(x) for x in kept if x.shape == ()}
        for rounding in (x for x in model.modules() if isinstance(x, RoundedActivation)):
            assert float(rounding.scale_and_zero()[0]) in scales
        assert max(int(abs(x.astype(int)).max()) for x in kept if x.dtype == "int8" and x.ndim == 4) == 127
        assert is_fake_quantised(model) and torch.equal(model(seen()), own)  # the network itself stays as it was

    def test_every_layer_computes_in_whole_numbers_in_the_file(self, tmp_path):
        path = export_onnx(calibrated(resnet(8, num_classes=3)), pictures(40), tmp_path / "net.onnx", PETS).path
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "optimised.onnx"), 4
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        kinds = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
        assert "QLinearConv" in kinds and "QGemm" in kinds and not kinds & {"Conv", "Gemm", "MatMul", "FusedConv"}

    def test_what_a_file_cannot_have_is_refused(self, tmp_path):
        for asked, words in (({"activations": 4}, "the network has 4 bits"), ({}, "no batch has shown yet")):
            model = small()
            fake_quantised_(model, seen(2), **asked)
            with pytest.raises(ValueError, match=words):
                export_onnx(model, pictures(), tmp_path / "net.onnx", PETS)
        assert not list(tmp_path.iterdir())

    def test_a_layer_with_a_computed_weight_stays_where_others_are_named(self, tmp_path):
        first = nn.utils.parametrizations.weight_norm(nn.Linear(4, 8))
        model = nn.Sequential(first, nn.ReLU(), nn.Linear(8, 3))
        fake_quantised_(model, torch.zeros(2, 4), weights={"2": 8}, activations=32)
        assert export_onnx(model, torch.randn(9, 4), tmp_path / "net.onnx", About()).difference < 1e-5

    def test_a_norm_without_statistics_is_not_folded(self):
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8, track_running_stats=False), nn.ReLU(), nn.Linear(8, 3))
        fake_quantised_(model, torch.randn(4, 4), activations=32)
        assert isinstance(in_whole_numbers(model, torch.randn(4, 4))[1], nn.BatchNorm1d)

    def test_layers_alone_are_rounded_where_activations_are_not(self, tmp_path):
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        fake_quantised_(model, torch.zeros(2, 4), activations=32)
        assert export_onnx(model, torch.randn(9, 4), tmp_path / "net.onnx", About()).difference < 1e-5


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_folded_norm_leaves_the_whole_numbers_but_for_their_signs(sign):
    model = small()
    with torch.no_grad():
        model.train()(seen())
        model[1].weight.copy_(sign * torch.linspace(0.5, 2, 8))
    fake_quantised_(model.eval(), seen(2), activations=32)
    alone, folded = whole_weights(model[0]), whole_weights(model[0], model[1])
    assert torch.equal(folded[0], (sign * alone[0]).to(torch.int8))
    weight = folded[0].float() * folded[1].view(-1, 1, 1, 1)
    made = nn.functional.conv2d(seen(4), weight, folded[2].float(), stride=2)
    assert torch.allclose(made, model[1](model[0](seen(4))), atol=1e-5)
    assert not is_fake_quantised(in_whole_numbers(model, seen(2)))
