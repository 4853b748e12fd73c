"""Values of the feature losses, and where they come from.

*worked*: computed in float64 by plain numpy from the papers' equations or the authors' code, independently of this
package. Those of attention transfer (code form), hierarchical context, the overhauled loss and CRD were also got by
running the authors' PyTorch code on the same inputs.
"""

from functools import partial
from math import exp, log

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tutelage.losses.attention import attention_distance, attention_maps
from tutelage.losses.crd import CRD
from tutelage.losses.hint import half_squares, half_squares_by_place, mean_squares
from tutelage.losses.kd import soft_targets
from tutelage.losses.overhaul import PartialSquares, margins, published_weights
from tutelage.losses.review import hierarchical_context
from tutelage.losses.simkd import fed_features
from tutelage.losses.srrl import SoftmaxRegression, soft_cross_entropy
from tutelage.losses.vid import VariationalInformation
from tutelage.matching.one_to_one import one_to_one
from tutelage.matching.projected import Projected
from tutelage.matching.review import Review


def float64(*numbers, shape):
    return torch.tensor(numbers, dtype=torch.float64).reshape(shape)


def pointwise(weight, bias=None):
    """A 1×1 convolution with these weights."""
    weight = torch.tensor(weight, dtype=torch.float64)
    layer = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias is not None).double()
    with torch.no_grad():
        layer.weight.copy_(weight[:, :, None, None])
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
    return layer


# ---- FitNets: a hint of 3 channels, a guided layer of 1 channel, a 1×1 regressor

HINT = float64(1, 2, 0, 1, -1, 0, 2, 1, 0.5, 0, 1, 0, 0, 1, 1, 0, 2, 0, 0, 1, 0, 3, 1, 0.5, shape=(2, 3, 2, 2))
GUIDED = float64(1, 0, 1, 2, 0, 1, 1, 0, shape=(2, 1, 2, 2))
LINEAR = pointwise([[0.5], [-1.0], [0.8]], bias=[0.1, 0.2, -0.3])
RECTIFIED = nn.Sequential(LINEAR, nn.ReLU())

HINTS = [
    (half_squares, LINEAR, 8.665),
    (half_squares_by_place, LINEAR, 2.16625),
    (mean_squares, LINEAR, 1.444167),
    (half_squares, RECTIFIED, 5.7725),
    (half_squares_by_place, RECTIFIED, 1.443125),
    (mean_squares, RECTIFIED, 0.962083),
]


@pytest.mark.parametrize(("loss", "regressor", "worked"), HINTS, ids=[str(value) for *_, value in HINTS])
def test_hints(loss, regressor, worked):
    assert Projected(loss, regressor)(GUIDED, HINT).item() == pytest.approx(worked, abs=1e-6)


# ---- attention transfer: 2 samples; 2 channels of the student, 3 of the teacher

NARROW = float64(1, -2, 0, 1, 0.5, 1, -1, 2, shape=(1, 2, 2, 2))
WIDE = float64(2, 0, 1, 1, -1, 1, 0, 3, 0, 0.5, 2, -1, shape=(1, 3, 2, 2))
NARROW = torch.cat([NARROW, NARROW.flip(1, 2) * 0.7])
WIDE = torch.cat([WIDE, WIDE.flip(2) + 0.3])

ATTENTION = [
    (partial(attention_maps, power=1), 0.058534),
    (attention_maps, 0.113671),
    (partial(attention_maps, power=4), 0.147933),
    (partial(attention_maps, norm=1), 0.039084),
    (partial(attention_distance, power=1), 0.483214),
    (attention_distance, 0.674089),
    (partial(attention_distance, power=4), 0.769239),
    (partial(attention_maps, channels=lambda powers: powers.mean(1)), 0.113671),
]


@pytest.mark.parametrize(("loss", "worked"), ATTENTION, ids=[f"{i}: {value}" for i, (_, value) in enumerate(ATTENTION)])
def test_attention_transfer(loss, worked):
    assert loss(NARROW, WIDE).item() == pytest.approx(worked, abs=1e-6)


