"""Values of the losses of several teachers, and where they come from.

*worked*: computed in float64 by plain numpy from the published equations, independently of this package (``F1``,
``F2``, ``F4``: equations of arXiv:1910.10699 and of arXiv:1503.02531).
*code*: by running the public code of the paper on the same inputs, in float64: ``CAMKD`` and the logit loss of
github.com/Rorozhl/CA-MKD (commit c2f39a9), times the number of teachers, by which it divides once more; and
``find_optimal_svm`` of github.com/AnTuo1998/AE-KD (commit 68f490e) with scikit-learn 1.9, whose solver stops at 1e-6 of
what it minimises: up to 1e-6 on these inputs, up to 0.014 on others, where ours is always the shorter vector.
"""

from itertools import permutations

import pytest
import torch
from torch import nn

from tutelage.losses.adaptive import adaptive_targets, least_norm_weights
from tutelage.losses.confident import ConfidentFeatures, confidence_weights, confident_targets
from tutelage.losses.crd import CRD
from tutelage.losses.kd import arithmetic, averaged_targets, geometric, soft_targets


def float64(values):
    return torch.tensor(values, dtype=torch.float64)


S = float64([[1.5, 0.2, -0.3], [0.0, 0.4, 1.0]])
FIRST = float64([[2.0, 1.0, 0.1], [0.5, -1.0, 3.0]])
SECOND = float64([[0.0, 2.0, 1.0], [1.0, 0.0, 2.0]])
THIRD = float64([[-0.5, 0.6, 0.2], [0.3, 1.2, -0.8]])
TWO, THREE = torch.stack([FIRST, SECOND]), torch.stack([FIRST, SECOND, THIRD])
TARGET = torch.tensor([0, 2])


def gradients(student, members, temperature=4.0):
    """Of each member's divergence at the logits, averaged over the batch, by autograd."""
    student = student.detach().requires_grad_()
    losses = [soft_targets(student, member, temperature) for member in members]
    return torch.stack([torch.autograd.grad(loss, student)[0].mean(0) for loss in losses])


