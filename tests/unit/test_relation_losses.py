import pytest
import torch

from tutelage.losses.correlation import correlation_congruence
from tutelage.losses.cosine_table import cosine_table
from tutelage.losses.pkt import pkt
from tutelage.losses.rkd import angles, distances
from tutelage.losses.similarity_preserving import directions, gram_matrix, similarity_preserving

LOSSES = [distances, angles, similarity_preserving, cosine_table, correlation_congruence, pkt]
BLIND_TO_SHIFTS = [distances, angles]
BLIND_TO_EACH_SCALE = [cosine_table, correlation_congruence, pkt]


def drawn():
    return torch.randn(6, 4, dtype=torch.float64), torch.randn(6, 9, dtype=torch.float64)


def turned(rows):
    return rows @ torch.linalg.qr(torch.randn(rows.shape[1], rows.shape[1], dtype=rows.dtype))[0]


@pytest.mark.parametrize("loss", LOSSES)
class TestEvery:
    def test_is_blind_to_the_scale_and_rotation_of_either_network(self, loss):
        student, teacher = drawn()
        torch.testing.assert_close(loss(7.5 * turned(student), teacher), loss(student, teacher))
        torch.testing.assert_close(loss(student, 0.2 * turned(teacher)), loss(student, teacher))

    def test_is_blind_to_shifts_only_if_it_relates_differences(self, loss):
        student, teacher = drawn()
        shifted = loss(student + torch.randn(4, dtype=torch.float64), teacher)
        assert torch.allclose(shifted, loss(student, teacher)) == (loss in BLIND_TO_SHIFTS)

    def test_is_blind_to_the_scale_of_a_single_sample_only_if_it_relates_cosines(self, loss):
        student, teacher = drawn()
        scaled = student * torch.linspace(1, 4, 6, dtype=torch.float64)[:, None]
        assert torch.allclose(loss(scaled, teacher), loss(student, teacher)) == (loss in BLIND_TO_EACH_SCALE)

    def test_finds_a_turned_teacher_perfect(self, loss):
        _, teacher = drawn()
        assert loss(turned(teacher), teacher).abs() < 1e-9

    def test_takes_maps_as_rows_of_numbers(self, loss):
        student, teacher = torch.randn(3, 2, 4, 4), torch.randn(3, 5, 2, 2)
        torch.testing.assert_close(loss(student, teacher), loss(student.flatten(1), teacher.flatten(1)))

    @pytest.mark.parametrize("row", [torch.zeros(1, 4), torch.tensor([[0.3, -1.2, 0.5, 2.0]])], ids=["zeros", "copies"])
    def test_samples_that_are_all_the_same_leave_value_and_gradient_finite(self, loss, row):
        for teacher in (torch.randn(5, 3), torch.ones(5, 3)):
            student = row.repeat(5, 1).requires_grad_()
            value = loss(student, teacher)
            value.backward()
            assert value.isfinite() and student.grad.isfinite().all() and student.grad.abs().max() < 10

    def test_two_samples_that_are_the_same_among_others_leave_the_gradient_finite(self, loss):
        student = torch.randn(5, 3)[[0, 0, 1, 2, 3]].requires_grad_()
        loss(student, torch.randn(5, 3)).backward()
        assert student.grad.isfinite().all()

    def test_refuses_a_single_sample_and_another_batch(self, loss):
        for student, teacher in ((torch.ones(1, 2), torch.ones(1, 3)), (torch.ones(2, 2), torch.ones(3, 3))):
            with pytest.raises(ValueError, match=r"at least two samples, the same for student and teacher; got \("):
                loss(student, teacher)


def test_copies_of_one_sample_are_all_similar():
    rows = torch.randn(1, 4).repeat(5, 1)
    assert similarity_preserving(rows, 3 * torch.randn(1, 7).repeat(5, 1)) < 1e-12


def test_the_table_of_similarities_has_rows_of_length_one_and_is_not_symmetric():
    table = directions(gram_matrix(torch.randn(6, 4)))
    torch.testing.assert_close(table.norm(dim=1), torch.ones(6))
    assert not torch.allclose(table, table.T)


def test_rows_of_the_table_have_euclidean_length_one_and_not_the_sum_one_that_some_code_divides_by():
    student, teacher = drawn()
    wrong = [g / g.abs().sum(1, keepdim=True) for g in (student @ student.T, teacher @ teacher.T)]
    assert similarity_preserving(student, teacher) > 2 * (wrong[0] - wrong[1]).square().mean()


def test_the_gradient_of_the_distances_passes_their_mean():
    student = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    distances(student, torch.randn(6, 4, dtype=torch.float64)).backward()
    assert (student * student.grad).sum().abs() < 1e-12  # a step along the features themselves only scales them


def test_opposite_samples_are_never_neighbours_and_still_finite():
    student = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    value = pkt(student, torch.eye(2))
    value.backward()
    assert value.isfinite() and value > 0 and student.grad.isfinite().all()


def test_a_correlation_of_no_powers_is_refused():
    with pytest.raises(ValueError, match="at least 1, or all samples are alike; got 0"):
        correlation_congruence(torch.eye(2), torch.eye(2), order=0)


@pytest.mark.parametrize("loss", LOSSES)
def test_is_multiplied_in_full_precision_under_autocast(loss):
    student, teacher = torch.randn(6, 4), torch.randn(6, 9)
    with torch.autocast("cpu", torch.bfloat16):
        lifted = loss(student, teacher)
    torch.testing.assert_close(lifted, loss(student, teacher))
