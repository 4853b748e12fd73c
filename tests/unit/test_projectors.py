"""Projectors are initialised lazily, train with the student, are no part of it, and survive a resume."""

from copy import deepcopy

import pytest
import torch
from torch import Size, nn
from torch.nn import functional as F

from examples import SGD, bits, cnn, images, label, same
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.attention import attention_maps
from tutelage.losses.crd import CRD
from tutelage.losses.hint import half_squares, mean_squares, normed_regressor, regressor
from tutelage.losses.overhaul import PartialSquares, margins, published_weights
from tutelage.losses.overhaul import connector as overhaul_connector
from tutelage.losses.srrl import SoftmaxRegression, connector
from tutelage.losses.vid import VariationalInformation
from tutelage.matching.one_to_one import one_to_one
from tutelage.matching.projected import LazyLoss, Projected, pointwise, projected
from tutelage.matching.review import Review
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import frozen

TEACHER = cnn(6, seed=1)
MADE_UP_FOR = {"fitnets": {"feature.loss.module.projector.0.bias"}}
"""By the batch norm behind it: its gradient is 0, but for rounding on some processors."""


def ways():
    """Every method with weights that trains beside a student of other channels."""
    pairs = ["student.1", "student.4"], ["teacher.1", "teacher.4"]
    norms = [TEACHER[1], TEACHER[4]]
    return {
        "hint": Term(projected(mean_squares), "student.4", "teacher.4"),
        "fitnets": Term(projected(half_squares, normed_regressor), "student.4", "teacher.4", weight=0.01),
        "srrl": Term(projected(SoftmaxRegression(TEACHER[8]), connector), "student.5", "teacher.8:input"),
        "vid": Term(one_to_one([LazyLoss(VariationalInformation.between) for _ in norms]), *pairs),
        "overhaul": Term(
            one_to_one(
                [projected(PartialSquares(margins(norm)), overhaul_connector) for norm in norms], published_weights(2)
            ),
            *pairs,
        ),
        "review": Term(Review([4, 8], [6, 12]), *pairs),
        "crd": Term(CRD(8, 12, 32, negatives=10, width=16), "student.7", "teacher.7", "batch.index"),
    }


def numbered():
    return [{**batch, "index": 8 * i + torch.arange(8)} for i, batch in enumerate(images())]


def learner(term):
    return Learner(cnn(4), Objective(label=label(), feature=term), SGD, teachers={"teacher": frozen(TEACHER)})


@pytest.mark.parametrize("way", ways())
class TestWeights:
    def test_train_with_the_student_and_are_no_part_of_it(self, way):
        torch.manual_seed(0)
        taught = learner(ways()[way])
        names, size = list(taught.student.state_dict()), sum(p.numel() for p in taught.student.parameters())
        training = train({"student": taught}, numbered(), 1)
        before = {name: p.clone() for name, p in taught.objective.named_parameters()}
        assert before
        list(training)
        still = {name for name, p in taught.objective.named_parameters() if torch.equal(p, before[name])}
        assert still <= MADE_UP_FOR.get(way, set())
        assert list(taught.student.state_dict()) == names
        assert sum(p.numel() for p in taught.student.parameters()) == size

    def test_survive_a_resume_to_the_same_bits(self, way):
        def made():
            torch.manual_seed(0)
            return learner(ways()[way])

        whole, first, second = made(), made(), made()
        torch.manual_seed(3)  # what negatives are drawn from
        list(train({"student": whole}, numbered(), 2))
        torch.manual_seed(3)
        halfway = train({"student": first}, numbered(), 2)
        next(iter(halfway))
        state = deepcopy(halfway.state_dict())
        torch.manual_seed(9)  # what the projectors start from is no matter any more
        resumed = train({"student": second}, numbered(), 2)
        resumed.load_state_dict(state)
        list(resumed)
        assert same(bits(whole.objective), bits(second.objective)) and same(bits(whole.student), bits(second.student))