class TestAdaptiveTargets:
    @pytest.mark.parametrize(
        ("members", "tolerance", "weights", "value"),
        [
            (TWO, 1.0, [0.477084, 0.522916], 0.540078),
            (TWO, 0.6, [0.477084, 0.522916], 0.540078),
            (THREE, 1.0, [0.529353, 0.0, 0.470647], 0.542845),
            (THREE, 0.6, [0.529353, 0.0, 0.470647], 0.542845),
            (THREE, 0.5, [0.5, 0.0, 0.5], 0.547693),
        ],
    )
    def test_the_values_of_the_public_code(self, members, tolerance, weights, value):
        found = least_norm_weights(gradients(S, members), tolerance)
        torch.testing.assert_close(found, float64(weights), atol=1e-6, rtol=0)
        assert adaptive_targets(S, members, S, 4.0, tolerance).item() == pytest.approx(value, abs=1e-6)

    @pytest.mark.parametrize("seed", range(20))
    def test_two_members_have_the_weights_of_the_closed_form(self, seed):
        g = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        first = (((g[1] - g[0]) @ g[1]) / (g[0] - g[1]).square().sum()).clamp(0, 1)
        torch.testing.assert_close(least_norm_weights(g), torch.stack([first, 1 - first]), atol=1e-8, rtol=0)
        bounded = first.clamp(0.4, 0.6)
        torch.testing.assert_close(least_norm_weights(g, 0.6), torch.stack([bounded, 1 - bounded]), atol=1e-8, rtol=0)

    def test_the_worked_weights_of_three(self):
        """Of labels, soft targets and features in the worked example of MGDA: the same problem without a bound."""
        g = float64([[1, 0, 1], [-2, 1, 0], [0, -1, 0.7]])
        torch.testing.assert_close(least_norm_weights(g), float64([0.408475, 0.303390, 0.288136]), atol=1e-6, rtol=0)

    @pytest.mark.parametrize("tolerance", [1.0, 0.6, 0.3])
    @pytest.mark.parametrize("members", range(1, 9))
    def test_no_weights_within_the_bounds_give_a_shorter_sum(self, members, tolerance):
        """Slopes: what is below its bound may not be steeper than what is above 0."""
        g = torch.randn(members, 6, dtype=torch.float64)
        bound = max(tolerance, 1 / members)
        weights = least_norm_weights(g, tolerance)
        slopes = g @ (weights @ g)
        assert weights.sum().item() == pytest.approx(1, abs=1e-9)
        assert weights.min() >= 0 and weights.max() <= bound + 1e-9
        may_grow, may_shrink = slopes[weights < bound - 1e-7], slopes[weights > 1e-7]
        assert not len(may_grow) or may_grow.min() >= may_shrink.max() - 1e-6

    @pytest.mark.parametrize("members", range(2, 9))
    def test_without_tolerance_a_step_harms_no_member(self, members):
        student, teachers = torch.randn(9, 4, dtype=torch.float64), torch.randn(members, 9, 4, dtype=torch.float64)
        each = gradients(student, teachers)
        step = least_norm_weights(each, 1.0) @ each
        assert (each @ step >= step @ step - 1e-9).all()
        moved = student.requires_grad_()
        (whole,) = torch.autograd.grad(adaptive_targets(moved, teachers, moved.detach(), 4.0, 1.0), moved)
        torch.testing.assert_close(whole.mean(0), step, atol=1e-9, rtol=0)

    def test_members_that_say_the_same_share_evenly_whatever_their_number(self):
        g = torch.randn(1, 5, dtype=torch.float64)
        for count in range(1, 9):
            weights = least_norm_weights(g.expand(count, 5))
            torch.testing.assert_close(weights, torch.full_like(weights, 1 / count), atol=1e-5, rtol=0)
        assert torch.equal(least_norm_weights(torch.zeros(2, 3)), torch.full((2,), 0.5))

    def test_a_tolerance_below_an_equal_share_is_an_equal_share(self):
        assert torch.equal(least_norm_weights(torch.randn(4, 3), 0.1), torch.full((4,), 0.25))
        equal = torch.stack([soft_targets(S, member) for member in THREE]).mean()
        torch.testing.assert_close(adaptive_targets(S, THREE, S, tolerance=0.0), equal)

    def test_no_gradient_passes_the_weights(self):
        judged = S.clone().requires_grad_()
        value = adaptive_targets(S.clone().requires_grad_(), THREE, judged)
        assert torch.autograd.grad(value, judged, allow_unused=True) == (None,)

    def test_members_and_tolerances_that_cannot_be_are_refused(self):
        with pytest.raises(ValueError, match="1 to 8 members exactly; got 9"):
            adaptive_targets(S, S.expand(9, 2, 3), S)
        with pytest.raises(ValueError, match=r"A tolerance is from 0 to 1; got 1\.5"):
            adaptive_targets(S, TWO, S, tolerance=1.5)


class TestConfidentTargets:
    def test_the_weights_and_values_of_the_public_code(self):
        torch.testing.assert_close(
            confidence_weights(THREE, TARGET),
            float64([[0.459302, 0.460691], [0.202100, 0.446302], [0.338599, 0.093007]]), atol=1e-6, rtol=0,
        )  # fmt: skip
        torch.testing.assert_close(
            confidence_weights(TWO, TARGET), float64([[0.879804, 0.577357], [0.120196, 0.422643]]), atol=1e-6, rtol=0
        )
        assert confident_targets(S, TWO, TARGET).item() == pytest.approx(2 * 0.1866675588, abs=1e-6)
        assert confident_targets(S, THREE, TARGET).item() == pytest.approx(3 * 0.1669083771, abs=1e-6)

    def test_weights_of_a_sample_sum_to_one_and_none_exceeds_its_share(self):
        weights = confidence_weights(torch.randn(5, 7, 4) * 3, torch.randint(4, (7,)))
        torch.testing.assert_close(weights.sum(0), torch.ones(7))
        assert weights.min() >= 0 and weights.max() <= 1 / 4 + 1e-6

    def test_a_member_that_rules_the_label_out_counts_nothing(self):
        members = THREE.clone()
        members[1, 0, 0] = -torch.inf
        weights = confidence_weights(members, TARGET)
        assert weights[1, 0] == 0 and weights.isfinite().all()
        assert confident_targets(S, members, TARGET).isfinite()

    @pytest.mark.parametrize("target", [None, torch.tensor([0]), torch.tensor([0.0, 1.0])])
    def test_labels_are_needed(self, target):
        with pytest.raises(ValueError, match=r"told by the labels, one class for each.*take averaged_targets"):
            confident_targets(S, THREE, target)

    def test_a_label_outside_the_classes_is_refused(self):
        with pytest.raises(ValueError, match="Labels are from 0 to 2"):
            confident_targets(S, THREE, torch.tensor([0, 3]))


