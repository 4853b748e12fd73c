"""A file that a student is exported to answers as it does, or there is none and one sentence says why."""

import errno
import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from exporting import COLOUR, PETS, pictures, small
from tutelage.compress.variational import variational_, variational_layers
from tutelage.deployment.about import About, read_about
from tutelage.deployment.compared import TOLERANCE, refuse_difference
from tutelage.deployment.network import as_seen, plain_copy
from tutelage.deployment.onnx import OPSET, export_onnx
from tutelage.deployment.program import export_program

pytestmark = pytest.mark.slow
NUMBERS = About("regression", ("width", "height"))
FORMATS = {"onnx": export_onnx, "pt2": export_program}


def asked(path, samples):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"input": samples.numpy()})[0])


class Values(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


class Item(nn.Module):
    def forward(self, x):
        return x[:, : int(x.sum().item())]


class Two(nn.Module):
    def forward(self, x):
        return x.view(2, -1)


class Large(nn.Module):
    def forward(self, x):
        return 2 * x if x.shape[0] > 4 else x


class Halves(nn.Module):
    """Two views of each sample in one batch, which is cut in half again."""

    def forward(self, x):
        one, other = torch.cat([x, -x]).chunk(2)
        return one + other


class Singular(nn.Module):
    def forward(self, x):
        return torch.linalg.svd(x.unsqueeze(1))[1].flatten(1)


class Array(nn.Module):
    def forward(self, x):
        return torch.from_numpy(2 * x.numpy())


class Noise(nn.Module):
    def forward(self, x):
        return x + torch.rand(4)


class OneRow(nn.Module):
    def forward(self, x):
        return x.sum(0, keepdim=True)


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 3)

    def forward(self, x):
        return {"features": x, "logits": self.inner(x)}


def vectors(count=5):
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(1))


class TestOnnx:
    def test_it_takes_pixels_and_answers_as_the_network_does_at_any_size_of_a_batch(self, tmp_path):
        model, samples = small(), pictures()
        checked = export_onnx(model, samples, tmp_path / "net.onnx", PETS)
        own = model(as_seen(samples, COLOUR)).detach()
        for size in (1, 2, 7, 9):
            assert torch.allclose(asked(checked.path, samples[:size]), own[:size], atol=1e-5)
        assert (checked.takes, checked.output, checked.shape, checked.dtype) == (
            "pixels",
            "logits",
            (3, 32, 32),
            "uint8",
        )
        assert checked.answer == (3,) and checked.difference < TOLERANCE / 10
        assert [x.name for x in tmp_path.iterdir()] == ["net.onnx"]  # one file, and nothing beside it

    def test_the_file_says_what_it_is_and_nothing_of_this_machine_or_the_samples(self, tmp_path):
        path = export_onnx(small(), pictures(), tmp_path / "net.onnx", PETS).path
        file = onnx.load(path)
        said = {entry.key: entry.value for entry in file.metadata_props}
        assert (
            said["task"] == '"classification"'
            and '"cat"' in said["classes"]
            and '"resize": 36' in said["preprocessing"]
        )
        assert (file.producer_name, file.opset_import[0].version) == ("tutelage", OPSET)
        assert [x.type.tensor_type.shape.dim[0].dim_param for x in (*file.graph.input, *file.graph.output)] == [
            "batch"
        ] * 2
        content = path.read_bytes()
        for words in (str(Path(torch.__file__).parent), str(Path(__file__).parent), "stack_trace", "pkg.torch", ".py"):
            assert words.encode() not in content, words
        onnx.checker.check_model(file, full_check=True)

    def test_the_same_network_gives_the_same_bytes(self, tmp_path):
        first, second = tmp_path / "a.onnx", tmp_path / "b.onnx"
        for path in (first, second):
            export_onnx(small(), pictures(), path, PETS)
        assert first.read_bytes() == second.read_bytes()

    def test_what_it_takes_and_gives_can_be_chosen(self, tmp_path):
        model, samples = small(), pictures()
        own = model(as_seen(samples, COLOUR)).detach()
        for takes, seen in (("unit", samples / 255), ("normalised", as_seen(samples, COLOUR))):
            path = export_onnx(model, samples, tmp_path / f"{takes}.onnx", PETS, takes=takes, probabilities=True).path
            assert torch.allclose(asked(path, seen), own.softmax(1), atol=1e-5)

    def test_a_network_in_any_state_is_exported_and_left_as_it_was(self, tmp_path):
        model = small().to(torch.bfloat16).to(memory_format=torch.channels_last).train()
        before = {name: x.clone() for name, x in model.state_dict().items()}
        export_onnx(model, pictures(), tmp_path / "net.onnx", PETS)
        assert model.training and model[0].weight.is_contiguous(memory_format=torch.channels_last)
        assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())

    def test_of_a_network_that_returns_several_tensors_the_logits_are_exported(self, tmp_path):
        model = Named()
        path = export_onnx(model, vectors(), tmp_path / "net.onnx", About()).path
        assert torch.allclose(asked(path, vectors()), model(vectors())["logits"].detach(), atol=1e-6)

    def test_of_several_labels_and_of_one_logit_probabilities_are_sigmoids(self, tmp_path):
        for outputs, what in ((3, About("multi-label", ("a", "b", "c"))), (1, About("classification", ("no", "yes")))):
            model = nn.Linear(4, outputs)
            path = export_onnx(model, vectors(), tmp_path / "net.onnx", what, probabilities=True).path
            assert torch.allclose(asked(path, vectors()), model(vectors()).sigmoid().detach(), atol=1e-6)
        with pytest.raises(ValueError, match="no probabilities"):
            export_onnx(nn.Linear(4, 2), vectors(), tmp_path / "net.onnx", NUMBERS, probabilities=True)

    def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(self, tmp_path, monkeypatch):
        path = tmp_path / "net.onnx"
        path.write_bytes(b"before")

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="disk is full"):
            export_onnx(nn.Linear(4, 3), vectors(), path, About())
        assert path.read_bytes() == b"before" and [x.name for x in tmp_path.iterdir()] == ["net.onnx"]

    @pytest.mark.parametrize("module", ["onnx", "onnxscript", "onnxruntime"])
    def test_without_the_extra_the_install_line_is_told(self, tmp_path, monkeypatch, module):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ImportError, match=rf"needs {module}: pip install 'tutelage\[onnx\]'"):
            export_onnx(nn.Linear(4, 3), vectors(), tmp_path / "net.onnx", About())

    def test_samples_that_do_not_fit_are_refused(self, tmp_path):
        for samples in (pictures(size=(3, 16, 16)), as_seen(pictures(), COLOUR)):
            with pytest.raises(ValueError, match=r"uint8 \(N, 3, 32, 32\)"):
                export_onnx(small(), samples, tmp_path / "net.onnx", PETS)
        with pytest.raises(ValueError, match="no picture"):
            export_onnx(nn.Linear(4, 3), vectors(), tmp_path / "net.onnx", About(), takes="pixels")


