"""Values of the KD losses, and where they come from.

*worked*: computed in float64 by plain numpy from the equations of arXiv:1503.02531 §2, independently of this package;
the one at T = 4 also by running the ``DistillKL`` of github.com/HobbitLong/RepDistiller on the same inputs.
"""

from math import log

import pytest
import torch
from torch.nn import functional as F

from tutelage.losses.kd import (
    arithmetic,
    averaged_targets,
    geometric,
    matched_logits,
    matched_raw_logits,
    soft_targets,
)

S = torch.tensor([[1.5, 0.2, -0.3], [0.0, 0.4, 1.0]], dtype=torch.float64)
T = torch.tensor([[2.0, 1.0, 0.1], [0.5, -1.0, 3.0]], dtype=torch.float64)
SECOND = torch.tensor([[0.0, 2.0, 1.0], [1.0, 0.0, 2.0]], dtype=torch.float64)
MEMBERS = torch.stack([T, SECOND])
TARGET = torch.tensor([0, 2])

WORKED = [
    (lambda: soft_targets(S, T, temperature=1.0), 0.197710),
    (lambda: soft_targets(S, T, temperature=2.0), 0.382727),
    (lambda: soft_targets(S, T, temperature=4.0), 0.465115),
    (lambda: soft_targets(S, T, temperature=20.0), 0.491464),
    (lambda: soft_targets(S, T, temperature=1000.0), 0.491145),
    (lambda: matched_logits(S, T), 0.491111),
    (lambda: 0.1 * F.cross_entropy(S, TARGET) + 0.9 * soft_targets(S, T, temperature=4.0), 0.469290),
    (lambda: averaged_targets(S, MEMBERS, 1.0, arithmetic), 0.218860),
    (lambda: averaged_targets(S, MEMBERS, 1.0, geometric), 0.291494),
    (lambda: averaged_targets(S, MEMBERS, 4.0, arithmetic), 0.370335),
    (lambda: averaged_targets(S, MEMBERS, 4.0, geometric), 0.387950),
]


@pytest.mark.parametrize(("loss", "worked"), WORKED, ids=[str(value) for _, value in WORKED])
def test_the_worked_values(loss, worked):
    assert loss().item() == pytest.approx(worked, abs=1e-6)


def test_the_worked_gradient():
    worked = [[0.014307, -0.036544, 0.022238], [0.027607, 0.265570, -0.293178]]
    student = S.clone().requires_grad_()
    soft_targets(student, T, temperature=4.0).backward()
    torch.testing.assert_close(student.grad, torch.tensor(worked, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0, 20.0])
def test_the_gradient_is_t_times_the_gap_of_the_probabilities_over_the_batch(temperature):
    student = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(6, 5, dtype=torch.float64)
    soft_targets(student, teacher, temperature).backward()
    gap = (student / temperature).softmax(-1) - (teacher / temperature).softmax(-1)
    torch.testing.assert_close(student.grad, temperature * gap / 6)


def test_matched_logits_is_the_limit_of_soft_targets_at_high_temperature():
    """The next term of the series in 1/T is of the third order in the logits."""
    student, teacher = torch.randn(2, 6, 5, dtype=torch.float64)
    third_order = (student.abs().max() + teacher.abs().max()) ** 3
    for temperature in (10.0, 100.0, 1000.0, 10000.0):
        gap = abs(soft_targets(student, teacher, temperature) - matched_logits(student, teacher))
        assert gap < 0.05 * third_order / temperature
    assert gap < 1e-3 * matched_logits(student, teacher)


@pytest.mark.parametrize("loss", [soft_targets, matched_logits])
def test_a_constant_added_to_every_logit_of_a_sample_changes_nothing(loss):
    torch.testing.assert_close(loss(S + torch.tensor([[3.0], [-7.0]], dtype=torch.float64), T), loss(S, T))


def test_raw_logits_see_the_constant_and_centred_ones_do_not():
    offset = (S.mean(-1) - T.mean(-1)).square().mean() / 2
    torch.testing.assert_close(matched_raw_logits(S, T), matched_logits(S, T) + offset)


def test_the_mean_that_torch_takes_by_default_is_smaller_by_the_number_of_classes():
    with pytest.warns(UserWarning, match="batchmean"):
        wrong = 16 * torch.nn.KLDivLoss()(F.log_softmax(S / 4, -1), F.softmax(T / 4, -1))
    assert wrong.item() == pytest.approx(0.155038, abs=1e-6)
    torch.testing.assert_close(3 * wrong, soft_targets(S, T, temperature=4.0))