class TestConfidentFeatures:
    """Means over a single place; ``maps`` and ``heads`` are given, so that only the loss itself is compared."""

    STUDENT = float64([[1, 0], [0.5, 2], [-1, 1]])
    TEACHERS = (float64([[2, 1, 0], [0, 1, 3], [1, -1, 1]]), float64([[0, 1], [1, 1], [2, -1]]))

    def loss(self):
        weights = [[[1, 0], [0, 1], [1, 1]], [[0.5, 1], [-1, 0]]]
        heads = [
            ([[1, 0, 0.5], [0, 1, -0.5], [-1, 0.2, 1]], [0.1, 0, -0.1]),
            ([[1, -1], [0.5, 0], [0, 2]], [0, 0.2, 0]),
        ]
        return ConfidentFeatures([linear(*head) for head in heads], [linear(weight) for weight in weights])

    def test_the_value_of_the_public_code(self):
        value = self.loss()(self.STUDENT, self.TEACHERS, torch.tensor([0, 1, 2]))
        assert value.item() == pytest.approx(2 * 1.0000873697, abs=1e-6)

    def test_maps_train_and_heads_do_not(self):
        loss = self.loss()
        loss(self.STUDENT, self.TEACHERS, torch.tensor([0, 1, 2])).backward()
        assert all(p.grad.abs().sum() > 0 for p in loss.parameters())
        assert {name.partition(".")[0] for name, _ in loss.named_parameters()} == {"maps"}
        assert not any(name.startswith("judges") for name in loss.state_dict())

    def test_maps_of_other_sizes_are_averaged_down_or_interpolated_up(self):
        loss = ConfidentFeatures([nn.Linear(4, 3)] * 2, [nn.Identity(), nn.Identity()])
        teachers = [torch.randn(2, 4, 2, 2), torch.randn(2, 4, 8, 8)]
        assert loss(torch.randn(2, 4, 4, 4), teachers, torch.tensor([0, 1])).isfinite()

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(ValueError, match="a head and a map for each of one or more teachers; got 0 heads"):
            ConfidentFeatures([], [])
        with pytest.raises(ValueError, match="features of 2 teachers; got 1"):
            self.loss()(self.STUDENT, self.TEACHERS[:1], torch.tensor([0, 1, 2]))
        with pytest.raises(ValueError, match="told by the labels"):
            self.loss()(self.STUDENT, self.TEACHERS, None)
        with pytest.raises(ValueError, match="must have one shape"):
            self.loss()(self.STUDENT, self.TEACHERS[::-1], torch.tensor([0, 1, 2]))


def linear(weight, bias=None):
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(float64(weight))
        if bias is not None:
            layer.bias.copy_(float64(bias))
    return layer


def arithmetic_targets(student, teacher, _target):
    return averaged_targets(student, teacher, average=arithmetic)


def geometric_targets(student, teacher, _target):
    return averaged_targets(student, teacher, average=geometric)


def tolerant_targets(student, teacher, _target):
    return adaptive_targets(student, teacher, student.detach())


JOINT = [arithmetic_targets, geometric_targets, tolerant_targets, confident_targets]


