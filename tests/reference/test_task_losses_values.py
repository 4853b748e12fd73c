"""Values of the soft losses of tasks other than one class a sample.

*worked*: computed here in float64 by plain numpy from the papers' equations, independently of this package, and without
the logarithms of sigmoids that keep it from overflowing. MLD's is also what ``MLD`` of github.com/penghui-yang/L2D
(criterion/distiller_zoo/logits_based/mld.py, reduction ``batchmean``) computes on the same inputs: its formula, written
out, is ``mld`` below.
"""

import numpy as np
import pytest
import torch

from tutelage.losses.bounded import bounded_squares
from tutelage.losses.kd import soft_targets
from tutelage.losses.multi_label import multi_label_targets
from tutelage.losses.pixelwise import pixelwise_targets
from tutelage.losses.squared_gap import squared_gap

S = np.array([[1.5, 0.2, -0.3], [0.0, 0.4, 1.0]])
T = np.array([[2.0, 1.0, 0.1], [0.5, -1.0, 3.0]])


def tensors(*arrays):
    return [torch.from_numpy(x) for x in arrays]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def mld(student, teacher):
    p, q = sigmoid(teacher), sigmoid(student)
    return (p * (np.log(p) - np.log(q)) + (1 - p) * (np.log(1 - p) - np.log(1 - q))).sum() / len(student)


def test_multi_label_targets_are_the_published_ones():
    assert multi_label_targets(*tensors(S, T)).item() == pytest.approx(mld(S, T), rel=1e-12)
    assert multi_label_targets(*tensors(S, T)).item() == pytest.approx(0.263958, abs=1e-6)  # worked


@pytest.mark.parametrize("temperature", [0.5, 2.0, 20.0])
def test_a_temperature_divides_both_logits_and_its_square_keeps_the_gradient(temperature):
    worked = temperature**2 * mld(S / temperature, T / temperature)
    assert multi_label_targets(*tensors(S, T), temperature).item() == pytest.approx(worked, rel=1e-10)


def test_one_logit_is_two_classes():
    one, other = tensors(S[:, :1], T[:, :1])
    two, others = (torch.cat([torch.zeros_like(x), x], 1) for x in (one, other))
    for temperature in (1.0, 4.0):
        assert torch.allclose(multi_label_targets(one, other, temperature), soft_targets(two, others, temperature))
        assert torch.equal(multi_label_targets(one[:, 0], other[:, 0]), multi_label_targets(one, other))


def test_labels_that_are_ruled_out_or_certain_are_numbers():
    inf = torch.inf
    student = torch.tensor([[2.0, -inf, inf, 1e4]], requires_grad=True)
    value = multi_label_targets(student, torch.tensor([[-inf, -inf, inf, -1e4]]))
    assert value.item() == pytest.approx(np.log1p(np.exp(2.0)) + 1e4)
    (gradient,) = torch.autograd.grad(value, student)
    assert gradient[0].tolist() == pytest.approx([sigmoid(2.0), 0, 0, 1.0])
    assert multi_label_targets(torch.tensor([[-inf]]), torch.tensor([[0.0]])) == inf


def pixelwise(student, teacher, counted):
    p, q = (np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (teacher, student))
    return ((p * np.log(p / q)).sum(1) * counted).sum() / counted.sum()


def test_pixelwise_targets_are_the_published_ones_and_leave_pixels_out():
    generator = np.random.default_rng(0)
    student, teacher = generator.normal(size=(2, 2, 3, 4, 5))
    target = generator.integers(0, 3, size=(2, 4, 5))
    target[0, :2] = 255
    every, some = np.ones_like(target), target != 255
    assert pixelwise_targets(*tensors(student, teacher)).item() == pytest.approx(pixelwise(student, teacher, every))
    counted = pixelwise_targets(*tensors(student, teacher, target)).item()
    assert counted == pytest.approx(pixelwise(student, teacher, some))
    softened = pixelwise_targets(*tensors(student, teacher, target), temperature=3.0).item()
    assert softened == pytest.approx(9 * pixelwise(student / 3, teacher / 3, some))
    same = soft_targets(*tensors(student, teacher), temperature=3.0, dim=1).item()
    assert pixelwise_targets(*tensors(student, teacher), temperature=3.0).item() == pytest.approx(same)


def test_ignored_pixels_have_no_gradient_and_where_all_are_ignored_it_is_zero():
    student = torch.randn(2, 3, 4, 4, requires_grad=True)
    target = torch.full((2, 4, 4), 255)
    nothing = pixelwise_targets(student, torch.randn(2, 3, 4, 4), target)
    assert nothing.item() == 0 and not torch.autograd.grad(nothing, student)[0].any()
    target[1] = 0
    (gradient,) = torch.autograd.grad(pixelwise_targets(student, torch.randn(2, 3, 4, 4), target), student)
    assert not gradient[0].any() and gradient[1].any()


@pytest.mark.parametrize(
    ("loss", "arguments", "sentence"),
    [
        (pixelwise_targets, (torch.zeros(2, 3), torch.zeros(2, 3)), "maps of logits"),
        (pixelwise_targets, (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 8, 8)), "of one size.*interpolate"),
        (pixelwise_targets, (torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)), "two classes or more"),
        (
            pixelwise_targets,
            (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), torch.zeros(2, 4)),
            r"each pixel, \(2, 4, 4\)",
        ),
        (multi_label_targets, (torch.zeros(2, 3), torch.zeros(2, 1)), "one logit a label"),
        (multi_label_targets, (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)), "one logit a label"),
        (squared_gap, (torch.zeros(2, 3), torch.zeros(2, 1)), "as many numbers"),
        (bounded_squares, (torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2)), "as many numbers each"),
        (soft_targets, (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)), "pixelwise_targets"),
        (soft_targets, (torch.zeros(2, 1), torch.zeros(2, 1)), "multi_label_targets"),
    ],
)
def test_other_shapes_are_refused_with_what_to_do(loss, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        loss(*arguments)


TARGET = np.array([[1.0, 0.0, 0.5], [-0.5, 0.0, 2.0]])


@pytest.mark.parametrize("margin", [0.0, 0.2, 5.0])
def test_a_students_error_counts_where_it_is_not_clearly_below_the_teachers(margin):
    mine, theirs = (((x - TARGET) ** 2).mean(1) for x in (S, T))
    worked = (mine * (mine + margin > theirs)).mean()
    assert bounded_squares(*tensors(S, T, TARGET), margin).item() == pytest.approx(worked)
    assert bounded_squares(*tensors(T, S, TARGET), margin).item() == pytest.approx(
        (theirs * (theirs + margin > mine)).mean()
    )


def test_the_gap_of_numbers_is_their_mean_squared_difference():
    assert squared_gap(*tensors(S, T)).item() == pytest.approx(((S - T) ** 2).mean())
    half_sum = ((S - T) ** 2).sum(1).mean() / 2  # Ba & Caruana's, over the K numbers and twice
    assert squared_gap(*tensors(S, T)).item() == pytest.approx(half_sum * 2 / S.shape[1])
