import math
from functools import partial

import pytest
import torch

from tutelage import Objective, Term
from tutelage.losses.dist import dist, uncorrelated
from tutelage.losses.dkd import dkd
from tutelage.losses.kd import soft_targets
from tutelage.losses.multi_level import batch_relations, class_relations, multi_level
from tutelage.losses.nkd import nkd
from tutelage.losses.standardized import standardized, standardized_soft_targets, z_scores
from tutelage.losses.wsl import sample_weights, wsl


def weighted(student, teacher, target, **named):
    return wsl(student, teacher, target, student, **named)


PLAIN = [dist, standardized_soft_targets, batch_relations, class_relations, multi_level]
LABELLED = [dkd, nkd, weighted]


def drawn(*shape):
    return torch.randn(*shape, dtype=torch.float64), torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("loss", PLAIN)
def test_classes_may_stand_in_any_dimension_and_every_pixel_counts_as_a_sample(loss):
    student, teacher = drawn(2, 5, 3, 2)
    flat = [x.movedim(1, -1).reshape(-1, 5) for x in (student, teacher)]
    torch.testing.assert_close(loss(student, teacher, dim=1), loss(*flat))


@pytest.mark.parametrize("dim", [1, -3])
@pytest.mark.parametrize("loss", LABELLED)
def test_every_pixel_has_a_label_where_classes_stand_before_pixels(loss, dim):
    (student, teacher), target = drawn(2, 5, 3, 2), torch.randint(5, (2, 3, 2))
    flat = [x.movedim(1, -1).reshape(-1, 5) for x in (student, teacher)]
    torch.testing.assert_close(loss(student, teacher, target, dim=dim), loss(*flat, target.flatten()))


@pytest.mark.parametrize("loss", [*PLAIN, *LABELLED])
def test_certainty_leaves_value_and_gradient_finite(loss):
    student = torch.tensor([[200.0, -200.0, 0.0], [0.0, 0.0, 0.0], [-90.0, 90.0, 0.0]], requires_grad=True)
    teacher = torch.tensor([[-200.0, 200.0, 0.0], [300.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    value = loss(student, teacher, *([torch.tensor([0, 0, 1])] if loss in LABELLED else []))
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all()


@pytest.mark.parametrize("loss", [dist, standardized_soft_targets])
def test_a_student_that_says_nothing_yet_is_not_thrown_far(loss):
    student, teacher = torch.zeros(4, 10, requires_grad=True), torch.randn(4, 10)
    loss(student, teacher).backward()
    assert student.grad.abs().max() < 10


@pytest.mark.parametrize("loss", [*PLAIN, *LABELLED])
def test_other_classes_are_refused(loss):
    target = [torch.zeros(2, dtype=torch.long)] if loss in LABELLED else []
    with pytest.raises(ValueError, match=r"same samples and classes; got \(2, 3\) and \(2, 2\)"):
        loss(torch.zeros(2, 3).requires_grad_() + torch.eye(2, 3), torch.eye(2, 2), *target)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
@pytest.mark.parametrize("loss", [x for x in (*PLAIN, *LABELLED) if x is not multi_level])
def test_a_temperature_that_is_not_positive_is_refused(loss, temperature):
    target = [torch.zeros(2, dtype=torch.long)] if loss in LABELLED else []
    with pytest.raises(ValueError, match=f"greater than 0; got {temperature}"):
        loss(torch.eye(2, 3), torch.eye(2, 3), *target, temperature=temperature)


@pytest.mark.parametrize("temperature", [1e308, 1e19, math.inf, 1e-19, 1e-320])
@pytest.mark.parametrize("loss", [soft_targets, *(x for x in (*PLAIN, *LABELLED) if x is not multi_level)])
def test_a_temperature_whose_square_or_inverse_is_no_number_is_refused(loss, temperature):
    target = [torch.zeros(2, dtype=torch.long)] if loss in LABELLED else []
    x = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 3.0]])
    with pytest.raises(ValueError, match="A temperature is from 1e-18 to 1e\\+18; got"):
        loss(x, x, *target, temperature=temperature)
    for reached in (1e18, 1e-18):
        assert torch.isfinite(loss(x, x.flip(1), *target, temperature=reached))


def test_no_temperature_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one temperature; got none"):
        multi_level(torch.eye(2, 3), torch.eye(2, 3), temperatures=())


@pytest.mark.parametrize("loss", [x for x in PLAIN if x is not standardized_soft_targets])
def test_one_sample_has_no_relations(loss):
    with pytest.raises(ValueError, match=r"at least two samples.*got \(1, 3\) and \(1, 3\)"):
        loss(torch.eye(1, 3), torch.eye(1, 3))


@pytest.mark.parametrize("loss", LABELLED)
class TestLabels:
    def test_one_class_has_no_others(self, loss):
        with pytest.raises(ValueError, match="at least two classes; got 1"):
            loss(torch.ones(2, 1), torch.ones(2, 1), torch.zeros(2, dtype=torch.long))

    @pytest.mark.parametrize("label", [-1, 3])
    def test_a_label_outside_the_classes_is_refused(self, loss, label):
        labels = f"from {min(0, label)} to {max(0, label)}"
        with pytest.raises(
            ValueError, match=f"Labels are from 0 to 2, one for each of the 3 classes; got labels {labels}"
        ):
            loss(torch.eye(2, 3), torch.eye(2, 3), torch.tensor([0, label]))

    def test_labels_of_another_batch_are_refused(self, loss):
        with pytest.raises(ValueError, match=r"for each prediction: \(2,\) of them; got \(3,\)"):
            loss(torch.eye(2, 3), torch.eye(2, 3), torch.zeros(3, dtype=torch.long))


