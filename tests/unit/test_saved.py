"""Networks that no run made, kept so that another process loads them: pruned ones, rounded ones, with their builder."""

import logging
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn

import tutelage
from same_bits import same_bits
from tutelage.compress.architecture import describe, fresh
from tutelage.compress.fake_quantised import fake_quantised
from tutelage.compress.importance import filters
from tutelage.compress.masks import prune_, zeros_of
from tutelage.compress.ranked import least_important
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, macs
from tutelage.compress.structure.removal import without
from tutelage.models.mlp import mlp
from tutelage.models.resnet import resnet

BUILD = partial(resnet, 8, 4)
X = torch.rand(3, 3, 8, 8)


def own(width: int = 3) -> nn.Module:
    return nn.Linear(4, width)


def halved(build, sample):
    """A pruned network, made in Python alone, and what builds one of its architecture."""
    network = build().eval()
    channels = channels_of(network, sample[:1])
    price = partial(cost, channels, macs)
    shut = least_important(channels, filters(network, channels), price, 0.5 * price())
    return without(network, channels, shut), partial(fresh, build, architecture=describe(channels, shut))


def test_a_pruned_network_comes_back(tmp_path):
    half, build = halved(BUILD, X)
    tutelage.save(tmp_path / "half", half, build, input="float32 (N, 3, 8, 8)")
    again = tutelage.load(tmp_path / "half")
    assert same_bits(again, half) and torch.equal(again(X), half(X)) and not again.training


@pytest.mark.slow
def test_in_another_process(tmp_path):
    half, build = halved(BUILD, X)
    tutelage.save(tmp_path / "half", half, build)
    torch.save(X, tmp_path / "x.pt")
    code = (
        f"import torch, tutelage; x = torch.load({str(tmp_path / 'x.pt')!r}, weights_only=True);"
        f"print(tutelage.load({str(tmp_path / 'half')!r})(x).double().sum().item())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(half(X).double().sum().item(), rel=1e-5) and not done.stderr


def test_zeros_and_roundings_come_back_too(tmp_path):
    sparse = prune_(mlp((9, 8, 3)), 0.7)
    tutelage.save(tmp_path / "sparse", sparse, partial(mlp, (9, 8, 3)))
    assert zeros_of(tutelage.load(tmp_path / "sparse")) == zeros_of(sparse) > 0.6
    build = partial(fake_quantised, partial(mlp, (9, 8, 3)), sample=(9,), weights=1, activations=32)
    rounded = build()
    tutelage.save(tmp_path / "rounded", rounded, build)
    assert same_bits(tutelage.load(tmp_path / "rounded"), rounded)


def test_what_was_kept_is_verified_and_a_change_is_refused(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "tutelage")
    tutelage.save(tmp_path, mlp((4, 3, 2)), partial(mlp, (4, 3, 2)))
    tutelage.load(tmp_path)
    assert not caplog.records
    weights = tmp_path / "student.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=r"student\.safetensors"):
        tutelage.load(tmp_path)


def test_a_builder_of_ones_own_has_to_be_allowed(tmp_path):
    tutelage.save(tmp_path, network := own(5), partial(own, 5))
    with pytest.raises(ValueError, match="allow"):
        tutelage.load(tmp_path)
    assert same_bits(tutelage.load(tmp_path, allow=[__name__]), network)


@pytest.mark.parametrize(
    ("network", "build", "words"),
    [
        (
            mlp((4, 3, 2)),
            partial(mlp, (4, 5, 2)),
            "another architecture than .*; give a build that makes",
        ),
        (mlp((4, 3, 2)).double(), partial(mlp, (4, 3, 2)), r"in torch\.float32, .* has it in torch\.float64"),
        (mlp((4, 3, 2)), lambda: mlp((4, 3, 2)), "functions of a module, or a functools.partial"),
    ],
)
def test_what_could_not_come_back_is_refused_and_leaves_nothing(network, build, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        tutelage.save(tmp_path / "it", network, build)
    assert not (tmp_path / "it").exists()


def test_a_builder_in_the_script_that_runs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(own, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "own", own, raising=False)
    with pytest.raises(ValueError, match="put it into a module of its own"):
        tutelage.save(tmp_path, own(), own)


@pytest.mark.parametrize("name", ["student.json", "student.safetensors", "SHA256SUMS"])
def test_nothing_is_replaced(name, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match="nothing is replaced; give another folder"):
        tutelage.save(tmp_path, own(), own)
    assert [x.name for x in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == "mine"
