"""A quantised file computes what was asked for, is measured beside float32, and is kept if it lost little."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

import tutelage
from exporting import COLOUR, PETS, of_a_stage, small
from exporting import pictures as made_up
from picture_folders import CLASSES, pictures, write_pictures
from tutelage.checkpoint import write_json
from tutelage.cli.command import main
from tutelage.compress.fake_quantised import fake_quantised_
from tutelage.deployment.about import About
from tutelage.deployment.card import Made
from tutelage.deployment.deploy import deploy
from tutelage.deployment.network import as_seen
from tutelage.deployment.onnx import converted
from tutelage.deployment.quantised import OBSERVERS, WITHOUT_SAMPLES, dynamic, static, weights_of
from tutelage.deployment.verdict import FILE, FLOAT32, TORCH, points_lost, verdict
from tutelage.own_data.preprocessing import Preprocessing
from tutelage.results import Latency, Metric, Network, Score
from tutelage.study.own.run_data import data_of_run
from tutelage.study.planning.quantised import quantised

pytestmark = pytest.mark.slow
ACCURACY = Metric("accuracy", "%", "higher")


def float32(model, samples, about=PETS):
    return converted(model.eval(), samples, Path("net.onnx"), about, takes=None, probabilities=False).content


def asked(content, samples):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"input": samples.numpy()})[0])


def perceptron():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5)).eval()


def vectors(count=64):
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(1))


class UpAndAside(nn.Module):
    """Channels that are split and upsampled by a transposed convolution."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 8, 3, 2, 1), nn.ConvTranspose2d(8, 6, 2, 2)
        self.read, self.head = nn.Conv2d(9, 8, 3), nn.Linear(14, 5)

    def forward(self, x):
        y = torch.relu(self.read(torch.cat([self.up(torch.relu(self.down(x))), x], 1)))
        _, a, b = y.split((2, 3, 3), 1)
        y = torch.cat([y, y.amax(1, keepdim=True), torch.cat([b, a, a], 1)[:, :5]], 1)
        return self.head(y.mean((2, 3)))


