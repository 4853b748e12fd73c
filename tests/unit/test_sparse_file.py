"""Sparse files give back what went in, to the bit; whatever else is in one is refused in a sentence."""

from math import inf

import pytest
import torch
from torch import nn

from same_bits import same_bits
from tutelage.checkpoint import save_weights, write_tensors
from tutelage.compress.compact import compacted
from tutelage.compress.footprint import Factors, factors, footprint
from tutelage.compress.variational import variational_
from tutelage.models.lenet import lenet5
from tutelage.tensors import read_tensors
from tutelage.weights.sparse_file import encoded, load_sparse, save_sparse


def thinned(net, share, seed=0):
    """``net`` with so large a share of each tensor's values set to 0."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.masked_fill_(torch.rand(p.shape, generator=g) < share, 0)
    return net


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.99, 1.0])
def test_what_went_in_comes_back_to_the_bit(share, tmp_path):
    net = thinned(lenet5(), share)
    save_sparse(tmp_path / "net", net)
    assert same_bits(load_sparse(tmp_path / "net", lenet5()), net)


def test_the_answers_of_a_compacted_student_are_those_of_what_was_trained(tmp_path):
    trained = variational_(lenet5(), threshold=-3.0).eval()
    save_sparse(tmp_path / "net", compacted(trained))
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(load_sparse(tmp_path / "net", lenet5()).eval()(x), trained(x))


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool]
)
def test_any_type_and_what_is_no_number(dtype, tmp_path):
    net = nn.Module()
    values = torch.zeros(40, 50, dtype=torch.float64)
    values[3, 7], values[20, 49], values[39, 0] = 1.0, -2.0, 3.0
    if dtype.is_floating_point:
        values[1, 1], values[2, 2] = float("nan"), -inf
    net.register_buffer("x", values.to(dtype))
    net.register_buffer("count", torch.tensor(0))
    net.register_buffer("empty", torch.zeros(0, 3))
    save_sparse(tmp_path / "net", net)
    other = nn.Module()
    for name, x in net.state_dict().items():
        other.register_buffer(name, torch.ones_like(x))
    assert same_bits(load_sparse(tmp_path / "net", other), net)


def test_a_zero_with_a_sign_is_a_zero(tmp_path):
    net = thinned(nn.Linear(400, 30), 1.0)
    with torch.no_grad():
        net.weight.neg_()
    save_sparse(tmp_path / "net", net)
    found = load_sparse(tmp_path / "net", nn.Linear(400, 30)).weight
    assert torch.equal(found, net.weight) and not found.signbit().any()
    assert footprint(net).file_bytes < 2000


def test_tied_weights_are_stored_once(tmp_path):
    def tied():
        net = nn.Sequential(nn.Linear(50, 50), nn.Linear(50, 50))
        net[1].weight = net[0].weight
        return net

    net = thinned(tied(), 0.99)
    save_sparse(tmp_path / "net", net)
    assert same_bits(load_sparse(tmp_path / "net", tied()), net)
    assert len(encoded(net.state_dict())[1]["same"]) == 1


def test_each_tensor_takes_the_smallest_form():
    g = torch.Generator().manual_seed(0)
    state = {str(share): (torch.rand(300, 784, generator=g) >= share).float() for share in (0.0, 0.5, 0.99)}
    tensors, about = encoded({name: x.clone() for name, x in state.items()})
    assert about["sparse"] == {"0.5": "mask", "0.99": "csr"}
    assert tensors["0.0"].shape == (300, 784)
    nonzero = int(state["0.99"].sum())
    sizes = {part: tensors[f"0.99|{part}"].nbytes for part in ("values", "columns", "rows")}
    assert sizes == {"values": 4 * nonzero, "columns": 2 * nonzero, "rows": 4 * 301}
    assert tensors["0.5|mask"].nbytes == 300 * 784 / 8


def test_rows_of_many_values():
    weight = torch.zeros(3, 100_000)
    weight[1, 99_999] = weight[2, 0] = 1.0
    tensors, about = encoded({"w": weight})
    assert about["sparse"] == {"w": "csr"} and tensors["w|columns"].tolist() == [99_999, 0]


def test_a_file_is_as_large_as_its_footprint_says(tmp_path):
    net = thinned(lenet5(), 0.95)
    save_sparse(tmp_path / "net", net)
    found = footprint(net)
    assert (tmp_path / "net").stat().st_size == found.file_bytes
    assert found.weights == 430_500 and found.layers.keys() == {"conv1", "conv2", "hidden", "head"}
    assert all(0.9 < share < 1 for share in found.layers.values())
    assert found.nonzero == sum(int(m.weight.count_nonzero()) for m in net if hasattr(m, "weight"))


def test_the_two_factors_multiply_to_the_whole():
    teacher, student = footprint(nn.Linear(100, 40)), footprint(thinned(nn.Linear(100, 10), 0.9))
    found = factors(teacher, student)
    assert found == Factors(4.0, student.dense_bits / student.csr_bits)
    assert found.total == pytest.approx(teacher.dense_bits / student.csr_bits)


def test_a_network_of_zeros_is_counted():
    found = footprint(thinned(nn.Linear(100, 10), 1.0))
    assert found.nonzero == 0 and found.count_ratio == inf and found.csr_ratio == 32_000 / (11 * 32)
    with pytest.raises(ValueError, match="no linear layer or convolution to count zeros of"):
        footprint(nn.ReLU())


class TestRefused:
    """Files whose checksum is right, and whose content is not: what an attacker or a bug may write."""

    def good(self):
        state = {"weight": torch.zeros(30, 400), "bias": torch.ones(30)}
        state["weight"][3, 5] = state["weight"][3, 9] = state["weight"][29, 39] = 1.0
        return encoded(state)

    def refused(self, tmp_path, tensors, about, match):
        write_tensors(tmp_path / "net", tensors, about)
        with pytest.raises(ValueError, match=match) as failure:
            load_sparse(tmp_path / "net", nn.Linear(400, 30))
        assert str(failure.value).startswith(str(tmp_path / "net")) and "\n" not in str(failure.value)

    def test_the_good_one_is_taken(self, tmp_path):
        tensors, about = self.good()
        assert about["sparse"] == {"weight": "csr"}
        write_tensors(tmp_path / "net", tensors, about)
        load_sparse(tmp_path / "net", nn.Linear(400, 30))

    @pytest.mark.parametrize(
        ("part", "value"),
        [
            ("columns", torch.tensor([5, 9, 400], dtype=torch.int16)),
            ("columns", torch.tensor([5, -9, 39], dtype=torch.int16)),
            ("columns", torch.tensor([9, 5, 39], dtype=torch.int16)),
            ("columns", torch.tensor([5, 5, 39], dtype=torch.int16)),
            ("columns", torch.tensor([5, 9], dtype=torch.int16)),
            ("rows", torch.zeros(31, dtype=torch.int32)),
            ("rows", torch.full((31,), 3, dtype=torch.int32)),
            ("rows", torch.tensor([0, 2**31 - 1] * 15 + [3], dtype=torch.int32)),
            ("rows", torch.zeros(0, dtype=torch.int32)),
            ("values", torch.ones(3, dtype=torch.float64)),
            ("values", torch.ones(3, 1)),
            ("values", torch.ones(2**16)),
        ],
    )
    def test_indices_that_lead_elsewhere(self, part, value, tmp_path):
        tensors, about = self.good()
        self.refused(tmp_path, {**tensors, f"weight|{part}": value}, about, "does not hold the sparse weights of this")

    def test_a_mask_of_another_size_or_count(self, tmp_path):
        about = {"sparse": {"weight": "mask"}, "same": {}}
        rest = {"bias": torch.ones(30), "weight|values": torch.ones(3)}
        for mask in (torch.zeros(1499), torch.zeros(1500), torch.full((1500,), 255)):
            self.refused(tmp_path, {**rest, "weight|mask": mask.to(torch.uint8)}, about, "mask")

    def test_another_networks_file(self, tmp_path):
        tensors, about = self.good()
        self.refused(tmp_path, {**tensors, "more": torch.ones(1)}, about, "'more' is not of this network")
        del tensors["bias"]
        self.refused(tmp_path, tensors, about, "bias")
        save_sparse(tmp_path / "other", lenet5())
        with pytest.raises(ValueError, match="does not hold the sparse weights of this Linear"):
            load_sparse(tmp_path / "other", nn.Linear(400, 30))

    @pytest.mark.parametrize(
        "about",
        [{}, {"sparse": [], "same": {}}, {"sparse": {"weight": "pickle"}, "same": {}}, {"sparse": {}, "same": []},
         {"sparse": {"weight": ["csr"]}, "same": {}}, {"sparse": {}, "same": {"weight": "bias"}}],
    )  # fmt: skip
    def test_words_that_say_nothing(self, about, tmp_path):
        self.refused(tmp_path, self.good()[0], about, str(tmp_path))

    def test_files_of_another_kind(self, tmp_path):
        save_weights(tmp_path / "dense", nn.Linear(400, 30))
        with pytest.raises(ValueError, match="dense is none of what save_sparse writes: read it with load_weights"):
            load_sparse(tmp_path / "dense", nn.Linear(400, 30))
        with pytest.raises(FileNotFoundError):
            load_sparse(tmp_path / "none", nn.Linear(400, 30))
        save_sparse(tmp_path / "net", nn.Linear(400, 30))
        damaged = (tmp_path / "net").read_bytes()
        (tmp_path / "net").write_bytes(damaged[:-1] + bytes([damaged[-1] ^ 1]))
        with pytest.raises(ValueError, match="its content is not that of its checksum"):
            load_sparse(tmp_path / "net", nn.Linear(400, 30))


def test_any_reader_of_safetensors_reads_it(tmp_path):
    checksum = save_sparse(tmp_path / "net", thinned(nn.Linear(400, 30), 0.99))
    tensors, about = read_tensors(tmp_path / "net")
    assert set(tensors) >= {"weight|values", "weight|columns", "weight|rows"} and about["sha256"] == checksum
