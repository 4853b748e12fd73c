"""Of every task, a network that is shown its pictures otherwise than it learnt them is told what would help."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from task_networks import CASES
from tutelage.data.views import plain
from tutelage.study.diagnosis.causes import diagnosed
from tutelage.study.diagnosis.measured_first import measured_first
from tutelage.study.diagnosis.pictures_tried import Way
from tutelage.study.sets import Sets

pytestmark = pytest.mark.slow


class Bright(nn.Module):
    """Right by construction: how bright the channels of each picture or pixel are."""

    def __init__(self, scale, shift, maps, white=1.0):
        super().__init__()
        self.scale, self.shift, self.maps = nn.Parameter(torch.tensor(float(scale))), shift, maps
        self.white = white

    def forward(self, x):
        x = x / self.white
        return self.scale * ((x if self.maps else x.mean((2, 3))) - self.shift)


class OfOne(Bright):
    def forward(self, x):
        return super().forward(x)[:, :1]


NETWORKS = {
    "multi-label": (Bright, 40, 0.5, False),
    "binary": (OfOne, 40, 0.5, False),
    "regression": (Bright, 1, 0.0, False),
    "segmentation": (Bright, 10, 0.0, True),
}
WRONG = {
    "channels in the order BGR": lambda x: x.flip(1),
    "pictures inverted": lambda x: 255 - x,
}


def network(name, **settings):
    kind, *how = NETWORKS[name]
    return kind(*how, **settings)


def sets(name, change=lambda x: x):
    parts = [CASES[name].data(160, seed) for seed in (0, 1, 2)]
    return Sets(*[replace(x, inputs=change(x.inputs).contiguous()) for x in parts], plain, CASES[name].task)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("wrong", WRONG)
def test_the_cause_is_named_with_what_the_metric_would_be(name, wrong):
    data = sets(name, WRONG[wrong])
    found = diagnosed(network(name), data, Way(), "--teacher-")
    assert found.causes and wrong in found.causes[0].words, str(found)
    assert found.causes[0].metric in data.task.metrics and found.causes[0].figure in str(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_range_of_levels_is_found(name):
    found = diagnosed(network(name, white=255.0), sets(name), Way(), "--teacher-")
    if name != "segmentation":  # which only asks which channel is the brightest: any scale does
        assert "from 0 to 255" in found.causes[0].words and "--teacher-std 0.0039" in found.causes[0].remedy, str(found)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_right_set_up_is_not_accused(name):
    data = sets(name)
    assert not diagnosed(network(name), data, Way(), "--teacher-").causes
    assert len(measured_first(network(name), data, Way(), 0.0, "net", "--teacher-")) == 1


class Drawn(nn.Module):
    """A network of random weights that are not those a layer begins with."""

    def __init__(self, outputs, maps, seed):
        super().__init__()
        self.seen, self.told, self.maps = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, outputs, 1), maps
        with torch.no_grad():
            for layer in (self.seen, self.told):
                drawn = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(seed))
                layer.weight.copy_(0.6 * drawn)

    def forward(self, x):
        answers = self.told(self.seen(x).relu())
        return answers if self.maps else answers.mean((2, 3))


@pytest.mark.parametrize(("name", "outputs"), [("multi-label", 3), ("binary", 1), ("segmentation", 3)])
@pytest.mark.parametrize("count", [48, 480])
def test_a_random_network_is_told_of_no_cause_where_the_labels_are_random_too(name, outputs, count):
    """Other pictures make its loss smaller, beyond chance, and shares larger: by smaller and by other answers."""
    case = CASES[name]
    for seed in range(4):
        parts = [case.data(count, 3 * seed + n) for n in range(3)]
        drawn = [torch.randperm(count, generator=torch.Generator().manual_seed(seed)) for _ in parts]
        data = Sets(*[replace(x, targets=x.targets[o]) for x, o in zip(parts, drawn, strict=True)], plain, case.task)
        net = Drawn(outputs, name == "segmentation", seed)
        assert not diagnosed(net, data, Way(), "--teacher-", thorough=False).causes


def test_what_is_expected_of_a_regression_stops_it_with_the_cause():
    data = sets("regression", WRONG["channels in the order BGR"])
    with pytest.raises(ValueError, match=r"less than the 0\.001 mean squared error .*order BGR it would have"):
        measured_first(network("regression"), data, Way(), 0.001, "net", "--teacher-")


class Leaning(Bright):
    """Of maps, and with an eye for where things are: a gradient from left to right tells one class."""

    def forward(self, x):
        slope = torch.linspace(0, 3, x.shape[3], device=x.device).expand(x.shape[2], -1)
        answer = super().forward(x)
        return torch.cat([answer[:, :1] + slope, answer[:, 1:]], 1)


def test_of_transposed_pictures_the_answers_are_turned_back():
    data = sets("segmentation")
    net = Leaning(10, 0.0, True)
    parts = []
    for part in (data.train, data.validation, data.test):
        upright = net(part.inputs.float() / 255).argmax(1).detach()
        parts.append(
            replace(part, inputs=part.inputs.transpose(2, 3).contiguous(), targets=upright.transpose(1, 2).contiguous())
        )
    found = diagnosed(net, replace(data, train=parts[0], validation=parts[1], test=parts[2]), Way(), "--")
    assert "transposed" in found.causes[0].words and found.causes[0].score == pytest.approx(100)
    assert "register_forward_hook(lambda *x: x[2].transpose(2, 3))" in found.causes[0].remedy


class Sized(nn.Module):
    """Right by construction on pictures from 0 to 255, a little more often where they have 8 pixels a side."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(40.0))

    def forward(self, x):
        answers = self.scale * (x.mean((2, 3)) / 255 - 0.5)
        if x.shape[-1] != 8:
            answers[::29] = -answers[::29]
        return answers


def test_what_helps_by_itself_is_not_told_with_a_size_that_adds_little_to_it(monkeypatch):
    monkeypatch.setattr("tutelage.study.diagnosis.pictures_tried.SIZES", (8, 12, 24))
    found = diagnosed(Sized(), sets("multi-label"), Way(), "--teacher-")
    assert found.causes[0].remedy == "--teacher-mean 0 0 0 --teacher-std 0.00392157 0.00392157 0.00392157", str(found)
    assert not any("size" in cause.remedy for cause in found.causes)