def test_an_odd_power_takes_the_size_of_an_activation_and_not_its_sign():
    assert attention_maps(NARROW, WIDE, power=3).item() != pytest.approx(0.161892, abs=1e-3)  # what comes without it
    torch.testing.assert_close(attention_maps(NARROW, WIDE, power=3), attention_maps(NARROW.abs(), WIDE.abs(), power=3))


# ---- SRRL: maps of 2 channels through a connector to the 3 features of the teacher's classifier

MAP = float64(1, 0, 2, 1, 0, 1, 1, 0, 2, 1, 0, 0, 1, 1, 0, 2, shape=(2, 2, 2, 2))
FEATURES = float64(1.0, 0.5, 0.2, 0.0, 1.0, 0.7, shape=(2, 3))
CONNECTOR = nn.Sequential(pointwise([[0.5, 0.2], [-0.3, 1.0], [0.1, 0.4]]), nn.ReLU())
HEAD = nn.Linear(3, 3).double()
with torch.no_grad():
    HEAD.weight.copy_(float64(1, 0, 0.5, 0, 1, -0.5, -1, 0.2, 1, shape=(3, 3)))
    HEAD.bias.copy_(float64(0.1, 0, -0.1, shape=3))
LOGITS, TARGET = float64(1.5, 0.2, -0.3, 0, 0.4, 1, shape=(2, 3)), torch.tensor([0, 2])


def only_features(head):
    return SoftmaxRegression(head, regression_weight=0)


def only_judged_by(judge):
    return lambda head: SoftmaxRegression(head, judge, feature_weight=0)


SRRL = [
    (only_features, 0.104063),
    (lambda head: SoftmaxRegression(head, match=half_squares, feature_weight=2, regression_weight=0), 0.312187),
    (only_judged_by(mean_squares), 0.220665),
    (only_judged_by(soft_cross_entropy), 1.058090),
    (only_judged_by(partial(soft_targets, temperature=1)), 0.084791),
]


@pytest.mark.parametrize(("make", "worked"), SRRL, ids=[str(value) for _, value in SRRL])
def test_srrl(make, worked):
    assert Projected(make(HEAD), CONNECTOR)(MAP, FEATURES).item() == pytest.approx(worked, abs=1e-6)


@pytest.mark.parametrize(("weight", "worked"), [(1, 0.831595), (5, 1.714253)])
def test_srrl_beside_labels(weight, worked):
    srrl = Projected(SoftmaxRegression(HEAD, regression_weight=weight), CONNECTOR)
    assert (F.cross_entropy(LOGITS, TARGET) + srrl(MAP, FEATURES)).item() == pytest.approx(worked, abs=1e-6)


# ---- VID and SimKD: 2 samples of 2 features, the first of variance 5, the second of scale 0.3

MEAN, TRUTH = float64(1, 0, 0.5, 2, shape=(2, 2)), float64(0.5, 0.2, 1, 1, shape=(2, 2))


def test_vid():
    vid = VariationalInformation(nn.Identity(), 2).double()
    assert vid.log_scale.tolist() == pytest.approx([log(exp(5 - 1e-5) - 1)] * 2, abs=1e-6)
    with torch.no_grad():
        vid.log_scale.copy_(torch.tensor([log(exp(5 - 1e-5) - 1), 0.3], dtype=torch.float64))
    assert vid.variance.tolist() == pytest.approx([5.0, 0.854365], abs=1e-6)
    assert vid(MEAN, TRUTH).item() == pytest.approx(0.527670, abs=1e-6)


def test_simkd():
    maps = [x[:, :, None, None].expand(-1, -1, 3, 3) for x in (MEAN, TRUTH)]
    assert fed_features(*maps).item() == pytest.approx(0.385, abs=1e-6)


# ---- overhaul: 2 samples of 3 channels


def test_the_overhauled_loss():
    student, teacher = float64(-2, 0.5, 1, -0.5, -1.5, 2, shape=(2, 3)), float64(-3, 0.2, 2, -1, 1, -0.2, shape=(2, 3))
    loss = PartialSquares(float64(-0.6, -0.4, -0.3, shape=3))
    assert 2 * loss(student, teacher).item() == pytest.approx(12.19, abs=1e-6)  # the sum over both samples
    weighted = one_to_one(loss, published_weights(1))([student], [teacher])
    assert weighted.item() == pytest.approx(0.006095, abs=1e-6)