class OfTorch(nn.Module):
    """Torch's own encoder layer over places."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 5)
        self.encode = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, x):
        return self.head(self.encode(self.embed(x).flatten(2).transpose(1, 2)).mean(1))


def spread(x):
    return x.max() - x.min()


def inputs_of(content, kinds):
    """Of each node of these kinds, the arrays behind its weights and what scales them, as they lie in the file."""
    graph = onnx.load_from_string(content).graph
    made = {out: node for node in graph.node for out in node.output}
    kept = {x.name: numpy_helper.to_array(x) for x in graph.initializer}
    for node in graph.node:
        if node.op_type in kinds:
            yield [[kept[name] for name in made[source].input if name in kept] for source in node.input[1:]]


class TestStatic:
    def test_weights_are_whole_numbers_with_the_largest_of_each_output_at_127(self):
        model = perceptron()
        content = static(float32(model, vectors(), About()), vectors())
        layers = [x for x in model if isinstance(x, nn.Linear)]
        found = list(inputs_of(content, {"Gemm"}))
        assert len(found) == len(layers)
        for layer, ((whole, scale, zero), (bias, bias_scale, _)) in zip(layers, found, strict=True):
            largest = layer.weight.detach().abs().amax(1).numpy()
            assert whole.dtype == np.int8 and bias.dtype == np.int32 and not zero.any()
            assert np.allclose(scale, largest / 127, rtol=1e-5)
            assert np.abs(whole * scale[:, None] - layer.weight.detach().numpy()).max() <= scale.max() * 0.5001
            assert np.allclose(bias * bias_scale, layer.bias.detach().numpy(), atol=bias_scale.max())

    @pytest.mark.parametrize("observer", OBSERVERS)
    def test_answers_are_near_those_of_the_network_and_the_same_samples_give_the_same_bytes(self, observer):
        model, samples = small(), made_up(40)
        own = model(as_seen(samples, COLOUR)).detach()
        content = static(float32(model, samples), samples, observer)
        assert (asked(content, samples) - own).abs().max() < 0.1 * spread(own)
        assert content == static(float32(model, samples), samples, observer)

    def test_a_batch_norm_is_folded_first_and_every_layer_computes_in_8_bits(self):
        kinds = [
            node.op_type for node in onnx.load_from_string(static(float32(small(), made_up()), made_up())).graph.node
        ]
        assert "BatchNormalization" not in kinds
        between = kinds[kinds.index("Conv") - 1], kinds[kinds.index("Gemm") - 1], kinds[kinds.index("Gemm") + 1]
        assert between == ("DequantizeLinear", "DequantizeLinear", "QuantizeLinear")

    def test_the_range_is_that_of_the_samples_as_inference_sees_them(self):
        """Grey levels go into the file, and what is quantised is the normalised picture."""
        samples = made_up(40)
        graph = onnx.load_from_string(static(float32(small(), samples), samples)).graph
        first = next(node for node in graph.node if node.op_type == "QuantizeLinear")
        kept = {x.name: numpy_helper.to_array(x) for x in graph.initializer}
        seen = as_seen(samples, COLOUR)
        assert kept[first.input[1]] == pytest.approx(spread(seen).item() / 255, rel=1e-4)
        assert kept[first.input[2]] == round(-seen.min().item() / (spread(seen).item() / 255))

    def test_a_transposed_convolution_in_groups_stays_as_it_is(self):
        torch.manual_seed(0)
        up = nn.ConvTranspose2d(8, 8, 2, 2, groups=2)
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), up, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
        samples, own = made_up(40), model(as_seen(made_up(40), COLOUR)).detach()
        content = static(float32(model, samples), samples)
        assert (asked(content, samples) - own).abs().max() < 0.1 * spread(own)
        assert [x[0][0].dtype == np.int8 for x in inputs_of(content, {"Conv", "Gemm"})] == [True, True]

    def test_a_failure_of_the_runtimes_tools_is_one_sentence(self, monkeypatch):
        def fails(*_, **__):
            raise ValueError("operands could not be broadcast together")

        monkeypatch.setattr("onnxruntime.quantization.quantize_static", fails)
        with pytest.raises(ValueError, match=r"tools cannot quantise this network: .*operands could not be broadcast"):
            static(float32(perceptron(), vectors(), About()), vectors())

    def test_one_sample_and_nothing_to_quantise_are_one_sentence_each(self):
        with pytest.raises(ValueError, match="One sample does not show the ranges"):
            static(float32(perceptron(), vectors(), About()), vectors(1))
        with pytest.raises(ValueError, match="no convolutions or linear layers"):
            static(float32(nn.Sequential(nn.ReLU(), nn.Softmax(1)), vectors(), About()), vectors())


class TestLinearLayersAlone:
    @pytest.mark.parametrize(("way", "apart"), [("int8-dynamic", 0.05), ("int8-weights", 0.05), ("int4-weights", 0.3)])
    def test_answers_are_near_and_files_smaller(self, way, apart):
        model, samples = perceptron(), vectors()
        own, before = model(samples).detach(), float32(model, samples, About())
        content = WITHOUT_SAMPLES[way](before)
        assert (asked(content, samples) - own).abs().max() < apart * spread(own)
        assert len(content) < len(before)

    def test_convolutions_stay_as_they_are(self):
        for content in (dynamic(float32(small(), made_up())), weights_of(float32(small(), made_up()), 8)):
            kinds = {node.op_type for node in onnx.load_from_string(content).graph.node}
            assert "Conv" in kinds and "ConvInteger" not in kinds

    @pytest.mark.parametrize("way", WITHOUT_SAMPLES)
    def test_a_network_without_a_linear_layer_is_refused(self, way):
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        with pytest.raises(ValueError, match="no linear layers"):
            WITHOUT_SAMPLES[way](float32(model, made_up()))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run on pictures in folders, which lie beside it."""
    place = tmp_path_factory.mktemp("quantised")
    write_pictures(place / "photos")
    folder = place / "run"
    folder.mkdir()
    how = Preprocessing(3, (12, 12), 0, (0.25, 0.25, 0.25), (0.15, 0.15, 0.15))
    model, inputs = of_a_stage(), pictures(30).flatten(0, 1)
    optimizer, targets = torch.optim.Adam(model.parameters(), lr=0.01), torch.arange(3).repeat_interleave(30)
    model.train()
    for _ in range(15):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(as_seen(inputs, how)), targets).backward()
        optimizer.step()
    deploy(folder, model.eval(), inputs, About("classification", CLASSES, how, "resnet8"), Made())
    asked = {"data": str(place / "photos"), "validation": 0.1, "test": 0.3}
    said = {"recipe": "own:distill", "preset": "", "command": "tutelage distill", "arguments": asked, "defaults": {}}
    write_json(folder / "arguments.json", said)
    return folder


