"""Tools of compression in every mixture: what is trained, by whom it is taught, how files are measured and told."""

from collections import OrderedDict
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn

from tutelage.checkpoint import bytes_of_weights
from tutelage.compress.fake_quantised import is_fake_quantised
from tutelage.compress.masks import weights_of, zeros_of
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.measures.cost import parameters
from tutelage.methods.response import kd
from tutelage.optimizers.usual import adam
from tutelage.recipes.mix import claim_mixed
from tutelage.renewal import is_deployed
from tutelage.results import Metric, Network, Score
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.plan import Plan
from tutelage.stages.storage import Finished
from tutelage.study.evaluated import Evaluated, evaluate
from tutelage.study.experiments import mixed_tables
from tutelage.study.experiments.deep_compression import bytes_of
from tutelage.study.experiments.mix_settings import FASTER, TOOLS, MixSettings
from tutelage.study.experiments.mixed_tables import Mixed, headline, is_packed
from tutelage.study.experiments.mixing import Mixture, Plans, arms_of, mixed, whole
from tutelage.study.sets import Sets
from tutelage.tasks.classification import ACCURACY, ERRORS


def drawn(count, seed):
    g = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, 1, 6, 6), dtype=torch.uint8, generator=g)
    return labelled("drawn", pictures, torch.randint(3, (count,), generator=g), tuple("abc"))


def net(width: int = 12) -> nn.Module:
    layers = {"conv": nn.Conv2d(1, width, 3, padding=1), "norm": nn.BatchNorm2d(width), "relu": nn.ReLU()}
    layers |= {"conv2": nn.Conv2d(width, width, 3), "relu2": nn.ReLU(), "pool": nn.AdaptiveAvgPool2d(2)}
    layers |= {"flatten": nn.Flatten(), "head": nn.Linear(4 * width, 3)}
    return nn.Sequential(OrderedDict(layers))


LAYERS = ("conv", "conv2", "head")
LESSON = Lesson(drawn(40, 0), drawn(20, 1), batch_size=20)
PLAN = Plan(LESSON, partial(adam, lr=1e-3), 1)
DATA = Sets(drawn(40, 0), drawn(20, 1), drawn(30, 2))


def mixture(run, **changes):
    large = whole(run, net, PLAN, 0)
    teaching = Teaching(kd, large.finished.last, ("net", "net"))
    settings = MixSettings(rank=0.6, pruned_to="half of the parameters", **changes)
    return Mixture(run, large, partial(net, 8), Plans(*[PLAN] * 4), teaching, settings)


class TestArms:
    def test_each_tool_every_pair_and_all_of_them_in_the_order_in_which_they_are_applied(self):
        arms = arms_of(FASTER[::-1])
        assert len(arms) == len({*arms}) == 4 + 6 + 1 and arms[-1] == FASTER
        assert all(TOOLS.index(a) < TOOLS.index(b) for arm in arms for a, b in pairwise(arm))

    def test_what_says_which_values_weights_have_is_never_there_twice(self):
        arms = arms_of(TOOLS)
        assert len(arms) == len({*arms}) == 6 + (15 - 1) + 2 and not any({"shared", "int8"} <= {*arm} for arm in arms)
        assert {arm[-2:] for arm in arms if len(arm) == 5} == {("thinned", "shared"), ("thinned", "int8")}

    @pytest.mark.parametrize("tools", [("int8",), ("int8", "pruned")])
    def test_of_one_tool_or_two_no_arm_comes_twice(self, tools):
        assert len(arms_of(tools)) == {1: 1, 2: 3}[len(tools)]


@pytest.mark.slow
@pytest.mark.parametrize("blocks", ["low rank", "depthwise-separable"])
def test_what_arms_begin_with_is_trained_once_and_each_tool_does_its_own(tmp_path, blocks):
    with Run("toy:mix", root=tmp_path, exact=True, device="cpu") as run:
        made = mixed(mixture(run, blocks=blocks))
        names = [stage.name for stage in run._stages]
    assert len(names) == len({*names}) and len({stage.key for stage in run._stages}) == len(names)
    ends = {" + ".join(arm) for arm in made}
    assert {one.finished.name for one in made.values() if "pruned" not in one.finished.name} <= ends
    sizes = {arm: parameters(one.finished.last) for arm, one in made.items()}
    assert all(sizes[arm[:1]] > sizes[arm] for arm in sizes if len(arm) > 1 and arm[1] != "int8")
    for arm, one in made.items():
        network, x = one.finished.last, torch.rand(2, 1, 6, 6)
        assert is_fake_quantised(network) == ("int8" in arm)
        rebuilt = one.build()
        rebuilt.load_state_dict(network.state_dict())
        assert torch.equal(rebuilt.eval()(x), network.eval()(x))


@pytest.mark.slow
def test_zeros_stay_in_int8_and_few_values_make_a_packed_file_small(tmp_path):
    with Run("toy:mix", root=tmp_path, exact=True, device="cpu") as run:
        made = mixed(mixture(run, tools=("thinned", "shared", "int8"), zeros=0.8, code_bits=3))
    assert [*made] == [("thinned",), ("shared",), ("int8",), ("thinned", "shared"), ("thinned", "int8")]
    thin, rounds = (made[arm].finished.last for arm in (("thinned",), ("thinned", "int8")))
    assert zeros_of(thin) == pytest.approx(0.8, abs=0.01)
    assert not any(rounds.get_submodule(name).weight[thin.get_submodule(name).weight == 0].any() for name in LAYERS)
    weights = weights_of(made["thinned", "shared"].finished.last).values()
    assert all(len(w[w != 0].unique()) <= 7 for w in weights)
    packed = {arm: bytes_of(one.finished.last, one.build) for arm, one in made.items() if is_packed(arm)}
    assert packed["thinned", "shared"] < min(packed["thinned",], packed["shared",])
    assert max(packed.values()) < bytes_of_weights(net())