def test_the_margins_of_the_overhauled_loss():
    norm = nn.BatchNorm2d(3).double()
    with torch.no_grad():
        norm.weight.copy_(float64(1, -0.5, 1, shape=3))  # its sign is no matter
        norm.bias.copy_(float64(0, 0.2, 4, shape=3))
    assert margins(norm).tolist() == pytest.approx([-0.797885, -0.334378, -3.0], abs=1e-6)


# ---- ReviewKD

ROW = torch.arange(64, dtype=torch.float64).reshape(1, 1, 8, 8) / 10
CONTEXTS = [
    (ROW.sin(), ROW.cos(), 0.813815),
    (float64(0, 1, 2, 3, shape=(1, 1, 2, 2)), float64(1, 0, 2, 5, shape=(1, 1, 2, 2)), 1.083333),
]


@pytest.mark.parametrize(("student", "teacher", "worked"), CONTEXTS, ids=[str(value) for *_, value in CONTEXTS])
def test_hierarchical_context(student, teacher, worked):
    assert hierarchical_context(student, teacher).item() == pytest.approx(worked, abs=1e-6)
    assert Review.example(hierarchical_context, 1)(
        [student.expand(2, 8, -1, -1)], [teacher.expand(2, 8, -1, -1)]
    ).item() == pytest.approx(worked, abs=1e-6)


# ---- CRD: 2 samples, 3 negatives each, of 10 samples; embeddings of width 2, memories of rows of length 1


def unit(*numbers):
    return F.normalize(float64(*numbers, shape=(-1, 2)), dim=1)


STUDENT, TEACHER = unit(1, 0, 1, 1), unit(1, 0.5, 0, 1)
STUDENTS = unit(1, 0.2, 0, 1, -1, 0, 1, -1, 0.3, 1, 1, 0, 0, -1, -1, 1).reshape(2, 4, 2)  # memory: own row, negatives
TEACHERS = unit(0.9, 0.4, 0, -1, 1, 1, -1, 0, 0.1, 1, 1, 0, -1, -1, 1, -0.5).reshape(2, 4, 2)
DRAWN = torch.tensor([[2, 3, 4], [5, 6, 7]])


def contrast(draw):
    loss = CRD(2, 2, 10, negatives=3, temperature=0.5, width=2, draw=draw).double()
    with torch.no_grad():
        for embed in (loss.embed_student, loss.embed_teacher):
            embed.weight.copy_(torch.eye(2))
            embed.bias.zero_()
        for memory, rows in ((loss.memory_of_student, STUDENTS), (loss.memory_of_teacher, TEACHERS)):
            memory[:2] = rows[:, 0]
            memory[DRAWN] = rows[:, 1:]
    return loss


def test_crd():
    loss = contrast(lambda _index, _classes, _count: DRAWN)
    assert loss(STUDENT, TEACHER, torch.arange(2)).item() == pytest.approx(2.820157, abs=1e-6)
    assert loss.normalizers.tolist() == pytest.approx([27.875175, 29.276905], abs=1e-6)
    assert loss.memory_of_student[0].tolist() == pytest.approx([0.995133, 0.098538], abs=1e-6)


def test_crd_with_shared_negatives_is_the_published_one_with_the_same_negatives_for_all():
    shared = torch.tensor([2, 5, 7])
    own = contrast(lambda _index, _classes, _count: shared.expand(2, -1))
    both = contrast(lambda _index, _classes, _count: shared)
    value = both(STUDENT, TEACHER, torch.arange(2))
    torch.testing.assert_close(value, own(STUDENT, TEACHER, torch.arange(2)))


def test_the_first_memory_is_as_wide_as_published():
    memory = CRD(3, 3, 2000, negatives=1).memory_of_student
    assert 0.153 < memory.max() <= 0.153094 and -0.153094 <= memory.min() < -0.153
