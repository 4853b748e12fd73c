import pytest
import torch
from torch.nn import functional as F

from tutelage.losses import rkd
from tutelage.losses.correlation import correlation_congruence
from tutelage.losses.cosine_table import cosine_table
from tutelage.losses.pkt import pkt
from tutelage.losses.rkd import angles, distances
from tutelage.losses.similarity_preserving import directions, gram_matrix, near_one, similarity_preserving
from tutelage.measures.memory import peak_bytes

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


class TestAnglesInSlabs:
    @staticmethod
    def at_once(student, teacher, compare=F.smooth_l1_loss):
        """All cosines in memory, and autograd's own gradient."""
        rows = [near_one(x) for x in (student, teacher)]
        return compare(*(gram_matrix(directions(x.unsqueeze(0) - x.unsqueeze(1), shortest=rkd.NEAREST)) for x in rows))

    @pytest.mark.parametrize("compare", [F.smooth_l1_loss, F.mse_loss, F.l1_loss])
    @pytest.mark.parametrize(("num", "student_width", "teacher_width"), [(2, 4, 3), (3, 1, 5), (7, 5, 5), (16, 3, 33)])
    @pytest.mark.parametrize("samples", [1, 3, 100])
    def test_are_those_of_all_at_once(self, monkeypatch, compare, num, student_width, teacher_width, samples):
        monkeypatch.setattr(rkd, "AT_ONCE", samples * num**2)
        student, teacher = (torch.randn(num, width, dtype=torch.float64) for width in (student_width, teacher_width))
        found = []
        for loss in (angles, self.at_once):
            leaves = [x.clone().requires_grad_() for x in (student, teacher)]
            value = 3 * loss(*leaves, compare)
            found.append([value.detach(), *torch.autograd.grad(value, leaves)])
        for ours, plain in zip(*found, strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("samples", [1, 2, 100])
    def test_have_the_gradient_of_finite_differences(self, monkeypatch, samples):
        monkeypatch.setattr(rkd, "AT_ONCE", samples * 25)
        leaves = [torch.randn(5, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
        for wanted in ((True, True), (True, False), (False, True)):
            for leaf, moves in zip(leaves, wanted, strict=True):
                leaf.requires_grad_(moves)
            assert torch.autograd.gradcheck(angles, leaves)

    def test_refuse_a_second_derivative_which_would_be_no_number(self):
        student, teacher = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3)
        with pytest.raises(RuntimeError, match=r"without create_graph=True, or use rkd\.distances"):
            torch.autograd.grad(angles(student, teacher), student, create_graph=True)
        (slope,) = torch.autograd.grad(self.at_once(student, teacher), student, create_graph=True)
        assert torch.autograd.grad(slope.sum(), student)[0].isnan().all()

    def test_need_no_gradient_where_nobody_wants_one(self):
        student = torch.randn(4, 3)
        assert not angles(student, torch.randn(4, 3)).requires_grad
        with torch.no_grad():
            assert not angles(student.requires_grad_(), torch.randn(4, 3)).requires_grad

    def test_are_the_same_bits_each_time_in_the_type_of_the_rows(self, monkeypatch):
        monkeypatch.setattr(rkd, "AT_ONCE", 200)
        student, teacher = torch.randn(9, 4), torch.randn(9, 4)
        for given, expected in ((torch.float64, torch.float64), (torch.float32, torch.float32),
                                (torch.bfloat16, torch.float32), (torch.float16, torch.float32)):  # fmt: skip
            one, other = (angles(student.to(given), teacher.to(given)) for _ in range(2))
            assert one.dtype is expected and torch.equal(one, other)

    def test_never_hold_all_cosines(self, monkeypatch):
        monkeypatch.setattr(rkd, "AT_ONCE", 2 * 64**2)
        student, teacher = torch.randn(64, 8, requires_grad=True), torch.randn(64, 8)
        assert peak_bytes(lambda: angles(student, teacher).backward()) < 4 * 64**3 / 2