class Lengths(nn.Linear):
    """Sizes as ``len`` gives them, which a trace takes for numbers."""

    def forward(self, x):
        y = torch.cat([super().forward(x), self.bias.expand(len(x), -1)], 1)
        return y.view(len(x), 2, -1).mean(1)


@pytest.mark.parametrize("form", FORMATS)
def test_a_size_by_len_stays_open_and_no_path_is_in_the_file(tmp_path, form):
    path = FORMATS[form](Lengths(4, 3), vectors(), tmp_path / f"net.{form}", About()).path  # compared on four sizes
    content = path.read_bytes()
    for words in (str(Path(torch.__file__).parent), str(Path(__file__).parent), "stack_trace"):
        assert words.encode() not in content, words


REFUSED = [
    (Values, r"depends on the values of its input \(test_deployment.py, line \d+: if x.sum\(\) > 0:\)"),
    (Item, r"depends on the values of its input \(test_deployment.py, line \d+: return x.*item.*torch.where"),
    (Two, r"batches of 2 alone.*x.flatten\(1\)"),
    (Large, r"2 <= batch and batch <= 4"),
    (Halves, r"one thing where [^.:]*batch[^.:]* == 2 and another elsewhere"),
    (Array, r"\.numpy\(\).*test_deployment.py, line \d+"),
    (OneRow, r"a row for each sample; to 5 came \(1, 4\)"),
    (Noise, r"was not kept: on batches of 1 its answers differ from the network's by up to \d"),
]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("network", "words"), REFUSED)
def test_what_cannot_be_exported_is_one_sentence_and_no_file(tmp_path, capfd, form, network, words):
    with pytest.raises(ValueError, match=words) as refused:
        FORMATS[form](network(), vectors(), tmp_path / f"net.{form}", About())
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")  # torch says much of its own


def test_complex_parameters_keep_their_imaginary_part():
    network = nn.ParameterDict({"turn": torch.tensor([1 + 2j]), "scale": torch.ones(2, dtype=torch.float64)})
    copy = plain_copy(network)
    assert copy["turn"].item() == 1 + 2j and copy["scale"].dtype == torch.float32


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated")
def test_torchscript_is_refused_with_what_to_give():
    with pytest.raises(ValueError, match="Linear is TorchScript, which no file is made of; give the network"):
        plain_copy(torch.jit.script(nn.Linear(4, 3)))


