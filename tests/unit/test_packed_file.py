"""Packed files give back what went in, to the bit; Huffman's code is as short as it can be; the rest is refused."""

from math import inf, log2

import numpy
import pytest
import torch
from torch import nn

from same_bits import raw, same_bits
from tutelage.checkpoint import load_weights, save_weights, write_tensors
from tutelage.compress.footprint import footprint
from tutelage.models.lenet import lenet5
from tutelage.weights.codebook import HEAD, from_codes, to_codes
from tutelage.weights.gaps import gaps_of, places_of
from tutelage.weights.huffman import LONGEST, WINDOW, code_lengths, num_bits, packed, unpacked
from tutelage.weights.packed_file import copy_smallest, save_packed, save_smallest, with_codes
from tutelage.weights.sparse_file import encoded, load_any, load_sparse, save_sparse

pytestmark = pytest.mark.slow


def drawn(counts, number, seed=0):
    """So many symbols, each as often as its count says."""
    shares = numpy.array(counts, dtype=numpy.float64)
    return numpy.random.default_rng(seed).choice(len(counts), number, p=shares / shares.sum())


class TestHuffman:
    def test_six_symbols(self):
        """E3 of the specification: lengths, 2.24 bits against an entropy of 2.2199 and 3 bits each."""
        counts = [45, 13, 12, 16, 9, 5]
        assert code_lengths(counts).tolist() == [1, 3, 3, 3, 4, 4]
        assert num_bits(counts) == 224 and 1 - num_bits(counts) / 300 == pytest.approx(0.253333, abs=1e-6)
        assert -sum(n / 100 * log2(n / 100) for n in counts) == pytest.approx(2.219880, abs=1e-6)

    @pytest.mark.parametrize("counts", [
        [1], [0, 5], [1, 1], [3, 0, 1], [45, 13, 12, 16, 9, 5], [1] * 256, [2**n for n in range(20)],
        [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987], list(range(257)),
    ])  # fmt: skip
    def test_what_is_read_is_what_was_written_and_a_symbol_takes_less_than_a_bit_more_than_it_must(self, counts):
        symbols = drawn(counts, 5000)
        found = numpy.bincount(symbols, minlength=len(counts)).tolist()
        lengths = code_lengths(found)
        stream = packed(symbols, lengths)
        assert numpy.array_equal(unpacked(stream, lengths, len(symbols)), symbols)
        shares = [n / len(symbols) for n in found if n]
        entropy = -sum(p * log2(p) for p in shares)
        assert entropy - 1e-9 <= num_bits(found) / len(symbols) < entropy + 1
        assert len(stream) == -(-num_bits(found) // 8)

    def test_as_many_symbols_as_need_several_windows(self):
        symbols = drawn([50, 30, 10, 5, 3, 1, 1], 3 * WINDOW)
        lengths = code_lengths(numpy.bincount(symbols).tolist())
        stream = packed(symbols, lengths)
        assert len(stream) * 8 > 4 * WINDOW
        assert numpy.array_equal(unpacked(stream, lengths, len(symbols)), symbols)

    def test_no_symbol_is_no_byte(self):
        lengths = code_lengths([0, 0])
        assert not lengths.any() and len(packed(numpy.zeros(0, dtype=numpy.int64), lengths)) == 0
        assert len(unpacked(numpy.zeros(0, dtype=numpy.uint8), lengths, 0)) == 0

    @pytest.mark.parametrize("lengths", [[1, 1, 1], [2, 2], [1, 2], [2], [1, 0, LONGEST + 1], [255, 255]])
    def test_lengths_of_no_code(self, lengths):
        with pytest.raises(ValueError, match="its code is none"):
            unpacked(numpy.zeros(4, dtype=numpy.uint8), numpy.array(lengths, dtype=numpy.uint8), 3)

    @pytest.mark.parametrize(("stream", "number", "match"), [
        ([0b10110000], 9, "ends too early"), ([0b10110000, 0], 5, "where it should"), ([0b10110100], 3, "where it"),
        ([], 1, "ends too early"), ([0b11111111], 3, "where it should"),
    ])  # fmt: skip
    def test_streams_of_more_or_fewer_symbols(self, stream, number, match):
        lengths = numpy.array([1, 2, 2], dtype=numpy.uint8)
        with pytest.raises(ValueError, match=match):
            unpacked(numpy.array(stream, dtype=numpy.uint8), lengths, number)

    def test_symbols_and_bits_of_a_code_that_has_none(self):
        with pytest.raises(ValueError, match="has no symbols"):
            unpacked(numpy.zeros(0, dtype=numpy.uint8), numpy.zeros(3, dtype=numpy.uint8), 2)
        with pytest.raises(ValueError, match="needs no bits"):
            unpacked(numpy.zeros(1, dtype=numpy.uint8), numpy.array([0, 1], dtype=numpy.uint8), 2)


class TestGaps:
    def test_three_places_and_a_filler(self):
        """E3 of the specification: 1, 4, 15 with a span of 8."""
        gaps, arrives = gaps_of(numpy.array([1, 4, 15]), 8)
        assert list(zip(gaps.tolist(), arrives.tolist(), strict=True)) == [(2, 1), (3, 1), (8, 0), (3, 1)]

    @pytest.mark.parametrize("span", [1, 2, 7, 8, 256])
    def test_they_lead_to_the_same_places(self, span):
        places = numpy.flatnonzero(numpy.random.default_rng(span).random(3000) < 0.02)
        gaps, arrives = gaps_of(places, span)
        assert gaps.min() >= 1 and gaps.max() <= span and numpy.array_equal(places_of(gaps, arrives), places)


def shared(net, share, values, seed=0):
    """``net`` with so large a share of zeros, and of the rest no more than so many different values."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(values, generator=g)[torch.randint(values, p.shape, generator=g)])
            p.masked_fill_(torch.rand(p.shape, generator=g) < share, 0)
    return net


class TestFile:
    @pytest.mark.parametrize("share", [0.0, 0.5, 0.92, 0.999, 1.0])
    @pytest.mark.parametrize("values", [1, 2, 31, 255, 400])
    def test_what_went_in_comes_back_to_the_bit(self, share, values, tmp_path):
        net = shared(lenet5(units=30), share, values)
        save_packed(tmp_path / "net", net)
        assert same_bits(load_sparse(tmp_path / "net", lenet5(units=30)), net)
        save_sparse(tmp_path / "sparse", net)
        assert (tmp_path / "net").stat().st_size <= (tmp_path / "sparse").stat().st_size

    def test_a_network_of_many_values_is_stored_as_a_sparse_one(self, tmp_path):
        save_sparse(tmp_path / "sparse", net := lenet5())
        save_packed(tmp_path / "packed", net)
        assert (tmp_path / "packed").read_bytes() == (tmp_path / "sparse").read_bytes()

    def test_few_values_and_many_zeros_take_few_bytes(self, tmp_path):
        """Of 430,500 weights 8 % stay: each takes about 5 bits for its value and 5 for its place."""
        save_packed(tmp_path / "net", net := shared(lenet5(), 0.92, 31))
        bits = 8 * (tmp_path / "net").stat().st_size
        assert bits < 12 * footprint(net).nonzero
        assert bits * 35 < footprint(net).dense_bits

    @pytest.mark.parametrize(
        "dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool]
    )
    def test_any_type_and_what_is_no_number(self, dtype):
        values = torch.zeros(70, 90, dtype=torch.float64)
        values[::3, ::5] = 1.0
        if dtype.is_floating_point:
            values[::7, ::11], values[1, 1] = float("nan"), -inf
        x = values.to(dtype)
        parts = to_codes(x)
        assert torch.equal(raw(from_codes(torch.ones_like(x), **parts)), raw(x))
        assert with_codes(x)[0] == "codes"

    def test_tied_weights_are_stored_once(self, tmp_path):
        def tied():
            net = nn.Sequential(nn.Linear(50, 50), nn.Linear(50, 50))
            net[1].weight = net[0].weight
            return net

        net = shared(tied(), 0.9, 7)
        save_packed(tmp_path / "net", net)
        assert same_bits(load_sparse(tmp_path / "net", tied()), net)

    def test_a_compiled_network_is_stored_under_the_names_of_the_plain_one(self, tmp_path):
        net = shared(lenet5(units=30), 0.9, 7)
        save_packed(tmp_path / "net", torch.compile(net, backend="eager"))
        assert same_bits(load_sparse(tmp_path / "net", lenet5(units=30)), net)
        again = lenet5(units=30)
        load_sparse(tmp_path / "net", torch.compile(again, backend="eager"))
        assert same_bits(again, net)

    def test_scalars_and_nothing(self):
        for x in (torch.tensor(3.0), torch.zeros(0, 4), torch.zeros(4, 4)):
            assert with_codes(x)[0] != "codes"


class TestSmallest:
    @pytest.mark.parametrize(
        ("share", "values", "small"), [(0.0, 5000, False), (0.3, 5000, False), (0.0, 7, True), (0.95, 5000, True)]
    )
    def test_another_form_is_worth_it_where_it_halves_the_file(self, share, values, small, tmp_path):
        net = shared(lenet5(units=30), share, values)
        save_weights(tmp_path / "plain", net)
        sums = save_smallest(tmp_path / "net", net), copy_smallest(tmp_path / "copy", tmp_path / "plain")
        whole, sizes = (tmp_path / "plain").stat().st_size, [(tmp_path / x).stat().st_size for x in ("net", "copy")]
        assert all((size <= whole / 2) is small for size in sizes)
        for name, checksum in zip(("net", "copy"), sums, strict=True):
            assert same_bits(load_any(tmp_path / name, lenet5(units=30), expected=checksum), net)
        if not small:  # as any reader of safetensors takes it
            assert (tmp_path / "net").read_bytes() == (tmp_path / "plain").read_bytes()
            assert same_bits(load_weights(tmp_path / "copy", lenet5(units=30)), net)

    def test_a_copy_of_tied_weights_ties_them(self, tmp_path):
        def tied():
            net = nn.Sequential(nn.Linear(50, 50), nn.Linear(50, 50))
            net[1].weight = net[0].weight
            return net

        net = shared(tied(), 0.9, 7)
        save_weights(tmp_path / "plain", net)
        copy_smallest(tmp_path / "copy", tmp_path / "plain")
        assert (tmp_path / "copy").stat().st_size < (tmp_path / "plain").stat().st_size / 2
        assert same_bits(load_any(tmp_path / "copy", tied()), net)

    def test_a_file_of_another_kind_is_copied_as_it_is(self, tmp_path):
        torch.save(lenet5().state_dict(), tmp_path / "weights.pt")
        assert copy_smallest(tmp_path / "copy", tmp_path / "weights.pt") == ""
        assert (tmp_path / "copy").read_bytes() == (tmp_path / "weights.pt").read_bytes()

    def test_weights_of_another_architecture_are_refused_in_either_form(self, tmp_path):
        for share in (0.0, 0.95):
            save_smallest(tmp_path / "net", shared(lenet5(units=30), share, 5000))
            with pytest.raises(ValueError, match=r"net (holds|does not hold) the"):
                load_any(tmp_path / "net", lenet5(units=31))


class TestRefused:
    """Files whose checksum is right, and whose content is not: what an attacker or a bug may write."""

    def good(self):
        return encoded(shared(nn.Linear(400, 30), 0.9, 3).state_dict(), with_codes)

    def refused(self, tmp_path, tensors, about, match="does not hold the sparse weights of this Linear"):
        write_tensors(tmp_path / "net", tensors, about)
        with pytest.raises(ValueError, match=match) as failure:
            load_sparse(tmp_path / "net", nn.Linear(400, 30))
        assert str(failure.value).startswith(str(tmp_path / "net")) and "\n" not in str(failure.value)

    def test_the_good_one_is_taken(self, tmp_path):
        tensors, about = self.good()
        assert about["sparse"]["weight"] == "codes"
        write_tensors(tmp_path / "net", tensors, about)
        load_sparse(tmp_path / "net", nn.Linear(400, 30))

    @pytest.mark.parametrize("change", [
        lambda x: x[:-1], lambda x: x[:HEAD], lambda x: x[:3], lambda x: x.float(), lambda x: x[None],
        lambda x: torch.cat([x, torch.zeros(1, dtype=torch.uint8)]), lambda x: x.clone().zero_(),
        lambda x: x.clone().fill_(255), lambda x: x.flip(0),
    ])  # fmt: skip
    def test_codes_that_are_none(self, change, tmp_path):
        tensors, about = self.good()
        self.refused(tmp_path, {**tensors, "weight|packed": change(tensors["weight|packed"])}, about)

    def test_any_byte_that_is_another_is_refused_or_another_network_of_the_same_values(self):
        tensors, _ = self.good()
        codebook, stream = tensors["weight|codebook"], tensors["weight|packed"]
        values = {0.0, *codebook.tolist()}
        like, whole = torch.zeros(30, 400), from_codes(torch.zeros(30, 400), codebook, stream)
        refused = 0
        for place in range(0, len(stream), 17):
            for bit in (1, 16, 128):
                changed = stream.clone()
                changed[place] ^= bit
                try:
                    found = from_codes(like, codebook, changed)
                except ValueError:
                    refused += 1
                else:
                    assert set(found.unique().tolist()) <= values and found.shape == whole.shape
        assert refused > 20

    @pytest.mark.parametrize("codebook", [
        torch.ones(3, dtype=torch.float64), torch.ones(3, 1), torch.ones(2), torch.ones(4), torch.ones(0),
        torch.ones(300),
    ])  # fmt: skip
    def test_a_codebook_of_another_type_or_size(self, codebook, tmp_path):
        tensors, about = self.good()
        self.refused(tmp_path, {**tensors, "weight|codebook": codebook}, about)

    def test_more_entries_than_there_are_places(self, tmp_path):
        """A code of one symbol takes no bits: its number is bounded by the weights there are."""
        x = torch.ones(30, 400)
        tensors = {f"weight|{part}": value for part, value in to_codes(x).items()}
        stream = tensors["weight|packed"].clone()
        stream[:4] = torch.tensor([255, 255, 255, 255], dtype=torch.uint8)
        about = {"sparse": {"weight": "codes"}, "same": {}}
        self.refused(tmp_path, {**tensors, "weight|packed": stream, "bias": torch.ones(30)}, about, "lead out of it")
        longer = {f"weight|{part}": value for part, value in to_codes(torch.ones(31, 400)).items()}
        self.refused(tmp_path, {**longer, "bias": torch.ones(30)}, about, "lead out of it")

    def test_another_networks_file(self, tmp_path):
        save_packed(tmp_path / "net", shared(lenet5(), 0.9, 7))
        with pytest.raises(ValueError, match="does not hold the sparse weights of this Linear"):
            load_sparse(tmp_path / "net", nn.Linear(400, 30))
        damaged = (tmp_path / "net").read_bytes()
        (tmp_path / "net").write_bytes(damaged[:-1] + bytes([damaged[-1] ^ 1]))
        with pytest.raises(ValueError, match="its content is not that of its checksum"):
            load_sparse(tmp_path / "net", lenet5())
