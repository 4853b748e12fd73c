"""``tutelage.distill``: the same from Python, with networks and data that are objects."""

import random
import signal
import sys
from html import escape

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import tutelage
from picture_folders import briefly, pictures, write_all
from tutelage.checkpoint import load_weights
from tutelage.deployment.onnx import export_onnx
from tutelage.progress import Silence
from tutelage.study.own.given_sets import given_sets
from tutelage.study.own.handed_in import where_of
from tutelage.study.own.settings import DataSettings

pytestmark = pytest.mark.slow


def small(width: int = 4, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, width, 3, 4), nn.BatchNorm2d(width), nn.ReLU(), nn.Flatten(),
                         nn.Linear(9 * width, 3))  # fmt: skip


def left_out(*_, **__):
    raise ValueError("left out in this test")


def part(count, seed):
    inputs = pictures(count, seed).flatten(0, 1).float() / 255
    return TensorDataset(inputs, torch.arange(3).repeat_interleave(count))


@pytest.fixture
def trained(monkeypatch):
    """A network that knows the three colours."""
    briefly(monkeypatch)
    monkeypatch.setattr("tutelage.deployment.deploy.export_onnx", left_out)  # which the command's tests look at
    model, data = small(16, seed=0), part(30, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(data.tensors[0]), data.tensors[1]).backward()
        optimizer.step()
    return model


def distilled(trained, root, **more):
    data = (part(30, seed=0), part(10, seed=1), DataLoader(part(10, seed=2), batch_size=7))
    settings = {"epochs": 2, "minutes": 0.1, "baseline": False, **more}
    return tutelage.distill(trained, small(), data, runs=root, progress=Silence(), **settings)


def test_objects_become_a_small_network_with_figures_and_weights_in_its_folder(trained, tmp_path):
    made = distilled(trained, tmp_path, baseline=True)
    assert set(made.metrics) == {"teacher", "student", "baseline"}
    assert made.metrics["student"]["parameters"] < made.metrics["teacher"]["parameters"]
    assert not made.model.training
    kept = load_weights(made.folder / "student.safetensors", small(seed=5), "no cure").eval()
    x = torch.rand(2, 3, 12, 12)
    torch.testing.assert_close(kept(x), made.model(x))  # their layouts may differ
    page = made._repr_html_()
    assert "<table>" in page and "teacher" in page and escape(made.sentence) in page


def test_numbers_that_are_no_grey_levels_end_in_a_file_of_what_the_network_sees(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("tutelage.deployment.deploy.export_onnx", export_onnx)
    data, between = part(30, seed=0), torch.rand(90, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    np.savez(tmp_path / "d.npz", x=(data.tensors[0] + between / 255) * 2 + 1, y=data.tensors[1])
    samples = DataSettings(mean=(1.0, 1.0, 1.0), std=(1.0, 1.0, 1.0))
    settings = {"epochs": 1, "minutes": 0.1, "baseline": False, "progress": Silence()}
    made = tutelage.distill(trained, small(), tmp_path / "d.npz", samples=samples, runs=tmp_path, **settings)
    assert (made.folder / "student.onnx").is_file() and not (made.folder / "predict.py").exists()
    card = (made.folder / "model_card.md").read_text()
    assert "float32 (N, 3, 12, 12)" in card and "It sees the numbers of the data less 1, 1, 1, over 1, 1, 1" in card


def test_the_same_call_again_gives_the_same_bits_and_trains_nothing(trained, tmp_path):
    first = distilled(trained, tmp_path)
    stages = sorted((tmp_path / "stages").iterdir())
    again = distilled(trained, tmp_path)
    assert sorted((tmp_path / "stages").iterdir()) == stages
    x = torch.rand(2, 3, 12, 12)
    assert torch.equal(first.model(x), again.model(x))


def test_nothing_of_the_caller_changes(trained, tmp_path):
    trained.train()
    before = {name: x.clone() for name, x in trained.state_dict().items()}
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    student = small()
    torch.manual_seed(3)
    random.seed(3)
    state, own, threads = torch.get_rng_state(), random.getstate(), torch.get_num_threads()
    data = (part(30, seed=0), None, part(10, seed=2))
    begun = {name: x.clone() for name, x in student.state_dict().items()}
    tutelage.distill(trained, student, data, runs=tmp_path, epochs=1, minutes=0.1, progress=Silence())
    assert torch.equal(torch.get_rng_state(), state) and random.getstate() == own
    assert threads == torch.get_num_threads() and trained.training
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert all(torch.equal(x, before[name]) for name, x in trained.state_dict().items())
    assert all(torch.equal(x, begun[name]) for name, x in student.state_dict().items())


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (3, "Data are a path, Sets, or"),
        ((part(3, 0),), "1 part\\."),
        (([("a", 1)], None, part(3, 0)), "an input is a tensor or an array"),
        ((iter([1]), None, part(3, 0)), "has to be a Labelled"),
        (([], None, part(3, 0)), "is empty"),
        ((part(3, 0), part(3, 0), None), "test is None"),
    ],
)
def test_data_that_are_none_are_refused_in_a_sentence(data, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        tutelage.distill(small(), small(), data, runs=tmp_path)
    assert not list(tmp_path.iterdir())


def test_data_that_differ_in_any_part_are_another_runs():
    sets = [part(30, seed=0), part(10, seed=1), part(10, seed=2)]
    words = {where_of(given_sets([part(12, seed=9) if n == other else x for n, x in enumerate(sets)]))
             for other in (0, 1, 2, 3)}  # fmt: skip
    words |= {where_of(given_sets([sets[0], None, sets[2]]))}
    assert len(words) == 5 and where_of(given_sets(sets)) in words


def test_names_and_paths_do_as_in_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr("tutelage.deployment.deploy.export_onnx", left_out)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    write_all(tmp_path)
    made = tutelage.distill("my_nets.net(width=16)", "my_nets.net", "photos", weights="teacher.safetensors", epochs=1,
                            minutes=0.1, baseline=False, progress=Silence())  # fmt: skip
    assert sum(p.numel() for p in tutelage.load(made.folder, allow=["my_nets"]).parameters()) < 500


def test_a_network_does_not_teach_itself(tmp_path):
    net = small()
    with pytest.raises(ValueError, match="are the same network"):
        tutelage.distill(net, net, (part(3, 0), part(3, 0)), runs=tmp_path)
    with pytest.raises(ValueError, match="minutes must be more than 0"):
        tutelage.distill(net, small(), (part(3, 0), part(3, 0)), runs=tmp_path, minutes=0)