def test_the_arithmetic_mean_is_that_of_the_tempered_probabilities():
    worked = [[0.335411, 0.371818, 0.292770], [0.303874, 0.223788, 0.472338]]
    mean = arithmetic(F.log_softmax(MEMBERS / 4, -1)).exp()
    torch.testing.assert_close(mean, torch.tensor(worked, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(mean.sum(-1), torch.ones(2, dtype=torch.float64))


def test_the_geometric_mean_is_the_softmax_of_the_mean_logits():
    worked = [[0.330388, 0.374378, 0.295234], [0.304837, 0.223023, 0.472140]]
    mean = geometric(F.log_softmax(MEMBERS / 4, -1)).exp()
    torch.testing.assert_close(mean, torch.tensor(worked, dtype=torch.float64), atol=1e-6, rtol=0)
    torch.testing.assert_close(mean, (MEMBERS.mean(0) / 4).softmax(-1), atol=1e-12, rtol=0)


def test_the_arithmetic_target_has_the_gradient_of_the_mean_over_the_teachers():
    student = S.clone().requires_grad_()
    (one,) = torch.autograd.grad(averaged_targets(student, MEMBERS, 4.0), student)
    (many,) = torch.autograd.grad(sum(soft_targets(student, t, 4.0) for t in MEMBERS) / 2, student)
    torch.testing.assert_close(one, many)


@pytest.mark.parametrize("average", [arithmetic, geometric])
class TestWeights:
    def test_equal_weights_are_no_weights(self, average):
        plain = averaged_targets(S, MEMBERS, 2.0, average)
        torch.testing.assert_close(averaged_targets(S, MEMBERS, 2.0, average, weights=(3, 3)), plain)

    def test_all_the_weight_on_one_teacher_leaves_that_teacher(self, average):
        alone = averaged_targets(S, MEMBERS, 2.0, average, weights=(0, 1.5))
        torch.testing.assert_close(alone, soft_targets(S, SECOND, 2.0))

    def test_a_teacher_of_weight_two_counts_as_two_teachers(self, average):
        twice = averaged_targets(S, MEMBERS[[0, 0, 1]], 2.0, average)
        torch.testing.assert_close(averaged_targets(S, MEMBERS, 2.0, average, weights=(2, 1)), twice)

    @pytest.mark.parametrize("weights", [(1.0,), (1, -1), (0, 0), (float("nan"), 1), (float("inf"), 1), ()])
    def test_others_are_refused(self, average, weights):
        with pytest.raises(ValueError, match=r"one non-negative number for each of the 2 teachers, not all 0; got \["):
            averaged_targets(S, MEMBERS, 2.0, average, weights=weights)


@pytest.mark.parametrize("loss", [soft_targets, matched_logits])
def test_classes_may_stand_in_any_dimension_and_every_pixel_counts_as_a_sample(loss):
    student, teacher = torch.randn(2, 4, 5, 3, 2)
    flat = [x.movedim(1, -1).reshape(-1, 5) for x in (student, teacher)]
    torch.testing.assert_close(loss(student, teacher, dim=1), loss(*flat))


@pytest.mark.parametrize("average", [arithmetic, geometric])
@pytest.mark.parametrize("dim", [1, -3])
def test_members_stand_before_whatever_the_student_has(average, dim):
    student, teacher = torch.randn(4, 5, 3, 2), torch.randn(2, 4, 5, 3, 2)
    flat = [x.movedim(-3, -1).reshape(*x.shape[:-4], -1, 5) for x in (student, teacher)]
    whole = averaged_targets(student, teacher, 2.0, average, dim=dim)
    torch.testing.assert_close(whole, averaged_targets(*flat, 2.0, average))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    for loss, teacher in ((soft_targets, T), (averaged_targets, MEMBERS)):
        with pytest.raises(ValueError, match=f"greater than 0; got {temperature}"):
            loss(S, teacher, temperature=temperature)


@pytest.mark.parametrize("loss", [soft_targets, matched_logits, matched_raw_logits])
def test_other_classes_or_another_batch_are_refused(loss):
    for teacher in (T[:, :2], T[:1]):
        with pytest.raises(ValueError, match=r"same samples and classes; got \(2, 3\) and \("):
            loss(S, teacher)


def test_teachers_that_are_none_or_do_not_fit_are_refused():
    for teacher in (MEMBERS[:0], T):
        with pytest.raises(ValueError, match=r"at least one teacher, stacked as \(members, 2, 3\); got"):
            averaged_targets(S, teacher)
    with pytest.raises(ValueError, match=r"same samples and classes; got \(2, 3\) and \(2, 2\)"):
        averaged_targets(S, MEMBERS[..., :2])


def test_two_opposite_certainties_meet_in_the_middle():
    certain = torch.tensor([[[9.0, -9.0]], [[-9.0, 9.0]]])
    assert averaged_targets(torch.zeros(1, 2), certain, 1.0).item() == pytest.approx(0, abs=1e-6)
    assert soft_targets(torch.zeros(1, 2), certain[0], 1.0).item() == pytest.approx(log(2), abs=1e-6)
