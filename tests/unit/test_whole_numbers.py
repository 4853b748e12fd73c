"""What a fake-quantised network is written as answers as the network, whatever its code does between its layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from channel_networks import NETWORKS
from tutelage.compress.chains import INPUT, chains_of
from tutelage.compress.fake_quantised import RoundedActivation, fake_quantised, fake_quantised_, freeze_
from tutelage.deployment.about import About
from tutelage.deployment.export import kept_samples
from tutelage.deployment.onnx import export_onnx
from tutelage.deployment.whole_numbers import Rounding, WholeLayer, in_whole_numbers

MAPS, SERIES = (3, 8, 8), (5, 6)


class Block(nn.Module):
    """A residual block with one rectification, by code, behind the sum."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)

    def forward(self, x):
        return torch.relu(x + self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x))))))


class OfMaps(nn.Module):
    """A stem, whose norm code rectifies, and a ``body``; ``head`` reads the mean of the places."""

    def __init__(self, *body):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.body, self.head = nn.Sequential(*body), nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.body(torch.relu(self.norm(self.stem(x)))).mean((2, 3)))


class ReadTwice(nn.Module):
    """A convolution that a batch norm reads, and a sum that is no module."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.second, self.head = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 4)

    def forward(self, x):
        y = self.first(x)
        return self.head((y + self.second(torch.relu_(self.norm(y)))).mean((2, 3)))


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.both = nn.Conv2d(16, 8, 1)

    def forward(self, x):
        y = torch.relu(self.first(x))
        return torch.relu(self.both(torch.cat([y, torch.relu(self.second(y))], 1)))


class Flattened(nn.Module):
    """A view, a pool, rectifications and a dropout, all by code."""

    def __init__(self):
        super().__init__()
        self.conv, self.hidden, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(128, 16), nn.Linear(16, 4)

    def forward(self, x):
        y = F.max_pool2d(torch.relu(self.conv(x)), 2).view(x.shape[0], -1)
        return self.head(F.dropout(torch.relu(self.hidden(y)), 0.5, self.training))


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.before, self.cell, self.head = nn.Linear(6, 6), nn.GRUCell(6, 8), nn.Linear(8, 4)

    def forward(self, x):
        state = x.new_zeros(x.shape[0], 8)
        for step in range(x.shape[1]):
            state = self.cell(self.before(x[:, step]), state)
        return self.head(state)


class OfSeries(nn.Module):
    def __init__(self, body, width):
        super().__init__()
        self.before, self.body, self.head = nn.Linear(6, width), body, nn.Linear(width, 4)

    def forward(self, x):
        y = self.body(self.before(x))
        return self.head((y[0] if isinstance(y, tuple) else y).mean(1))


class OfIds(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.hidden, self.head = nn.Embedding(50, 16), nn.Linear(16, 32), nn.Linear(32, 4)

    def forward(self, x):
        return self.head(torch.relu(self.hidden(self.table(x))).mean(1))


class Sized(nn.Module):
    """Its code asks for the size of a batch in words that only a compiler takes for a size."""

    def __init__(self):
        super().__init__()
        self.own, self.head = nn.Parameter(torch.zeros(1, 1, 6)), nn.Linear(6, 4)

    def forward(self, x):
        return self.head(torch.cat([self.own.expand(len(x), -1, -1), x], 1)).mean(1)


def encoder():
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
    return OfSeries(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), 16)


BY_CODE = {
    "rectified": (OfMaps, MAPS),
    "residual": (lambda: OfMaps(Block(), Block()), MAPS),
    "read twice": (ReadTwice, MAPS),
    "joined": (lambda: OfMaps(Joined()), MAPS),
    "flattened": (Flattened, MAPS),
    "cells": (Cells, SERIES),
    "recurrent": (lambda: OfSeries(nn.GRU(6, 6, batch_first=True), 6), SERIES),
    "encoder": (encoder, SERIES),
    "sized": (Sized, SERIES),
    "ids": (OfIds, (5,)),
}
ALL = {**NETWORKS, **BY_CODE}


def inputs(name, sample, count=24):
    return torch.randint(50, (count, *sample)) if name == "ids" else torch.randn(count, *sample)


def calibrated(name):
    build, sample = ALL[name]
    torch.manual_seed(0)
    network, x = build(), inputs(name, sample)
    with torch.no_grad():
        network.train()(x)
        fake_quantised_(network.eval(), x[:2])
        network.train()(x)
    freeze_(network)
    return network.eval(), x


@pytest.fixture
def _computed(monkeypatch):
    """``QuantizeLinear`` and ``DequantizeLinear`` as ONNX defines them, in the place of the exporter's symbols."""

    def compute(operation, given, attributes=(), **_):
        x, scale, zero = given
        shape = (-1, *[1] * (x.ndim - 1)) if "axis" in attributes else ()
        scale, zero = scale.view(shape), zero.float().view(shape)
        if operation == "QuantizeLinear":
            return ((x / scale).round() + zero).clamp(0, 255)
        return (x.float() - zero) * scale

    monkeypatch.setattr(torch.onnx.ops, "symbolic", compute)