@pytest.mark.parametrize("loss", JOINT, ids=lambda loss: loss.__name__)
class TestEveryTargetOfSeveral:
    def test_one_member_is_plain_soft_targets(self, loss):
        torch.testing.assert_close(loss(S, FIRST[None], TARGET), soft_targets(S, FIRST))

    def test_identical_members_are_one(self, loss):
        torch.testing.assert_close(loss(S, torch.stack([FIRST] * 5), TARGET), soft_targets(S, FIRST))

    def test_the_order_of_the_members_changes_nothing(self, loss):
        ways = []
        for order in permutations(range(3)):
            student = S.clone().requires_grad_()
            value = loss(student, THREE[list(order)], TARGET)
            ways.append((value.detach(), *torch.autograd.grad(value, student)))
        for way in ways[1:]:
            torch.testing.assert_close(way, ways[0], atol=1e-9, rtol=0)

    def test_a_list_is_as_good_as_a_stack(self, loss):
        torch.testing.assert_close(loss(S, list(THREE), TARGET), loss(S, THREE, TARGET))

    @pytest.mark.parametrize(
        ("members", "words"),
        [
            ([], r"at least one teacher; got none"),
            (THREE[:0], r"at least one teacher, stacked as \(members, 2, 3\); got \(0, 2, 3\)"),
            (FIRST, r"stacked as \(members, 2, 3\); got \(2, 3\)"),
            ([FIRST, FIRST[:, :2]], r"the same samples and classes; got \(2, 3\) and \(2, 2\)"),
            (THREE[:, :, :2], r"the same samples and classes; got \(2, 3\) and \(2, 2\)"),
        ],
    )
    def test_members_that_are_none_or_do_not_fit_are_refused(self, loss, members, words):
        with pytest.raises(ValueError, match=words):
            loss(S, members, TARGET)


@pytest.mark.parametrize("loss", [adaptive_targets, confident_targets, averaged_targets])
def test_classes_may_stand_in_another_dimension(loss):
    maps, labels = torch.randn(4, 2, 5, 3, 3, dtype=torch.float64), torch.randint(5, (2, 3, 3))
    flat = maps.movedim(2, -1).reshape(4, -1, 5)
    more = {adaptive_targets: (maps[0],), confident_targets: (labels,)}.get(loss, ())
    flat_more = {adaptive_targets: (flat[0],), confident_targets: (labels.reshape(-1),)}.get(loss, ())
    torch.testing.assert_close(loss(maps[0], maps[1:], *more, dim=1), loss(flat[0], flat[1:], *flat_more))


def test_the_worked_means_of_soft_targets():
    """F2, at temperature 2; and identical teachers, whose two means are the same."""
    log_p = (float64([[[2.0, 0.0, -2.0]], [[0.0, 1.0, 0.0]]]) / 2).log_softmax(-1)
    torch.testing.assert_close(
        arithmetic(log_p, None).exp(), float64([[0.469655, 0.348296, 0.182050]]), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        geometric(log_p, None).exp(), float64([[0.465836, 0.362793, 0.171371]]), atol=1e-6, rtol=0
    )
    same = torch.stack([FIRST, FIRST]).log_softmax(-1)
    torch.testing.assert_close(arithmetic(same, None), geometric(same, None))


def test_the_worked_contrast():
    """F1: scores that are normalised already, of two samples with three negatives each among 1000."""
    scores = float64([[0.02, 0.0005, 0.001, 0.0002], [0.001, 0.003, 0.0001, 0.0004]]).log()
    loss = CRD(2, 2, 1000, negatives=3).double()
    value = loss._contrast((scores[:, 0], scores[:, 1:]), torch.ones(()).double(), None)
    assert value.item() == pytest.approx(1.441860, abs=1e-6)


@pytest.mark.parametrize(
    ("temperature", "worked"), [(1.0, [-0.240206, 0.120058, 0.120148]), (20.0, [-0.224710, 0.144142, 0.080568])]
)
def test_the_worked_gradients_of_one_teacher_among_several_equal_ones(temperature, worked):
    """F4, one sample."""
    student, teacher = float64([[0.3, -0.1, 0.2]]).requires_grad_(), float64([[1.0, -0.5, 0.0]])
    averaged_targets(student, torch.stack([teacher] * 3), temperature).backward()
    torch.testing.assert_close(student.grad, float64([worked]), atol=1e-6, rtol=0)
