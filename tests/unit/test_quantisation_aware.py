"""Quantisation-aware training in a run: taught by any method, frozen at the end, delivered, exported as it rounds."""

from collections import OrderedDict
from functools import partial

import pytest
import torch
from torch import nn

import tutelage
from tutelage.compress.fake_quantised import RoundedActivation, fake_quantised
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.deployment.about import About
from tutelage.deployment.onnx import export_onnx
from tutelage.methods.response import kd
from tutelage.optimizers.usual import adam
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.plan import Plan
from tutelage.schemes.quantisation_aware import quantisation_aware
from tutelage.schemes.supervised import supervised

pytestmark = pytest.mark.slow


def drawn(count, seed):
    g = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, 1, 6, 6), dtype=torch.uint8, generator=g)
    return labelled("drawn", pictures, torch.randint(3, (count,), generator=g), tuple("abc"))


def net(width: int = 8) -> nn.Module:
    layers = {"conv": nn.Conv2d(1, width, 3, padding=1), "norm": nn.BatchNorm2d(width), "relu": nn.ReLU()}
    layers |= {"pool": nn.AdaptiveAvgPool2d(2), "flatten": nn.Flatten(), "head": nn.Linear(4 * width, 3)}
    return nn.Sequential(OrderedDict(layers))


LESSON = Lesson(drawn(40, 0), drawn(20, 1), batch_size=10)
PLAN = Plan(LESSON, partial(adam, lr=1e-3), 2)
ROUNDED = partial(fake_quantised, net, sample=(1, 6, 6))


def test_a_distilled_student_rounds_comes_back_and_is_exported(tmp_path):
    with Run("lab:test", root=tmp_path, device="cpu", exact=True) as run:
        teacher = run.stage("teacher", partial(net, 12), partial(supervised, plan=PLAN)).last
        start = run.stage("start", net, partial(supervised, plan=PLAN)).last
        teaching = Teaching(kd, teacher, ("net", "net"))
        first, last = (
            partial(quantisation_aware, plan=PLAN, start=start, teaching=teaching),
            partial(quantisation_aware, plan=PLAN, teaching=teaching, frozen=True),
        )
        moving = run.stage("moving", ROUNDED, first).last
        frozen = run.stage("frozen", ROUNDED, partial(last, start=moving)).last
        run.deliver(frozen)
    for name, rounding in frozen.named_modules():
        if isinstance(rounding, RoundedActivation):
            before = moving.get_submodule(name)
            assert rounding.low == before.low and rounding.high == before.high != -torch.inf
    assert torch.equal(frozen.norm.running_mean, moving.norm.running_mean)
    assert not torch.equal(frozen.head.weight, moving.head.weight)
    again = tutelage.load(run.folder, allow=[__name__])
    x = torch.rand(20, 1, 6, 6)
    assert torch.equal(again(x), frozen.eval()(x))
    assert export_onnx(again, x, tmp_path / "net.onnx", About()).path.is_file()


def test_it_begins_with_the_network_that_was_trained(tmp_path):
    still = Plan(LESSON, partial(adam, lr=1e-6), 1)
    with Run("lab:test", root=tmp_path, device="cpu", exact=True) as run:
        start = run.stage("start", net, partial(supervised, plan=PLAN)).last
        made = run.stage("aware", ROUNDED, partial(quantisation_aware, plan=still, start=start, frozen=True)).last
    x = torch.rand(20, 1, 6, 6)
    own = start.eval()(x)
    assert (made.eval()(x) - own).abs().max() < 0.1 * (own.max() - own.min())
