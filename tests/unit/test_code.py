"""An edited function of one's own makes another stage; one that says the same, or is somebody else's, does not."""

import importlib
import os
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn

import examples
from tutelage.data.views import normalised, plain
from tutelage.methods.by_name import methods
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import sgd
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching, by_method
from tutelage.schemes.supervised import supervised
from tutelage.stages import code
from tutelage.stages.code import code_of
from tutelage.study.own.networks import teacher_builder
from tutelage.tasks.classification import CLASSIFICATION

pytestmark = pytest.mark.slow

LAB = '''
"""A module of one's own."""
import functools
from dataclasses import dataclass

import torch
from torch import nn

import {name}_more
from examples import SGD, label, vectors
from tutelage.learner import Learner
from tutelage.objective import Objective, Term

SHOWN = ("student.output", "batch.target")


def loss(student, target):
    return torch.nn.functional.cross_entropy(student, target)


def again(function):
    @functools.wraps(function)
    def wrapped(*things):
        return function(*things)
    return wrapped


@again
def decorated(x):
    return x * 1.0


class Net(nn.Module):
    scale = 1.0

    def __init__(self, width=6):
        super().__init__()
        self.net = nn.Linear(8, 5)

    def forward(self, x):
        if x.dtype in {{torch.float32, torch.float64}} and len(x) not in {{3, 5, 7}}:
            x = {name}_more.shifted(x)
        return decorated(self.net(x)) * self.scale


def build() -> nn.Module:
    return Net()


def copied(network: nn.Module) -> nn.Module:
    return network


def chosen(name):
    return [part for part in name.split(".") if part != "bias"] is not None


def fit(stage, model):
    """Trains it."""
    objective = Objective(label=Term(loss, *SHOWN))
    learner = Learner(model, objective, SGD, trains=chosen)
    stage.train({{"student": learner}}, vectors(), 1, model=model)
'''
MORE = "def shifted(x, by=0.0):\n    return x + by\n"


class Lab:
    """A module in a folder of one's own that can be edited and imported again."""

    def __init__(self, folder, name, monkeypatch):
        self.folder, self.name = folder, name
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        self.sources = {name: LAB.format(name=name), f"{name}_more": MORE}

    def module(self, *edits, of=""):
        for name, source in self.sources.items():
            if name == self.name + of:
                for before, after in edits:
                    assert before in source
                    source = source.replace(before, after)
            (self.folder / f"{name}.py").write_text(source)
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(self.name)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    made = Lab(tmp_path, f"lab_{os.urandom(4).hex()}", monkeypatch)
    yield made
    for name in made.sources:
        sys.modules.pop(name, None)


def code_with(lab, *edits, of=""):
    module = lab.module(*edits, of=of)
    return code_of(module.build, module.fit)


EDITS = {
    "the fit": [("vectors(), 1", "vectors(), 2")],
    "a constant within a function": [("x * 1.0", "x * 1.5")],
    "a helper": [("functional.cross_entropy(student, target)", "functional.cross_entropy(student * 2, target)")],
    "what is called": [("functional.cross_entropy", "functional.multi_margin_loss")],
    "a class": [("nn.Linear(8, 5)", "nn.Sequential(nn.Linear(8, 5))")],
    "a method": [("x = {}_more", "x = 1 * {}_more")],
    "a default": [("width=6", "width=7")],
    "an attribute of a class": [("scale = 1.0", "scale = 2.0")],
    "a set": [("{3, 5, 7}", "{3, 5, 9}")],
    "a decorator": [("return function(*things)", "return -function(*things)")],
    "a comprehension": [('part != "bias"', 'part != "weight"')],
}
SAME = {
    "nothing": [],
    "a comment": [("def loss(", "# what it is about\ndef loss(")],
    "a comment within": [("    return Net()", "    # the usual one\n\n    return Net()")],
    "a docstring": [('"""Trains it."""', '"""Trains it, for an epoch."""')],
    "a docstring that was missing": [("    return Net()", '    """Ours."""\n    return Net()')],
    "an annotation": [("def loss(student, target)", "def loss(student: torch.Tensor, target: torch.Tensor)")],
    "the name of a local": [("objective = Obj", "terms = Obj"), ("model, objective", "model, terms")],
    "layout": [("Term(loss, *SHOWN)", "Term(\n        loss,\n        *SHOWN,\n    )")],
    "what is not used": [("def build()", "def other():\n    pass\n\n\ndef build()")],
}


def test_an_edited_function_has_another_hash_and_one_that_says_the_same_has_not(lab):
    plain = code_with(lab)
    for what, edits in SAME.items():
        assert code_with(lab, *edits) == plain, what
    for what, edits in EDITS.items():
        named = [(before.replace("{}", lab.name), after.replace("{}", lab.name)) for before, after in edits]
        assert code_with(lab, *named) != plain, what
    assert code_with(lab, ("by=0.0", "by=1.0"), of="_more") != plain
    assert f"{lab.name}_more:shifted" in plain["code"]


def test_a_stage_of_edited_code_is_made_anew_trained_given_or_derived(lab, tmp_path):
    torch.save(nn.ModuleDict({"net": nn.Linear(8, 5)}).state_dict(), tmp_path / "net.pth")
    keys = []
    for edits in ([], SAME["a comment"], EDITS["an attribute of a class"]):
        module = lab.module(*edits)
        with Run("lab:own", root=tmp_path / "runs", device="cpu", exact=True) as run:
            student = run.stage("student", module.build, module.fit)
            given = run.given("given", module.build, tmp_path / "net.pth")
            keys.append([student.key, given.key, run.derive("derived", module.copied, of=given).key])
    assert keys[0] == keys[1] and len(set(keys[0] + keys[2])) == 6


def test_the_hash_is_the_same_in_every_process(lab):
    module = lab.module()
    here = code_of(module.build, module.fit)
    script = f"import {lab.name} as lab; from tutelage.stages.code import code_of; print(code_of(lab.build, lab.fit))"
    path = os.pathsep.join([str(lab.folder), *sys.path])
    shown = subprocess.run(
        [sys.executable, "-B", "-c", script], env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "7"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout.strip() == str(here)


def test_what_ships_and_what_is_installed_has_no_code_in_a_key(monkeypatch):
    shipped = [
        partial(mlp, (784, 10)),
        partial(supervised, plan=sgd),
        partial(by_method, teaching=Teaching(next(iter(methods().values())), nn.Linear(1, 1), ("", ""))),
        CLASSIFICATION, teacher_builder, normalised(plain, (0.5,), (0.5,)),
        nn.Linear, torch.optim.SGD, torch.relu, nn.functional.relu, os.path.join, pytest.approx, dict, 1, None,
    ]  # fmt: skip
    assert code_of(*shipped) == {"revision": code.REVISION}
    monkeypatch.setattr(code, "REVISION", 3)
    assert code_of(*shipped) == {"revision": 3}
    assert code_of(examples.linear)["code"].keys() == {"examples:linear"}
