"""A found architecture as JSON: it comes back, is replayed when a network is loaded, and fits fresh networks."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import tutelage
from channel_networks import answers, found, network, some
from examples import SGD, images, label
from exporting import PETS, pictures
from tutelage.compress.architecture import describe, fresh, read_back, slim
from tutelage.compress.structure.alive import settled
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.structure.costs import cost, parameters
from tutelage.compress.structure.graph import Closed
from tutelage.compress.structure.removal import without
from tutelage.deployment.onnx import export_onnx
from tutelage.deployment.program import export_program
from tutelage.learner import Learner
from tutelage.measures import cost as measured
from tutelage.models.densenet import densenet_bc
from tutelage.models.resnet import he_fan_out_, resnet
from tutelage.objective import Objective
from tutelage.run import Run

pytestmark = pytest.mark.slow
BUILDS = {"densenet": partial(densenet_bc, 10, 4, 5), "resnet": partial(resnet, 8, 5)}


@pytest.fixture(scope="module", params=["mlp", "densenet-bc", "bottlenecks"])
def case(request):
    model, sample = network(request.param)
    return model, sample, found(model, sample)


def same(one, other):
    return one.branches == other.branches and all(torch.equal(x, other.inputs[name]) for name, x in one.inputs.items())


class TestDescription:
    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
    def test_it_comes_back_from_json(self, case, share):
        _, _, channels = case
        closed = settled(channels, some(channels, share, share / 2))
        assert same(read_back(channels, json.loads(json.dumps(describe(channels, closed)))), closed)

    def test_it_is_short_and_says_what_is_read(self):
        model, sample = network("resnet")
        channels = found(model, sample)
        shut = torch.zeros(16, dtype=torch.bool)
        shut[[4, 5, 7]] = True
        closed = Closed({"layer1.block1.conv2": shut}, frozenset(["layer2.block2.norm2"]))
        assert describe(channels, closed) == {
            "input": [3, 16, 16],
            "reads": {"layer1.block1.conv2": "0-3,6,8-15", "layer2.block2.conv1": "", "layer2.block2.conv2": ""},
            "closed": ["layer2.block2.norm2"],
        }

    def test_nothing_closed_is_next_to_nothing(self, case):
        _, sample, channels = case
        assert describe(channels, Closed()) == {"input": list(sample), "reads": {}, "closed": []}

    def test_a_network_with_it_is_the_network_without_the_channels(self, case):
        model, sample, channels = case
        closed = some(channels, 0.5, 0.3)
        one = slim(model, architecture=describe(channels, closed))
        other = without(model, channels, closed)
        assert str(one) == str(other)
        assert torch.equal(answers(one, sample, True), answers(other, sample, True))

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"reads": {"layer9": "0"}}, "'layer9' cannot be gated, for there is no such layer with gates"),
            ({"reads": {"head": "0-64"}}, "'head' reads channels 0 to 63, in rising order; got '0-64'"),
            ({"reads": {"head": "5-3"}}, "in rising order; got '5-3'"),
            ({"reads": {"head": "a"}}, "'head' reads channels such as"),
            ({"reads": {"head": "1-2-3"}}, "'head' reads channels such as"),
            ({"reads": {"head": [1]}}, "An architecture has"),
            ({"closed": ["head"]}, "'head' does not end a branch"),
            ({"input": [3, 0, 8]}, "An architecture has"),
            ({"input": [3, 10**5, 10**5]}, "An architecture has"),
            ({"input": "3"}, "An architecture has"),
            ({"more": 1}, "An architecture has"),
        ],
    )
    def test_data_that_do_not_fit_are_refused_in_a_sentence(self, change, sentence):
        model, sample = network("resnet")
        channels = found(model, sample)
        with pytest.raises(ValueError, match=sentence):
            read_back(channels, {**describe(channels, Closed()), **change})
        with pytest.raises(ValueError, match="An architecture has"):
            read_back(channels, [1])


class TestFreshNetworks:
    def test_they_have_the_architecture_and_weights_of_their_own(self):
        build = BUILDS["densenet"]
        channels = channels_of(build(), torch.zeros(1, 3, 8, 8))
        closed = some(channels, 0.5)
        architecture = describe(channels, closed)
        torch.manual_seed(1)
        one = fresh(build, architecture=architecture)
        torch.manual_seed(2)
        other = fresh(build, architecture=architecture)
        assert str(one) == str(other)
        assert measured.parameters(one) == cost(channels, parameters, closed)
        assert not any(
            torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True) if p.ndim > 1
        )

    def test_weights_can_be_drawn_for_the_widths_that_are_left(self):
        build = partial(resnet, 8, 5, width=4)
        channels = channels_of(build(), torch.zeros(1, 3, 8, 8))
        shut = torch.zeros(64, dtype=torch.bool)
        shut[16:] = True
        architecture = describe(channels, Closed({"layer1.block1.conv2": shut}))
        torch.manual_seed(0)
        network = fresh(build, architecture=architecture, start=he_fan_out_)
        deviation = network.layer1.block1.conv1.weight.std().item()
        assert deviation == pytest.approx((2 / (9 * 16)) ** 0.5, rel=0.1)


def fit(stage, model):
    stage.train({"student": Learner(model, Objective(label=label()), SGD)}, images(), 1, model=model)


LOADING = """
import sys, torch, tutelage
from safetensors.torch import save_file
for folder in sys.argv[1:]:
    model = tutelage.load(folder)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    save_file({"answers": model(x).detach()}, f"{folder}/answers")
