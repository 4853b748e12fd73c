"""Data sets that somebody hands in: what is learnt follows from their targets, as it does in files."""

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from tutelage.study.own.given_sets import given_sets
from tutelage.study.own.instances import instance_of
from tutelage.study.own.measured import measured_network
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.teacher_builds import teacher_build
from tutelage.study.own.teacher_settings import OwnTeacherSettings

X, Y = torch.rand(12, 3, 4, 4), torch.arange(12) % 3
FRACTIONS, FLAGS, MASKS = torch.rand(12, 2), torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]] * 6), (X[:, 0] * 3).long()


def sets(targets, task="auto"):
    parts = [TensorDataset(X, targets), TensorDataset(X[:6], targets[:6])]
    return given_sets(parts, DataSettings(task=task))


@pytest.mark.parametrize(
    ("targets", "wanted", "task", "classes", "learnt"),
    [
        (Y, "auto", "classification", 3, Y),
        (Y.to(torch.int32), "auto", "classification", 3, Y),
        (Y.to(torch.uint8), "auto", "classification", 3, Y),
        (Y.float(), "auto", "classification", 3, Y),
        (Y[:, None], "auto", "classification", 3, Y),
        (torch.eye(3)[Y], "classification", "classification", 3, Y),
        (torch.eye(3)[Y], "multi-label", "multi-label", 3, torch.eye(3)[Y]),
        (FLAGS, "auto", "multi-label", 3, FLAGS),
        (FLAGS.long(), "auto", "multi-label", 3, FLAGS),
        (FRACTIONS, "auto", "regression", 2, FRACTIONS),
        (FRACTIONS[:, 0], "auto", "regression", 1, FRACTIONS[:, :1]),
        (Y, "regression", "regression", 1, Y[:, None].float()),
        (MASKS, "auto", "segmentation", 3, MASKS.to(torch.uint8)),
        (MASKS[:, None].float(), "auto", "segmentation", 3, MASKS.to(torch.uint8)),
    ],
)
def test_the_task_follows_from_the_targets_unless_it_is_said(targets, wanted, task, classes, learnt):
    found = sets(targets, wanted)
    assert (found.task.name, len(found.train.classes)) == (task, classes)
    assert torch.equal(found.train.targets, learnt) and found.train.targets.dtype == learnt.dtype
    assert torch.equal(found.test.targets, learnt[:6]) and torch.equal(found.train.inputs, X)


@pytest.mark.parametrize(
    ("targets", "samples", "words"),
    [
        (torch.eye(3)[Y], None, r"exactly one label: say samples=DataSettings\(task='classification'\)"),
        (2 * Y.float(), None, "classes or quantities"),
        (Y, DataSettings(size=8), "can say nothing but the task"),
        (Y, {"size": 8}, r"of tutelage.study.own.settings; got a dict"),
    ],
)
def test_what_is_in_doubt_is_asked_for(targets, samples, words):
    with pytest.raises(ValueError, match=words):
        given_sets((TensorDataset(X, targets), TensorDataset(X, targets)), samples)


@pytest.mark.parametrize("network", [None, nn.Linear, lambda x: x])
def test_what_is_no_network_is_refused_by_what_it_is(network):
    with pytest.raises(ValueError, match="A network is a Module of torch, or its name; got"):
        measured_network(network, sets(Y), device="cpu")
    with pytest.raises(ValueError, match="A network is a Module of torch, or its name; got"):
        instance_of(network)


@pytest.mark.parametrize("device", ["meta", "gpu", "cpu:3"])
def test_a_device_that_computes_nothing_here_is_refused_whatever_data_come_as(device):
    with pytest.raises(ValueError, match=r"--device must be one that computes here, cpu"):
        measured_network(nn.Flatten(), sets(Y), device=device)


@pytest.mark.parametrize("flag", [{"teacher_size": 8}, {"teacher_mean": (0.5,), "teacher_std": (0.5,)}])
def test_how_a_teacher_sees_pictures_is_refused_of_numbers(flag):
    rows = TensorDataset(torch.rand(12, 5), Y)
    asked = OwnTeacherSettings(teacher="tutelage.models.mlp.mlp(widths=(5, 3))", weights=None, **flag)
    with pytest.raises(ValueError, match="--teacher-size, --teacher-mean and --teacher-std are about pictures; leave"):
        teacher_build(given_sets((rows, rows)), asked, print)