def test_what_is_exported_of_a_variational_network_is_its_mean():
    network = variational_(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))).double()
    with torch.no_grad():
        for _, layer in variational_layers(network):
            layer.posterior.log_variance.normal_(-2, 4)
        network[2].posterior.log_variance.fill_(9.0)  # nothing is left of it, and its bias answers
    copy, x = plain_copy(network), torch.rand(4, 6)
    assert {type(x) for x in copy} == {nn.Linear, nn.ReLU} and next(variational_layers(network), None) is not None
    assert torch.equal(copy[0].weight != 0, network[0].posterior.mean(network[0].weight) != 0)
    torch.testing.assert_close(copy(x), network.eval()(x.double()).float())


def test_what_onnx_has_no_operation_for_is_named_and_pt2_has_it(tmp_path):
    with pytest.raises(ValueError, match=r"ONNX has no operation for aten.linalg_svd.*\.pt2"):
        export_onnx(Singular(), vectors(), tmp_path / "net.onnx", About())
    assert export_program(Singular(), vectors(), tmp_path / "net.pt2", About()).path.is_file()


class TestProgram:
    def test_torch_alone_loads_it_and_it_holds_no_sample_and_no_path(self, tmp_path):
        model, samples = small(), pictures()
        path = export_program(model, samples, tmp_path / "net.pt2", PETS).path
        again = torch.export.load(path).module()
        own = model(as_seen(samples, COLOUR))
        for size in (1, 5):
            assert torch.allclose(again(samples[:size]), own[:size], atol=1e-5)
        content = path.read_bytes()
        assert samples[0].numpy().tobytes() not in content and samples[0, 0].numpy().tobytes() not in content
        assert str(Path(torch.__file__).parent).encode() not in content and b"exporting.py" not in content

    def test_the_same_network_gives_the_same_bytes(self, tmp_path):
        files = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            files.append(export_program(small(), pictures(), tmp_path / name / "net.pt2", PETS).path.read_bytes())
        assert files[0] == files[1]


class TestComparison:
    def test_a_difference_is_measured_against_the_spread_of_the_answers(self):
        model = nn.Linear(4, 3)
        spread = (answers := model(vectors()).detach()).max() - answers.min()
        found, shape = refuse_difference(model, lambda x: model(x) + TOLERANCE / 2 * spread, vectors(), "It")
        assert found == pytest.approx(TOLERANCE / 2, rel=0.01) and shape == (3,)
        with pytest.raises(ValueError, match=r"It was not kept: on batches of 1 .* up to 2\.0e-04"):
            refuse_difference(model, lambda x: model(x) + 2 * TOLERANCE * spread, vectors(), "It")

    @pytest.mark.parametrize("wrong", [lambda x: x * torch.nan, lambda x: x[:, :2], lambda x: x / 0])
    def test_what_is_no_number_or_has_another_shape_is_a_difference(self, wrong):
        model = nn.Linear(4, 3)
        with pytest.raises(ValueError, match="not kept"):
            refuse_difference(model, lambda x: wrong(model(x)), vectors(), "It")

    def test_a_batch_that_is_wrong_at_one_size_alone_is_found(self):
        model = nn.Linear(4, 3)
        with pytest.raises(ValueError, match="batches of 7"):
            refuse_difference(model, lambda x: model(x) + (len(x) == 7), vectors(), "It")

    def test_classes_that_both_rule_out_are_no_difference(self):
        masked = nn.Linear(4, 3)
        with torch.no_grad():
            masked.bias[1] = -torch.inf
        assert refuse_difference(masked, masked, vectors(), "It")[0] == 0


class TestAbout:
    def test_what_was_written_is_read_again(self):
        assert read_about(PETS.facts(), "here") == PETS and read_about(NUMBERS.facts(), "here") == NUMBERS
        assert read_about({"input": "an earlier version"}, "here") == About()

    @pytest.mark.parametrize("wrong", [{"task": "x"}, {"classes": "abc"}, {"classes": [1]}, {"name": 3}])
    def test_what_makes_no_sense_is_refused_by_the_name_of_the_file(self, wrong):
        with pytest.raises(ValueError, match=r"^here "):
            read_about(wrong, "here")

    @pytest.mark.parametrize(
        "wrong",
        [
            *[{"channels": 2}, {"std": [0, 1, 1]}, {"mean": [float("nan")] * 3}, {"mean": []}],
            *[{"size": [10**9, 3]}, {"size": [3]}, {"resize": True}],
        ],
    )
    def test_so_is_a_preprocessing_that_makes_none(self, wrong):
        with pytest.raises(ValueError, match=r"^here "):
            read_about({"preprocessing": {**COLOUR.as_json(), **wrong}}, "here")
