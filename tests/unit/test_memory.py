"""What a network takes is known before it is made, and said where this process may not have it."""

import json
import sys
from functools import partial

import pytest
import torch
from torch import nn

from contract.test_recipes import WRITTEN
from tutelage import machine
from tutelage.cli.flags import flags_of
from tutelage.data.synthetic import photographs
from tutelage.measures.memory import peak_bytes
from tutelage.models.mlp import mlp
from tutelage.models.named import named
from tutelage.run import Run
from tutelage.study.memory import SHAPES, refuse_too_large, step_bytes
from tutelage.study.sets import Sets

pytestmark = pytest.mark.slow

SETS = Sets(photographs()[0], None, photographs()[1])


class Looking(nn.Linear):
    """A network that looks at values, which there are none of without memory."""

    def forward(self, x):
        return super().forward(x.flatten(1)[:, :3] if x.sum().item() > 0 else x.flatten(1)[:, 3:6])


def looking() -> nn.Module:
    return Looking(3, 100)


@pytest.mark.parametrize("text", ["resnet8", "vgg8"])
def test_what_is_counted_without_memory_is_what_it_takes(text):
    build = named(text, 100)
    real = peak_bytes(lambda: build()(torch.rand(4, 3, 32, 32)))
    assert step_bytes(build, (4, 3, 32, 32)) == pytest.approx(real, rel=0.05)


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_norm_is_counted_by_the_shapes_that_it_gives(training):
    x, moments = torch.rand(4, 3, 5, 5), (torch.zeros(3), torch.ones(3))
    norm = torch.ops.aten.native_batch_norm.default
    real = norm(x, None, None, *moments, training, 0.1, 1e-5)
    told = SHAPES[norm](x.to("meta"), None, None, *(m.to("meta") for m in moments), training, 0.1, 1e-5)
    assert [(x.shape, x.dtype) for x in told] == [(x.shape, x.dtype) for x in real]


def test_half_of_all_but_the_weights_in_half_precision():
    build = partial(mlp, (784, 10, 10))
    whole, half = (step_bytes(build, (100, 1, 28, 28), half=half) for half in (False, True))
    weights = 4 * sum(p.numel() for p in build().parameters())
    assert half - weights == (whole - weights) // 2


def test_counting_draws_nothing_and_takes_no_memory():
    before = torch.get_rng_state()
    assert step_bytes(named("wide_resnet(28, 200)", 100), (64, 3, 32, 32)) > 1e10
    assert torch.equal(before, torch.get_rng_state())


def test_what_does_not_fit_is_refused_with_what_it_would_take_and_what_there_is(monkeypatch):
    monkeypatch.setattr(machine, "memory_limit", lambda _device: 2 * 10**9)
    refuse_too_large("resnet8", named("resnet8", 100), SETS, 64)
    with pytest.raises(ValueError, match=r"^wide takes \d+\.\d GB for a step of 64 samples, .* have 2\.0 GB; choose"):
        refuse_too_large("wide", named("wide_resnet(16, 200)", 100), SETS, 64)
    with pytest.raises(ValueError, match=f"a step of {len(SETS.train)} samples"):
        monkeypatch.setattr(machine, "memory_limit", lambda _device: 10**7)
        refuse_too_large("all at once", named("resnet8", 100), SETS, 10**6)


def test_a_network_that_looks_at_values_and_a_system_that_does_not_tell_are_let_through(monkeypatch):
    monkeypatch.setattr(machine, "memory_limit", lambda _device: 1)
    refuse_too_large("looking", looking, SETS, 64)
    monkeypatch.setattr(machine, "memory_limit", lambda _device: None)
    refuse_too_large("resnet8", named("resnet8", 100), SETS, 64)


@pytest.mark.parametrize("recipe", WRITTEN, ids=lambda recipe: recipe.name)
def test_every_recipe_refuses_it_before_anything_is_trained(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "memory_limit", lambda _device: 10)
    smoke = recipe.with_preset("smoke")
    with (
        Run(recipe.name, "smoke", root=tmp_path, device="cpu") as run,
        pytest.raises(ValueError, match="may have 0"),
    ):
        smoke(run, **{flag.name: flag.default for flag in flags_of(smoke)})
    stages = [json.loads(file.read_text()) for file in (tmp_path / "stages").glob("*/stage.json")]
    assert not [stage["name"] for stage in stages if stage["records"]]  # networks that are given were not trained


def test_the_limits_of_a_container_and_of_the_shell_count(tmp_path, monkeypatch):
    files = tmp_path / "memory.max", tmp_path / "limit_in_bytes"
    monkeypatch.setattr(machine, "CONTROL_GROUP", files)
    monkeypatch.setattr(machine, "_address_space", lambda: None)
    assert machine.memory_limit() == machine.memory_bytes()
    files[0].write_text("max\n")
    assert machine.memory_limit() == machine.memory_bytes()
    files[1].write_text("4096\n")
    assert machine.memory_limit() == 4096
    monkeypatch.setattr(machine, "_address_space", lambda: 1024)
    assert machine.memory_limit() == 1024
    assert machine.memory_limit("meta") is None
    assert machine.usable_memory() == 1024
    monkeypatch.setattr(machine, "memory_limit", lambda _device: None)
    assert machine.usable_memory() == 2**34


def test_free_is_what_the_container_and_the_shell_leave(tmp_path, monkeypatch):
    files = tmp_path / "memory.max", tmp_path / "limit_in_bytes"
    monkeypatch.setattr(machine, "CONTROL_GROUP", files)
    monkeypatch.setattr(machine, "_address_space", lambda: None)
    assert 0 < machine.free_memory() <= machine.memory_bytes()
    files[0].write_text("4096\n")
    (tmp_path / "memory.current").write_text("1096\n")
    assert machine.free_memory() == 3000
    if sys.platform == "linux":
        monkeypatch.setattr(machine, "_address_space", lambda: 1024)  # this process has more already
        assert machine.free_memory() == 0