def test_the_file_is_measured_beside_float32_and_its_card_and_script_say_int8(run, tmp_path):
    made = quantised(run, tmp_path / "small.onnx", calibration=40, may_lose=100)
    assert {x.name for x in tmp_path.iterdir()} == {x.name for x in made.files}
    assert [x.name for x in made.files] == ["small.onnx", "small.card.md", "small.predict.py"]
    card, lines = (file.read_text() for file in made.files[1:])
    for name in (FILE, FLOAT32, TORCH):
        network = made.networks[name]
        assert network.count == 27 and set(network.latency_ms) == {"1", "64"} and f"| {name} |" in card
    assert made.sentence.split(".")[0] in card and "tutelage distill" in card and "int8" in lines.partition("import")[0]
    assert made.networks[FILE].bytes == made.path.stat().st_size < made.networks[FLOAT32].bytes
    assert made.networks[FLOAT32].agreement == 1 and made.networks[FILE].agreement > 0.5
    assert made.notes[0].startswith("calibrated on 40 samples")
    said = {entry.key: json.loads(entry.value) for entry in onnx.load(made.path).metadata_props}
    assert (said["precision"], said["input"], said["classes"]) == ("int8", "pixels", list(CLASSES))


def test_what_is_measured_is_what_the_file_answers_to_whatever_it_takes(run, tmp_path):
    scores = []
    for takes, probabilities in (("pixels", False), ("unit", True), ("normalised", False)):
        made = quantised(
            run, tmp_path / "a.onnx", takes=takes, probabilities=probabilities, may_lose=100, calibration=40
        )
        scores.append(made.networks[FLOAT32].scores["errors"].value)
        assert len(made.files) == (3 if takes == "pixels" else 2)
    assert scores == [made.networks[TORCH].scores["errors"].value] * 3
    assert not (tmp_path / "a.predict.py").exists()  # of the first file, which took pixels


def test_a_file_that_lost_too_much_is_not_written_and_what_helps_is_said(run, tmp_path, monkeypatch):
    from tutelage.study.planning import quantised as study

    wrong = float32(of_a_stage(), made_up(4, (3, 12, 12)), About(preprocessing=Preprocessing(3, (12, 12))))
    monkeypatch.setitem(study.WITHOUT_SAMPLES, "int8-dynamic", lambda _: wrong)
    with pytest.raises(
        ValueError, match=r"was not kept: in int8-dynamic .* points worse, and 1 is allowed; try --prec"
    ):
        quantised(run, tmp_path / "small.onnx", precision="int8-dynamic")
    assert not list(tmp_path.iterdir())


def test_a_network_that_has_scales_of_its_own_is_not_given_others(run, tmp_path, monkeypatch):
    model = perceptron()
    fake_quantised_(model, vectors(2))
    monkeypatch.setattr("tutelage.study.planning.quantised.load", lambda *_, **__: model)
    with pytest.raises(ValueError, match="has its own scales; export it without --precision"):
        quantised(run, tmp_path / "small.onnx")


