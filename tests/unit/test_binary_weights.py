"""Binary weights: the nearest there are, their gradient, whole numbers in a file, a bit each when packed."""

from collections import OrderedDict
from copy import deepcopy
from functools import partial

import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from exporting import COLOUR, PETS, pictures, small
from same_bits import same_bits
from tutelage.checkpoint import write_tensors
from tutelage.compress.fake_quantised import fake_quantised, fake_quantised_, freeze_
from tutelage.compress.packed_bits import binary_bits
from tutelage.compress.plain_rounded import plain_rounded
from tutelage.compress.rounded_weight import BinaryWeight, RoundedWeight, rounding
from tutelage.compress.structure.plain import Select, Selecting
from tutelage.deployment.compared import ROUNDED
from tutelage.deployment.network import as_seen
from tutelage.deployment.onnx import export_onnx
from tutelage.models.mlp import mlp
from tutelage.weights.packed_file import save_packed, with_codes
from tutelage.weights.signs import from_signs, to_signs
from tutelage.weights.sparse_file import encoded, load_sparse

W = torch.tensor([[0.05, -0.40, 0.90, -0.02], [0.30, -0.10, 0.00, 0.70], [-0.60, 0.20, -0.03, 0.11]])


def middle_layer():
    """Three layers, of which the middle one is binary, the others in int8; no activation is rounded."""
    return fake_quantised(partial(mlp, (40, 300, 300, 5)), sample=(40,), weights=1, activations=32)


class TestWeight:
    def test_worked_values(self):
        """Method specification 2, E8: scales, and the distance, which any other scale makes larger."""
        made, binary = BinaryWeight(), BinaryWeight()(W)
        assert made.scale(W).tolist() == pytest.approx([0.3425, 0.275, 0.235], abs=1e-6)
        assert (W - binary).square().sum().item() == pytest.approx(0.983275, abs=1e-6)
        assert (W - 1.1 * binary).square().sum().item() == pytest.approx(0.993201, abs=1e-6)
        assert binary[1, 2] > 0  # the sign of 0 is +1

    def test_no_other_signs_are_nearer(self):
        binary = BinaryWeight()(W)
        own = (W - binary).square().sum()
        for place in range(W.numel()):
            other = binary.clone()
            other.view(-1)[place] *= -1
            assert (W - other).square().sum() >= own

    def test_the_gradient_is_that_of_the_scale_and_of_the_signs_within_their_bounds(self):
        """Σ g sign(w) = −4.5, a quarter of it with the sign of each, and 1.5 g where |w| ≤ 1."""
        w = torch.tensor([[0.5, -1.0, 3.0, -1.5]], dtype=torch.float64, requires_grad=True)
        g = torch.tensor([[1.0, 2.0, -3.0, 0.5]], dtype=torch.float64)
        (BinaryWeight()(w) * g).sum().backward()
        expected = torch.tensor([[-1.125 + 1.5, 1.125 + 3.0, -1.125, 1.125]], dtype=torch.float64)
        assert torch.allclose(w.grad, expected, atol=1e-12)

    @pytest.mark.parametrize("shape", [(4, 7), (4, 3, 3, 3), (4, 2, 5)])
    def test_a_channel_has_two_values_and_one_of_zeros_stays(self, shape):
        w = torch.randn(shape, dtype=torch.float64)
        w[2] = 0
        binary = BinaryWeight()(w)
        assert [len(row.unique()) for row in binary] == [2, 2, 1, 2] and not binary[2].any()
        assert torch.allclose(BinaryWeight()(binary), binary)

    def test_bits_choose_what_rounds(self):
        assert isinstance(rounding(1), BinaryWeight) and isinstance(rounding(2), RoundedWeight)
        for wrong in (0, 9, 32):
            with pytest.raises(ValueError, match=f"1 to 8 bits; got {wrong}"):
                rounding(wrong)