class TestProjected:
    def test_is_the_loss_behind_the_projector(self):
        s, t, projector = torch.randn(5, 3), torch.randn(5, 4), nn.Linear(3, 4)
        torch.testing.assert_close(Projected(mean_squares, projector)(s, t), mean_squares(projector(s), t))

    @pytest.mark.parametrize(
        ("student", "teacher"),
        [
            ((2, 3, 8, 8), (2, 5, 8, 8)),
            ((2, 3, 8, 6), (2, 5, 4, 3)),
            ((2, 3, 8, 8), (2, 5)),
            ((2, 3), (2, 5)),
            ((2, 7, 3), (2, 7, 5)),
        ],
    )
    def test_a_pointwise_map_is_made_to_measure(self, student, teacher):
        assert pointwise(Size(student), Size(teacher))(torch.randn(student)).shape == teacher

    def test_what_no_pointwise_map_can_do_is_refused(self):
        with pytest.raises(ValueError, match="student's map, 4×4, is smaller than the teacher's, 8×8"):
            pointwise(Size([2, 3, 4, 4]), Size([2, 5, 8, 8]))
        for student, teacher in (((2, 3), (2, 5, 8, 8)), ((2, 7, 3), (2, 6, 5)), ((2,), (2,))):
            with pytest.raises(ValueError, match=r"No linear map of channels takes \(2,"):
                pointwise(Size(student), Size(teacher))

    def test_shapes_are_not_first_seen_while_gradients_are_recorded(self):
        loss = projected(mean_squares)
        with pytest.raises(ValueError, match=r"see one batch before the optimizer is built.*under torch\.no_grad"):
            loss(torch.randn(2, 3), torch.randn(2, 5))

    def test_a_rehearsal_leaves_statistics_alone_and_the_mode_as_it_was(self):
        loss = projected(mean_squares, normed_regressor).eval()
        with torch.no_grad():
            loss(torch.randn(2, 3, 4, 4), torch.randn(2, 5, 4, 4))
        assert not any(module.training for module in loss.modules())
        assert not any("unseen" in name for name, _ in loss.named_parameters())

    def test_a_term_that_nobody_rehearses_is_noticed(self):
        taught = learner(Term(projected(mean_squares), "student.4", "teacher.4", weight=0.0))
        with pytest.raises(ValueError, match=r"feature\.loss\.unseen.*never got a shape"):
            train({"student": taught}, images(), 1)


class TestOneToOne:
    S = (torch.randn(2, 3, 8, 8), torch.randn(2, 6, 4, 4), torch.randn(2, 2, 4, 4))
    T = (torch.randn(2, 3, 8, 8), torch.randn(2, 6, 4, 4), torch.randn(2, 2, 4, 4))

    def test_is_the_mean_over_pairs_or_a_weighted_sum(self):
        each = torch.stack([attention_maps(s, t) for s, t in zip(self.S, self.T, strict=True)])
        torch.testing.assert_close(one_to_one(attention_maps)(self.S, self.T), each.mean())
        weighted = one_to_one(attention_maps, [1, 0, 3])
        torch.testing.assert_close(weighted(self.S, self.T), each[0] + 3 * each[2])

    def test_each_pair_may_have_its_own_loss(self):
        matched = one_to_one([half_squares, mean_squares])
        by_hand = (half_squares(self.S[0], self.T[0]) + mean_squares(self.S[1], self.T[1])) / 2
        torch.testing.assert_close(matched(self.S[:2], self.T[:2]), by_hand)

    def test_weights_shared_by_all_pairs_are_owned_once(self):
        shared = Projected(mean_squares, nn.Conv2d(3, 3, 1))
        assert len(list(one_to_one(shared).parameters())) == 2
        assert len(list(one_to_one([shared, shared]).parameters())) == 2

    def test_a_copy_trains_its_own_weights(self):
        first = one_to_one([Projected(mean_squares, nn.Conv2d(3, 3, 1))])
        second = deepcopy(first)
        second(self.S[:1], self.T[:1]).backward()
        assert all(p.grad is not None for p in second.parameters()) and all(p.grad is None for p in first.parameters())

    def test_lists_that_do_not_fit_are_refused(self):
        for matched, s, t, counts in (
            (one_to_one(mean_squares), self.S, self.T[:2], "got 3 of the student, 2 of the teacher"),
            (one_to_one(mean_squares), [], [], "got 0 of the student"),
            (one_to_one([mean_squares] * 2), self.S, self.T, "got 3 of the student, 3 of the teacher and 2 losses"),
            (one_to_one(mean_squares, [1.0]), self.S, self.T, "one a pair of layers; got 1 for 3 pairs"),
        ):
            with pytest.raises(ValueError, match=counts):
                matched(s, t)
        with pytest.raises(ValueError, match=r"from 0 to 1e\+18; got -1.0"):
            one_to_one(mean_squares, [-1.0])
        with pytest.raises(ValueError, match="empty list of losses"):
            one_to_one([])