@pytest.mark.usefixtures("_computed")
@pytest.mark.parametrize("name", list(ALL))
@torch.no_grad()
def test_what_is_written_answers_as_the_network_does(name):
    network, x = calibrated(name)
    own = network(x)
    off = (in_whole_numbers(network, x[:2])(x) - own).abs().amax(1)
    assert off.median() < 0.04 * (own.max() - own.min())  # where a half goes the other way, a few are further apart


def rounded(network):
    return [name for name, x in network.named_modules() if isinstance(x, RoundedActivation)]


def test_what_code_rectifies_is_rounded_once_from_0_on_and_a_sum_for_all_who_read_it():
    network, _ = calibrated("residual")
    assert rounded(network) == [
        "stem.fake_input", "norm.fake_output", "body.0.norm1.fake_output", "body.0.norm2.fake_output",
        "body.0.fake_output", "body.1.norm1.fake_output", "body.1.norm2.fake_output", "head.fake_input",
    ]  # fmt: skip
    assert network.norm.fake_output.low == 0 > network.body[0].norm2.fake_output.low


def test_a_dropout_hands_on_and_a_rectification_in_place_does_not():
    layers = nn.Linear(6, 8), nn.Dropout(0.5), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 3)
    chains = chains_of(network := nn.Sequential(*layers), torch.randn(2, 6))
    assert chains.end_of(layers[0]) is layers[2] and chains.sources_of(layers[4]) == {layers[2]}
    assert chains.last is layers[4] and network.training


@torch.no_grad()
def test_kernels_read_whole_numbers_where_code_moved_them():
    network, x = calibrated("flattened")
    written = in_whole_numbers(network, x[:2])
    assert isinstance(written.hidden, WholeLayer) and written.hidden.whole_bias.dtype == torch.int32
    scale = network.conv.fake_output.scale_and_zero()[0]
    assert written.hidden._modules[INPUT].scale == scale
    assert all(isinstance(layer._modules[INPUT], Rounding) for layer in (written.conv, written.hidden, written.head))


def test_a_stage_of_ids_is_built_of_ids():
    network = fake_quantised(OfIds, sample=(5,), ids=True)
    assert rounded(network) == ["table.fake_output", "hidden.fake_output", "head.fake_input"]


def test_made_up_samples_of_a_network_of_ids_are_ids(tmp_path):
    samples, real = kept_samples(tmp_path, About(), {"input": "int64 (N, 5), numbers of pieces"}, ())
    assert not real and samples.dtype == torch.int64 and samples.shape[1:] == (5,) and samples.min() > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ids", "sized"])
def test_a_file_takes_ids_and_any_size_that_code_asks_for(tmp_path, name):
    network, x = calibrated(name)
    done = export_onnx(network, x, tmp_path / "net.onnx", About())
    assert done.dtype == ("int64" if name == "ids" else "float32") and done.path.is_file()