class TestDecoupled:
    def test_two_classes_have_nothing_but_the_right_one_to_decouple(self):
        (student, teacher), target = drawn(6, 2), torch.randint(2, (6,))
        torch.testing.assert_close(dkd(student, teacher, target), soft_targets(student, teacher, 4.0))

    def test_the_right_logit_says_nothing_about_the_others(self):
        (student, teacher), target = drawn(6, 5), torch.randint(5, (6,))
        moved = student.scatter_add(1, target[:, None], torch.randn(6, 1).double())
        others = partial(dkd, teacher=teacher, target=target, target_weight=0.0)
        torch.testing.assert_close(others(moved), others(student))


class TestNormalised:
    def test_the_right_logit_says_nothing_about_the_others(self):
        (student, teacher), target = drawn(6, 5), torch.randint(5, (6,))
        moved = student.scatter_add(1, target[:, None], torch.randn(6, 1).double())
        others = [nkd(x, teacher, target) - nkd(x, teacher, target, others_weight=0.0) for x in (student, moved)]
        torch.testing.assert_close(*others)


class TestWeighted:
    def test_a_student_that_is_sure_and_right_needs_no_teacher(self):
        weight = [
            sample_weights(torch.tensor([[x, 0.0]]), torch.zeros(1, 2), torch.tensor([0])).item() for x in (0, 9, 30)
        ]
        assert 1 - math.exp(-1) == pytest.approx(weight[0], rel=1e-5) and weight[0] > weight[1] > weight[2] >= 0
        assert weight[2] < 1e-9

    def test_no_gradient_passes_the_weights(self):
        student, judged = (torch.randn(4, 5, requires_grad=True) for _ in range(2))
        wsl(student, torch.randn(4, 5), torch.zeros(4, dtype=torch.long), judged).backward()
        assert student.grad is not None and judged.grad is None

    def test_an_objective_shows_the_student_twice(self):
        logits, teacher = torch.randn(4, 5), torch.randn(4, 5)
        target = torch.arange(4)
        objective = Objective(soft=Term(wsl, "student.output", "teacher.output", "batch.target", "student.output"))
        scene = {"student": {"output": logits}, "teacher": {"output": teacher}, "batch": {"target": target}}
        torch.testing.assert_close(objective(scene, ["soft"])["soft"], wsl(logits, teacher, target, logits))


ALL = torch.ones(6, 5, dtype=torch.bool)


class TestCorrelated:
    @pytest.mark.parametrize("dim", [0, 1])
    def test_a_positive_scale_and_a_shift_change_nothing(self, dim):
        student, teacher = drawn(6, 5)
        torch.testing.assert_close(
            uncorrelated(3 * student + 2, teacher, dim, ALL), uncorrelated(student, teacher, dim, ALL)
        )

    def test_it_is_one_less_the_correlation(self):
        student, teacher = drawn(6, 5)
        correlation = torch.stack(
            [torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(student, teacher, strict=True)]
        )
        torch.testing.assert_close(uncorrelated(student, teacher, 1, ALL), 1 - correlation.mean())

    def test_samples_that_are_all_the_same_are_at_the_teacher_and_have_a_gradient_of_zero_within_classes(self):
        student = torch.randn(1, 5).repeat(4, 1).requires_grad_()
        value = dist(student, student.detach())
        value.backward()
        assert value < 1e-6 and student.grad.abs().max() < 1e-3


class TestStandardised:
    @pytest.mark.parametrize("loss", [standardized_soft_targets, standardized(dist)])
    def test_a_positive_scale_and_a_shift_change_nothing(self, loss):
        student, teacher = drawn(6, 5)
        torch.testing.assert_close(loss(3 * student + 2, teacher), loss(student, teacher))
        torch.testing.assert_close(loss(student, 0.1 * teacher - 7), loss(student, teacher))

    def test_the_order_of_the_classes_stays(self):
        logits = torch.randn(6, 5)
        assert torch.equal(z_scores(logits).argsort(), logits.argsort())

    def test_logits_that_are_all_the_same_become_zero_without_a_gradient(self):
        logits = torch.full((2, 5), 3.0, requires_grad=True)
        z_scores(logits).square().sum().backward()
        assert not z_scores(logits).any() and not logits.grad.any()

    @pytest.mark.parametrize("loss", [dist, partial(dist, temperature=1.0)])
    def test_a_loss_that_relates_samples_still_says_so(self, loss):
        with pytest.raises(ValueError, match="across=True"):
            Term(standardized(loss), "student.output", "teacher.output")

    def test_the_dimension_of_the_classes_is_told_to_both(self):
        student, teacher = drawn(2, 5, 3)
        whole = standardized(partial(soft_targets, dim=1), dim=1)(student, teacher)
        torch.testing.assert_close(whole, standardized(soft_targets)(student.mT, teacher.mT))