class TestReview:
    STUDENT, TEACHER = (4, 6, 8), (3, 5, 7)
    SIZES = ((8, 8), (4, 4), ())

    def layers(self, channels):
        return [torch.randn(2, c, *size) for c, size in zip(channels, self.SIZES, strict=True)]

    def test_a_layer_of_the_teacher_teaches_the_layer_of_its_depth_and_all_that_are_deeper(self):
        review, teacher = Review(self.STUDENT, self.TEACHER), self.layers(self.TEACHER)
        plain = review.loss
        for taught in range(3):
            student = [x.requires_grad_() for x in self.layers(self.STUDENT)]
            levels = []
            review.loss = lambda s, t, levels=levels: levels.append(plain(s, t)) or levels[-1]
            review(student, teacher)
            gradients = torch.autograd.grad(levels[2 - taught], student, allow_unused=True)  # the deepest comes first
            assert [gradient is not None for gradient in gradients] == [depth >= taught for depth in range(3)]

    def test_fusion_is_that_of_the_paper(self):
        review = Review([4, 6], [3, 5]).eval()
        (s, deep), (t, deepest) = self.layers([4, 6, 8])[:2], self.layers([3, 5, 7])[:2]
        upper, lower = review.fusions
        carried = lower.narrow(deep)
        x, y = upper.narrow(s), F.interpolate(carried, (8, 8), mode="nearest")
        share = torch.sigmoid(upper.attention[0](torch.cat([x, y], 1)))
        fused = x * share[:, 0].view(2, 1, 8, 8) + y * share[:, 1].view(2, 1, 8, 8)
        by_hand = review.loss(lower.widen(carried), deepest) + review.loss(upper.widen(fused), t)
        torch.testing.assert_close(review([s, deep], [t, deepest]), by_hand)
        assert carried.shape[1] == 6 and lower.attention is None  # as many as the deepest has, up to 512

    def test_what_does_not_fit_is_refused(self):
        review, student, teacher = (
            Review(self.STUDENT, self.TEACHER),
            self.layers(self.STUDENT),
            self.layers(self.TEACHER),
        )
        with pytest.raises(ValueError, match="got 2 layers of the student and 3 of the teacher"):
            review(student[:2], teacher)
        with pytest.raises(ValueError, match=r"\[\(4, 3\), \(6, 5\), \(8, 7\)\] got 3 layers"):
            review(teacher, student)
        with pytest.raises(ValueError, match="trains on two samples or more at once"):
            review([x[:1] for x in student], [x[:1] for x in teacher])
        with pytest.raises(ValueError, match=r"maps .* or vectors .* got \(2, 4, 8\)"):
            review([student[0][..., 0], *student[1:]], teacher)
        with pytest.raises(ValueError, match=r"got channels \[4\] and \[\]"):
            Review([4], [])
        with pytest.raises(ValueError, match=r"shallow to deep.*got sizes \[\(4, 4\), \(8, 8\)\]"):
            Review([6, 4], [5, 3])(student[1::-1], teacher[1::-1])


def test_a_hint_of_the_paper_trains_the_layers_below_it_and_nothing_else():
    torch.manual_seed(0)
    student = cnn(4)
    before, teacher = bits(student), bits(TEACHER)
    objective = Objective(hint=Term(projected(half_squares, regressor), "student.2", "teacher.5", weight=0.01))
    list(train({"student": Learner(student, objective, SGD, teachers={"teacher": frozen(TEACHER)})}, images(), 1))
    after = bits(student)
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"0", "1"} and same(teacher, bits(TEACHER))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_what_is_made_to_measure_is_as_precise_as_what_it_sees_and_at_least_float32(dtype):
    loss = projected(mean_squares)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss(torch.randn(2, 3, dtype=dtype), torch.randn(2, 5, dtype=dtype))
    assert {weight.dtype for weight in loss.parameters()} == {torch.promote_types(dtype, torch.float32)}