class TestNetwork:
    def test_the_first_and_the_last_layer_keep_8_bits(self):
        rounds = [x for x in middle_layer().modules() if isinstance(x, BinaryWeight | RoundedWeight)]
        assert [x.bits for x in rounds] == [8, 1, 8]

    def test_it_learns(self):
        torch.manual_seed(0)
        model, x = middle_layer(), torch.rand(64, 40)
        targets = (x.sum(1) > 20).long()
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.5 * losses[0]

    @pytest.mark.slow
    def test_a_file_has_signs_as_whole_numbers_and_answers_as_the_network(self, tmp_path):
        model, x = small(), as_seen(pictures(40), COLOUR)
        names = [name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        with torch.no_grad():
            model.train()(x)
            fake_quantised_(model, x[:2], weights=dict.fromkeys(names, 1))
            model.train()(x)
        freeze_(model)
        done = export_onnx(model.eval(), pictures(40), tmp_path / "net.onnx", PETS)
        assert done.difference <= ROUNDED
        graph = onnx.load(done.path).graph
        whole = [numpy_helper.to_array(t) for t in graph.initializer if t.data_type == onnx.TensorProto.INT8]
        assert sum({*w.flatten().tolist()} <= {-1, 1} for w in whole if w.ndim > 1) == len(names)


class TestPacked:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    @pytest.mark.parametrize("shape", [(5, 7), (300, 5, 3, 3), (1, 1), (3, 1)])
    def test_what_went_in_comes_back_to_the_bit(self, dtype, shape):
        signs = torch.where(torch.rand(shape) < 0.5, 1.0, -1.0)
        x = (torch.rand(shape[0], *[1] * (len(shape) - 1)) * signs).to(dtype)
        parts = to_signs(x)
        assert parts is not None and torch.equal(from_signs(torch.zeros_like(x), **parts), x)
        assert len(parts["signs"]) == -(-x.numel() // 8) and len(parts["scales"]) == shape[0]

    @pytest.mark.parametrize("x", [
        torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[torch.nan, torch.nan]]),
        torch.ones(4), torch.ones(0, 3), torch.ones(2, 3, dtype=torch.int64),
    ])  # fmt: skip
    def test_what_is_no_scale_times_signs_is_stored_otherwise(self, x):
        assert to_signs(x) is None

    def test_a_network_takes_a_bit_a_weight_and_comes_back(self, tmp_path):
        plain = plain_rounded(middle_layer())
        ((name, count),) = binary_bits(plain).items()
        assert count == 300 * 300 + 32 * 300
        save_packed(tmp_path / "net", plain)
        again = load_sparse(tmp_path / "net", mlp((40, 300, 300, 5)))
        assert same_bits(again, plain)
        tensors, about = encoded(plain.state_dict(), with_codes)
        assert about["sparse"][name] == "signs" and tensors[f"{name}|signs"].nbytes == 300 * 300 // 8

    def test_it_answers_what_it_answered_and_copies_stay(self):
        model, x = middle_layer(), torch.rand(9, 40)
        own, other = model(x), deepcopy(model)
        plain = plain_rounded(model)
        assert torch.equal(plain(x), own) and torch.equal(other(x), own)
        assert list(plain.state_dict()) == list(mlp((40, 300, 300, 5)).state_dict())

    def test_a_layer_behind_a_selection_of_channels_is_made_plain_too(self):
        selecting = Selecting(Select([0, 2]), nn.Linear(2, 4))
        model, x = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), selecting, nn.ReLU(), nn.Linear(4, 2)), torch.randn(6, 5)
        fake_quantised_(model, x, weights=1, activations=32)
        own = model.eval()(x)
        assert torch.equal(plain_rounded(model)(x), own) and type(selecting[1]) is nn.Linear

    def test_what_has_no_plain_form_is_told_why(self):
        with pytest.raises(ValueError, match="export it as ONNX, or fake-quantise it with activations=32"):
            plain_rounded(fake_quantised(partial(mlp, (9, 8, 3)), sample=(9,), weights=1))
        with pytest.raises(ValueError, match="has no weights that are rounded"):
            plain_rounded(mlp((9, 8, 3)))

    @pytest.mark.parametrize("change", [
        {"scales": torch.ones(29)}, {"scales": torch.ones(30, 1)}, {"scales": torch.ones(30, dtype=torch.float64)},
        {"signs": torch.zeros(1500, dtype=torch.uint8)}, {"signs": torch.zeros(1502, dtype=torch.uint8)},
        {"signs": torch.zeros(1501, dtype=torch.int8)}, {"signs": torch.full((1501,), 255, dtype=torch.uint8)},
    ])  # fmt: skip
    def test_bytes_of_another_tensor_are_refused(self, change, tmp_path):
        layer = nn.Linear(401, 30)  # 12,030 weights: the last byte has bits to spare
        nn.init.constant_(layer.weight, -0.5)
        parts = {"scales": torch.ones(30), "signs": torch.zeros(-(-12_030 // 8), dtype=torch.uint8), **change}
        if change.get("signs", torch.zeros(0)).shape == (1501,):
            parts["signs"] = torch.cat([change["signs"], change["signs"][:3]])
        tensors = {f"weight|{name}": x for name, x in parts.items()} | {"bias": torch.zeros(30)}
        write_tensors(tmp_path / "net", tensors, {"sparse": {"weight": "signs"}, "same": {}})
        with pytest.raises(ValueError, match="does not hold the sparse weights of this Linear"):
            load_sparse(tmp_path / "net", nn.Linear(401, 30))


def test_a_layer_alone_is_built_by_its_name():
    model = nn.Sequential(OrderedDict(a=nn.Linear(6, 5), b=nn.Linear(5, 4), c=nn.Linear(4, 3)))
    fake_quantised_(model, torch.zeros(2, 6), weights={"a": 1}, activations=32)
    assert isinstance(model.a.parametrizations.weight[0], BinaryWeight) and not hasattr(model.b, "parametrizations")