"""


def test_a_delivered_network_replays_it_in_another_process_and_needs_nobody_elses_code(tmp_path):
    expected = {}
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    for name, build in BUILDS.items():
        channels = channels_of(build(), torch.zeros(1, 3, 8, 8))
        architecture = describe(channels, some(channels, 0.4, 0.5))
        with Run(f"toy:{name}", root=tmp_path / "runs", exact=True, device="cpu") as run:
            whole = run.stage("whole", build, fit)
            small = run.derive("small", slim, of=whole, architecture=architecture)
            new = run.stage("new", partial(fresh, build, architecture=architecture, start=he_fan_out_), fit)
            again = run.derive("again", slim, of=whole, architecture=architecture)
            assert again.key == small.key
            run.deliver((small if name == "densenet" else new).last)
        student = (small if name == "densenet" else new).last.eval()
        expected[run.folder.rename(tmp_path / name)] = student(x).detach()
        assert str(architecture["reads"]["head"]) in (tmp_path / name / "student.json").read_text()
    (tmp_path / "runs").rename(tmp_path / "gone")
    environment = {**os.environ, "PYTHONPATH": str(Path(tutelage.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", LOADING, *map(str, expected)], check=True, env=environment, cwd=tmp_path)
    for folder, answer in expected.items():
        torch.testing.assert_close(load_file(folder / "answers")["answers"], answer, rtol=1e-4, atol=1e-5)


class TestExports:
    def test_a_program_of_torchs(self):
        model, sample = network("densenet-bc")
        small = without(model, found(model, sample), some(found(model, sample), 0.5)).eval()
        x = torch.randn(2, *sample, dtype=torch.float64)
        torch.testing.assert_close(torch.export.export(small, (x,)).module()(x), small(x))

    def test_both_files_of_a_student_of_pictures_answer_as_it_does(self, tmp_path):
        torch.manual_seed(0)
        model = densenet_bc(10, 4, 3)
        channels = channels_of(model, torch.zeros(1, 3, 32, 32))
        nothing = torch.ones(channels.readers["layer2.unit1.conv1"].gates, dtype=torch.bool)
        small = without(model, channels, Closed({**some(channels, 0.5).inputs, "layer2.unit1.conv1": nothing})).eval()
        for export, name in ((export_onnx, "net.onnx"), (export_program, "net.pt2")):
            assert export(small, pictures(), tmp_path / name, PETS).path.is_file()  # it compares the answers itself


def test_a_network_of_integers_says_so():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.read, self.head = nn.Embedding(7, 4), nn.Linear(4, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.head(torch.relu(self.read(self.words(x)))).mean(1)

    model = Words()
    channels = channels_of(model, torch.zeros(1, 5, dtype=torch.int64))
    architecture = describe(channels, Closed({"head": torch.tensor([True, False, False, True, False, False])}))
    assert architecture["integers"] is True
    assert slim(model, architecture=architecture).read.out_features == 4


@pytest.mark.parametrize("build", BUILDS.values(), ids=list(BUILDS))
def test_it_is_built_without_memory_where_a_file_is_held_against_its_description(build):
    channels = channels_of(build(), torch.zeros(1, 3, 8, 8))
    architecture = describe(channels, some(channels, 0.6, 0.5))
    with torch.device("meta"):
        empty = fresh(build, architecture=architecture)
    assert all(p.is_meta for p in empty.parameters())
    assert str(empty) == str(fresh(build, architecture=architecture))