def test_a_network_that_is_kept_in_another_file_has_the_bytes_of_that():
    own = Finished("one", "key", network := net(), network, [], None)
    (measured,), _ = evaluate({"a": Evaluated("student", "", own, file=net(4), stored=123)}, DATA)
    assert measured.bytes == 123


@pytest.mark.slow
def test_an_arm_without_a_distillation_in_it_learns_from_labels_alone(tmp_path):
    with Run("toy:mix", root=tmp_path, exact=True, device="cpu") as run:
        made = mixed(mixture(run, tools=("distilled", "int8")))
    terms = {arm: set(one.finished.records[-1]["losses"]["student"]) for arm, one in made.items()}
    assert terms[("int8",)] == {"label"} and all(len(terms[arm]) == 2 for arm in terms if "distilled" in arm)


def test_a_network_that_is_delivered_as_a_file_has_the_answers_and_bytes_of_the_file():
    """Here another network stands for the file: only weights and MACs are counted on the first one."""
    network, other = net(), net(4)
    finished = Finished("one", "key", network, network, [], None)
    with_file = {"a": Evaluated("student", "", finished, file=other)}
    (own,), _ = evaluate({"a": Evaluated("student", "", finished)}, DATA)
    (measured,), _ = evaluate(with_file, DATA)
    (foreign,), _ = evaluate({"a": Evaluated("student", "", Finished("b", "key", other, other, [], None))}, DATA)
    assert (measured.parameters, measured.macs) == (own.parameters, own.macs) != (foreign.parameters, foreign.macs)
    assert (measured.scores, measured.bytes) == (foreign.scores, foreign.bytes) and measured.bytes != own.bytes
    assert measured.best is None


def test_without_onnx_networks_are_measured_in_torch_and_that_is_said(tmp_path, monkeypatch):
    def missing(*_args, **_named):
        raise ImportError("An ONNX file needs onnx: pip install 'tutelage[onnx]'")

    monkeypatch.setattr(mixed_tables, "converted", missing)
    notes: list[str] = []
    with Run("toy:mix", root=tmp_path, exact=True, device="cpu") as run:
        monkeypatch.setattr(run.progress, "note", notes.append)
        assert mixed_tables.files_of(run, DATA, mixed_tables.About(), {"a": net()}) == {}
    assert notes == ["the networks are measured in PyTorch: An ONNX file needs onnx: pip install 'tutelage[onnx]'"]


def test_the_file_that_was_measured_lies_beside_the_student_unless_the_users_own_has_its_name(tmp_path, monkeypatch):
    notes: list[str] = []
    with Run("toy:mix", root=tmp_path, exact=True, device="cpu") as run:
        monkeypatch.setattr(run.progress, "note", notes.append)
        files = mixed_tables.files_of(run, DATA, mixed_tables.About(), {"a": net()})
        mixed_tables.keep(run, "student.onnx", files["a"])
        assert (run.place / "student.onnx").read_bytes() == files["a"] and is_deployed(run.place / "student.onnx")
        (run.place / "student.int8.onnx").write_bytes(b"mine")
        mixed_tables.keep(run, "student.int8.onnx", files["a"])
        assert (run.place / "student.int8.onnx").read_bytes() == b"mine"
    assert notes == ["student: student.int8.onnx was not written, for a file of that name is not tutelage's"]


def network(size: int, metric: Metric, value: float, count: int = 1000) -> Network:
    return Network("x", "other", "", count, {metric.name: Score(value)}, bytes=size)


class TestTold:
    @pytest.mark.parametrize(("metric", "values"), [(ERRORS, (20, 25, 30, 26)), (ACCURACY, (98.0, 97.5, 97.0, 97.4))])
    def test_the_claims_set_all_tools_beside_the_smallest_file_of_one(self, metric, values, tmp_path):
        arms = [(), ("pruned",), ("pruned", "int8"), ("int8",)]
        sizes = (1000, 400, 60, 250)
        values = dict(zip(arms, values, strict=True))
        found = Mixed({arm: network(size, metric, values[arm]) for arm, size in zip(arms, sizes, strict=True)}, metric)
        own = {(): values[()], ("pruned", "int8"): values[("pruned", "int8")]}
        assert found.all_tools == ("pruned", "int8") and found.alone == ("int8",)
        with Run("toy:mix", root=tmp_path, device="cpu") as run:
            claim_mixed(run, found, "")
            share, times, lost = run.published.claims
        assert share.measured == 6.0 and times.measured == 4.17
        expected = abs(own[()] - own[("pruned", "int8")]) * (1 if metric is ACCURACY else 0.1)
        assert lost.measured == pytest.approx(expected) and lost.paired
        said = headline(found, "net")
        assert "net, pruned + int8: 60 bytes" in said and "16.7 × smaller than it was" in said
        assert "The smallest by one tool alone, int8: 250 bytes" in said

    def test_of_one_tool_nothing_is_set_beside_it(self):
        found = Mixed({(): network(100, ERRORS, 3), ("int8",): network(30, ERRORS, 4)}, ERRORS)
        assert "one tool alone" not in headline(found, "net")
