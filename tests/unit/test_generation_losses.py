"""Soft cross entropy, labels weighed by confidence, and dark knowledge that went to the wrong classes."""

import pytest
import torch
from torch.nn import functional as F

from examples import SGD, bits, mlp, same, vectors
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.born_again import (
    confidence_shares,
    confidence_weighted,
    permuted,
    soft_cross_entropy,
    with_permuted_teacher,
)
from tutelage.losses.kd import soft_targets
from tutelage.losses.wsl import wsl
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import frozen

LABEL = torch.tensor([0, 2, 1, 3, 4, 0, 1, 2])
DARK = with_permuted_teacher(soft_cross_entropy)


@pytest.fixture
def student():
    return torch.randn(8, 5, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def teacher():
    return torch.randn(8, 5, dtype=torch.float64)


def gradient(loss, student):
    return torch.autograd.grad(loss, student)[0]


def test_cross_entropy_and_divergence_have_one_gradient_and_differ_by_the_teachers_entropy(student, teacher):
    cross, divergence = soft_cross_entropy(student, teacher), soft_targets(student, teacher, 1.0)
    torch.testing.assert_close(gradient(cross, student), gradient(divergence, student), atol=1e-12, rtol=0)
    entropy = torch.distributions.Categorical(logits=teacher).entropy().mean()
    torch.testing.assert_close(cross - divergence, entropy)
    assert soft_cross_entropy(teacher, teacher) == pytest.approx(entropy.item())


def test_soft_cross_entropy_of_a_teacher_that_is_certain_is_that_of_its_labels(student):
    certain = torch.where(F.one_hot(LABEL, 5).bool(), 0.0, -torch.inf).double()
    torch.testing.assert_close(soft_cross_entropy(student, certain), F.cross_entropy(student, LABEL))


def test_shares_of_a_batch_are_one_in_all_and_grow_with_the_teachers_confidence(teacher):
    shares = confidence_shares(teacher)
    assert shares.shape == (8, 1) and shares.sum().item() == pytest.approx(1)
    assert torch.equal(shares.flatten().argsort(), teacher.softmax(-1).amax(-1).argsort())


def test_a_teacher_equally_sure_of_everything_weighs_all_labels_alike(student, teacher):
    one = teacher[:1].expand(8, 5)
    torch.testing.assert_close(confidence_weighted(student, one, LABEL), F.cross_entropy(student, LABEL))
    assert not torch.allclose(confidence_weighted(student, teacher, LABEL), F.cross_entropy(student, LABEL))


def test_which_classes_a_teacher_holds_likely_does_not_matter_to_its_confidence(student, teacher):
    shuffled = teacher.gather(1, torch.rand(8, 5).argsort(1))
    torch.testing.assert_close(
        confidence_weighted(student, teacher, LABEL), confidence_weighted(student, shuffled, LABEL)
    )


def test_permuting_keeps_the_largest_in_its_place_and_every_value(teacher):
    dealt = permuted(teacher)
    assert torch.equal(dealt.max(-1).values, teacher.max(-1).values)
    assert torch.equal(dealt.argmax(-1), teacher.argmax(-1))
    assert torch.equal(dealt.sort(-1).values, teacher.sort(-1).values)
    assert not torch.equal(dealt, teacher)


def test_each_sample_is_dealt_for_by_itself_and_every_order_is_as_likely():
    same_row = torch.tensor([[4.0, 1.0, 2.0, 3.0]]).expand(6000, 4)
    orders, counts = permuted(same_row)[:, 1:].unique(dim=0, return_counts=True)
    assert len(orders) == 6 and (counts - 1000).abs().max() < 5 * 1000**0.5


def test_what_is_ruled_out_and_equal_largest_ones_stay_where_they_are():
    row = torch.tensor([[-torch.inf, 7.0, 7.0, -torch.inf, 1.0, 2.0]])
    dealt = torch.cat([permuted(row) for _ in range(50)])
    assert (dealt[:, [0, 3]] == -torch.inf).all() and (dealt[:, 1] == 7).all()
    assert {(a, b, c) for a, b, c in dealt[:, [2, 4, 5]].tolist()} > {(7, 1, 2), (1, 7, 2), (2, 1, 7)}


def test_classes_in_the_second_dimension_of_maps_are_permuted_place_by_place():
    maps = torch.randn(3, 5, 2, 2)
    rows = permuted(maps.movedim(1, -1), lambda x: torch.arange(5.0).flip(0).expand(x.shape)).movedim(-1, 1)
    dealt = permuted(maps, lambda x: torch.arange(5.0).flip(0).view(1, 5, 1, 1).expand(x.shape), dim=1)
    assert torch.equal(dealt, rows)
    assert with_permuted_teacher(soft_cross_entropy)(maps, maps, dim=1).isfinite()


def test_each_call_deals_anew_and_torchs_seed_brings_it_back(student, teacher):
    torch.manual_seed(5)
    first, second = DARK(student, teacher), DARK(student, teacher)
    torch.manual_seed(5)
    assert first != second and DARK(student, teacher) == first


def test_any_loss_of_logits_is_lifted_with_its_other_arguments_and_its_promise(student, teacher):
    backwards = with_permuted_teacher(wsl, lambda x: -torch.arange(5.0).expand(x.shape))
    dealt = permuted(teacher, lambda x: -torch.arange(5.0).expand(x.shape))
    assert backwards(student, teacher, LABEL, student, 3.0) == wsl(student, dealt, LABEL, student, 3.0)
    with pytest.raises(ValueError, match="confidence_weighted relates the samples of a batch"):
        Term(with_permuted_teacher(confidence_weighted), "student.output", "teacher.output", "batch.target")


def test_a_term_of_confidence_says_that_it_relates_the_samples():
    seen = "student.output", "teacher.output", "batch.target"
    with pytest.raises(ValueError, match=r"confidence_weighted relates the samples .* across=True"):
        Term(confidence_weighted, *seen)
    assert Term(confidence_weighted, *seen, across=True).across


def trained(objective, batches):
    student = mlp(6, seed=3)
    learner = Learner(student, objective, SGD, teachers={"teacher": frozen(mlp(12, seed=4))})
    return student, train({"student": learner}, batches, 2)


@pytest.mark.parametrize("loss", [soft_cross_entropy, DARK])
def test_a_transfer_set_needs_no_labels(loss):
    term = Term(loss, "student.output", "teacher.output")
    students = []
    for batches in (vectors(), [{"input": batch["input"]} for batch in vectors()]):
        torch.manual_seed(7)
        student, training = trained(Objective(soft=term), batches)
        list(training)
        students.append(bits(student))
    assert same(*students) and not same(students[0], bits(mlp(6, seed=3)))


def test_labels_that_are_wanted_and_not_there_are_missed_by_name():
    unlabelled = [{"input": batch["input"]} for batch in vectors()]
    term = Term(confidence_weighted, "student.output", "teacher.output", "batch.target", across=True)
    with pytest.raises(ValueError, match=r"Nothing at 'batch\.target'"):
        trained(Objective(confidence=term), unlabelled)