def test_nothing_of_anybody_else_is_replaced(run, tmp_path):
    for name in ("small.onnx", "small.card.md", "small.predict.py"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(ValueError, match=rf"{name} is there already .* --force"):
            quantised(run, tmp_path / "small.onnx")
        assert [x.name for x in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()


class TestData:
    def copy(self, run, folder, **changed):
        for file in run.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        said = json.loads((run / "arguments.json").read_text())
        write_json(folder / "arguments.json", {**said, "arguments": {**said["arguments"], **changed}})
        return folder

    def test_where_they_are_gone_the_flag_is_offered_and_no_function_runs_that_a_file_names(self, run, tmp_path):
        for where in ("gone", "os:getcwd", ""):
            folder = self.copy(run, tmp_path, data=where)
            with pytest.raises(FileNotFoundError, match=r"say it with --data DIR\.$"):
                data_of_run(folder, PETS)
        about = About("classification", CLASSES, Preprocessing(3, (12, 12)))
        sets = data_of_run(folder, about, json.loads((run / "arguments.json").read_text())["arguments"]["data"])
        assert len(sets.test) == 27

    def test_data_that_do_not_suit_are_one_sentence(self, run, tmp_path):
        how = Preprocessing(3, (12, 12))
        suits = [
            (About(classes=("a", "b", "c"), preprocessing=how), "classes are not those of .* has the class 'blue'"),
            (About(classes=CLASSES[::-1], preprocessing=how), "fewer, or in another order"),
            (About(classes=CLASSES), "holds pictures, and this run does not say how"),
        ]
        for about, words in suits:
            with pytest.raises(ValueError, match=words):
                data_of_run(run, about)
        with pytest.raises(ValueError, match=r"makes no sense of its data"):
            data_of_run(self.copy(run, tmp_path, test=7), About(classes=CLASSES, preprocessing=how))


class TestVerdict:
    def network(self, name, accuracy, size, ms):
        clocks = {batch: Latency(x, 0.95 * x, 1.05 * x, 1) for batch, x in ms.items()}
        return Network(name, "other", "", 200, {"accuracy": Score(accuracy)}, bytes=size, latency_ms=clocks)

    def words(self, *ms, size=100):
        networks = {name: self.network(name, 90.5, size, {"1": x}) for name, size, x in zip(
            (FILE, FLOAT32, TORCH), (size, 380, 400), ms, strict=True)}  # fmt: skip
        return verdict("int8", ACCURACY, networks)

    def test_faster_slower_and_no_difference_are_told_apart(self):
        assert "int8 is 3.8 × smaller than float32 in ONNX Runtime, at batch 1 2 × faster (1 ms)" in self.words(1, 2, 5)
        assert "int8 is smaller but slower here: 3.8 × smaller" in self.words(2, 1, 5)
        assert "at batch 1 about as fast (1 ms) and 5 × faster than PyTorch" in self.words(1, 1.05, 5)
        assert "2 × slower (2 ms) and about as fast as PyTorch" in self.words(2, 1, 2)

    def test_a_file_that_is_no_smaller_is_not_called_so(self):
        assert "int8 is 2.0 × larger than float32 in ONNX Runtime, at batch 1 2 × slower" in self.words(
            2, 1, 5, size=760
        )
        assert "int8 is about as large as float32 in ONNX Runtime" in self.words(2, 1, 5, size=379)

    @pytest.mark.parametrize(("better", "own", "its", "lost"), [("higher", 90, 92, 2), ("lower", 12, 10, 2)])
    def test_points_are_lost_whichever_way_is_better(self, better, own, its, lost):
        metric = Metric("figure", "%", better)
        pair = [Network("x", "other", "", 9, {"figure": Score(value)}) for value in (own, its)]
        assert points_lost(metric, *pair) == lost and points_lost(metric, *pair[::-1]) == -lost


@pytest.mark.parametrize("kind", [UpAndAside, OfTorch])
def test_networks_of_other_peoples_code_are_quantised_too(kind):
    torch.manual_seed(0)
    network = kind().eval()
    x = torch.randn(32, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    content, expected = float32(network, x, About()), network(x).detach()
    for way in (lambda c: static(c, x), *WITHOUT_SAMPLES.values()):
        assert float((asked(way(content), x) - expected).abs().max()) < 0.2 * float(spread(expected))


@pytest.mark.usefixtures("elsewhere")
class TestCommand:
    def test_it_says_what_came_out(self, run, capsys):
        words = ["export", str(run), "--to", "small.onnx", "--precision", "int8", "--may-lose", "100"]
        assert main([*words, "--calibration", "40", "--observer", "percentile"]) == 0
        said = capsys.readouterr()
        assert "smaller" in said.out and "Written: small.onnx, small.card.md" in said.out and said.err == ""
        assert tutelage.load(run) is not None

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (["--to", "a.onnx", "--calibration", "9"], 2, "--calibration is for a quantised file"),
            (["--to", "a.onnx", "--data", "x"], 2, "--data is for a quantised file"),
            (["--to", "a.pt2", "--precision", "int8"], 2, "written as .onnx"),
            (["--to", "a.onnx", "--precision", "int8", "--shape", "3"], 2, "--shape is for made-up inputs"),
            (["--to", "a.onnx", "--precision", "int8", "--calibration", "1"], 2, "One sample does not show"),
            (["--to", "a.onnx", "--precision", "int8", "--may-lose", "-1"], 2, "--may-lose"),
            (["--to", "a.onnx", "--precision", "int8", "--data", "gone"], 3, "gone"),
            (["--to", "a.onnx", "--precision", "int2"], 2, "must be one of"),
        ],
    )
    def test_what_makes_no_sense_is_one_sentence_and_no_file(self, run, tmp_path, capsys, words, code, said):
        assert main(["export", str(run), *words]) == code
        err = capsys.readouterr().err
        assert said in err and err.count("\n") == 1, err
        assert not list(tmp_path.iterdir())

    def test_without_the_extra_the_install_line_is_told(self, run, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        assert main(["export", str(run), "--to", "a.onnx", "--precision", "int8"]) != 0
        assert "pip install 'tutelage[onnx]'" in capsys.readouterr().err


def test_what_the_runtimes_tools_fail_at_is_said(monkeypatch):
    shapes = importlib.import_module("onnxruntime.quantization.shape_inference")

    def fails(*_args, **_named):
        raise AssertionError

    content = float32(perceptron(), vectors(), About())
    monkeypatch.setattr(shapes, "quant_pre_process", fails)
    with pytest.raises(ValueError, match="tools cannot quantise this network: AssertionError"):
        dynamic(content)
