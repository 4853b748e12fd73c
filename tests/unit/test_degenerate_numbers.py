"""Numbers at an edge: constants, sizes beyond squares, maps of one size, float16. Beside the contract of losses."""

import math
from functools import partial

import pytest
import torch
from torch.nn import functional as F

from tutelage.losses.attention import attention_distance, attention_maps
from tutelage.losses.dist import dist
from tutelage.losses.kd import averaged_targets, geometric, soft_targets
from tutelage.losses.multi_level import multi_level
from tutelage.losses.overhaul import PartialSquares, margins
from tutelage.losses.pkt import pkt
from tutelage.losses.rkd import distances
from tutelage.losses.similarity_preserving import near_one, similarity_preserving
from tutelage.losses.simkd import fed_features
from tutelage.losses.standardized import z_scores
from tutelage.losses.vid import VariationalInformation
from tutelage.matching.fitted import UnitSize, sized
from tutelage.matching.one_to_one import one_to_one
from tutelage.matching.ranges import every_layer, window
from tutelage.matching.review import Fusion
from tutelage.matching.semckd import SemCKD
from tutelage.matching.similarities import QueryKey, cosine_similarity, relations
from tutelage.teachers.forms import top

SIZES = [1e-30, 1e-12, 1e-7, 0.1, 12.3, 7e3, 1e12, 1e30]
COUNTS = [(1, 10), (3, 2), (64, 100), (257, 10), (2, 1000)]


class TestConstants:
    @pytest.mark.parametrize("count", COUNTS, ids=str)
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
    def test_z_scores_are_zero_and_pass_nothing_at_any_size(self, count, dtype):
        for size in (*SIZES, *(-size for size in SIZES)):
            logits = torch.full(count, size, dtype=dtype, requires_grad=True)
            scores = z_scores(logits)
            (scores * torch.randn(count)).sum().backward()
            assert not scores.any() and not logits.grad.any()
            one_masked = torch.cat([torch.full_like(logits[:, :1], -torch.inf), logits.detach()], 1)
            assert not z_scores(one_masked)[:, 1:].any()

    def test_what_varies_by_the_last_bits_alone_is_constant(self):
        logits = torch.tensor([[12.3, 12.3 + 1e-6, 12.3, 12.3 - 1e-6]], requires_grad=True)
        z_scores(logits).square().sum().backward()
        assert not z_scores(logits).any() and not logits.grad.any()

    @pytest.mark.parametrize("shift", [0.0, 1e3, -1e6])
    def test_z_scores_far_from_zero_are_as_good_as_their_inputs(self, shift):
        logits = (torch.randn(8, 10) + shift).requires_grad_()
        exact = logits.detach().double().requires_grad_()
        for x in (logits, exact):
            (z_scores(x) * torch.arange(10)).sum().backward()
        torch.testing.assert_close(z_scores(logits).double(), z_scores(exact), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(logits.grad.double(), exact.grad, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("count", COUNTS[1:], ids=str)
    @pytest.mark.parametrize(("temperature", "size"), [(1.0, 1.0), (1.0, 10.0), (4.0, 10.0)])
    def test_a_student_with_one_answer_for_the_whole_batch_is_not_thrown_far(self, count, temperature, size):
        for _ in range(6):
            student, teacher, gradients = size * torch.randn(1, count[1]), size * torch.randn(count), []
            for dtype in (torch.float32, torch.float64):
                x = student.expand(count).to(dtype, copy=True).requires_grad_()
                dist(x, teacher.to(dtype), temperature=temperature).backward()
                gradients.append(x.grad.double())
            torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-3)


class TestSizes:
    def test_a_power_of_two_changes_no_bit_of_what_is_blind_to_it(self):
        student, teacher = torch.randn(6, 8), torch.randn(6, 5)
        for loss in (distances, similarity_preserving, pkt):
            for power in (-40, -7, 40):
                assert torch.equal(loss(student * 2.0**power, teacher), loss(student, teacher))
        assert torch.equal(near_one(student * 2.0**-90), near_one(student))

    @pytest.mark.parametrize("by", [1e-15, 1e-7, 1.0, 1e15])
    def test_matching_is_blind_to_the_size_of_layers_where_it_says_so(self, by):
        x, others = torch.randn(4, 3, 2, 2), torch.randn(4, 2, 12)
        torch.testing.assert_close(UnitSize()(x * by).square().flatten(1).mean(1), torch.ones(4))
        torch.testing.assert_close(relations(x * by), relations(x))
        torch.testing.assert_close(
            cosine_similarity(x.flatten(1) * by, others / by), cosine_similarity(x.flatten(1), others)
        )

    def test_silent_samples_stay_silent_and_pass_nothing(self):
        x = torch.zeros(2, 3, requires_grad=True)
        UnitSize()(x).sum().backward()
        assert not UnitSize()(x).any() and not x.grad.any()

    def test_a_divergence_is_not_negative_by_rounding_and_keeps_its_gradient(self):
        for seed in range(20):
            teacher = torch.randn(64, 100, generator=torch.Generator().manual_seed(seed))
            student = (teacher + 1e-5 * torch.randn(64, 100)).requires_grad_()
            value = soft_targets(student, teacher)
            value.backward()
            exact = student.detach().double().requires_grad_()
            soft_targets(exact, teacher.double()).backward()
            assert value >= 0
            torch.testing.assert_close(student.grad.double(), exact.grad, atol=1e-8, rtol=0.05)


class TestAgreeingSizes:
    def test_maps_of_one_size_are_not_pooled_and_keep_every_bit(self, monkeypatch):
        student, teacher = torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8)
        fusion = Fusion(3, 3, 3, fuse=True).eval()
        pooled = F.mse_loss(*(F.adaptive_avg_pool2d(x, (8, 8)) for x in (student, teacher)))
        fused = fusion(student, F.interpolate(teacher, (8, 8), mode="nearest"), student.shape[2:])[0]

        def refuse(*_):
            raise AssertionError("sizes agree")

        for name in ("adaptive_avg_pool2d", "interpolate"):
            monkeypatch.setattr(F, name, refuse)
        assert torch.equal(fed_features(student, teacher), pooled)
        assert torch.equal(fusion(student, teacher, student.shape[2:])[0], fused)
        assert sized(student, student.shape) is student
        attention_maps(student, teacher)
        VariationalInformation.between(student.shape, teacher.shape)(student, teacher)


class TestRefused:
    @pytest.mark.parametrize("power", [0.5, 0.999, 0.0, -1.0, math.nan, math.inf, 1e308])
    @pytest.mark.parametrize("loss", [attention_maps, attention_distance])
    def test_powers_that_have_no_gradient_where_a_layer_is_silent(self, loss, power):
        with pytest.raises(ValueError, match=r"power of an attention map is from 1 to 16; got"):
            loss(torch.ones(2, 3, 4, 4), torch.ones(2, 3, 4, 4), power=power)

    @pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 3.0])
    @pytest.mark.parametrize("loss", [attention_maps, attention_distance])
    def test_other_powers_have_one_behind_a_relu(self, loss, power):
        student = torch.randn(2, 3, 4, 4).relu().requires_grad_()
        loss(student, torch.randn(2, 3, 4, 4).relu(), power=power).backward()
        assert student.grad.isfinite().all() and student.grad.any()

    @pytest.mark.parametrize("number", [math.nan, math.inf, -1.0, 1e308])
    def test_numbers_of_lists_and_of_matching(self, number):
        x = torch.randn(2, 3)
        for call in (
            partial(one_to_one, soft_targets, [number]),
            partial(multi_level, x, x, temperatures=(4.0, number)),
            partial(averaged_targets, x, x[None], weights=[number]),
            partial(averaged_targets, x, x[None], average=geometric, weights=[number]),
            partial(cosine_similarity, x, x[:, None], temperature=number),
            partial(PartialSquares, torch.tensor([-1.0, -number])),
        ):
            with pytest.raises(ValueError, match=r"\.$") as caught:
                call()
            assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("number", [math.nan, -1])
    def test_counts_of_matching(self, number):
        for call in (
            partial(QueryKey, number),
            partial(SemCKD, every_layer(["a"], ["b"]), samples=number),
            partial(window, ["a"], ["b"], number),
        ):
            with pytest.raises(ValueError, match=f"got [a-z]+={number}"):
                call()

    def test_margins_of_weights_that_are_no_numbers(self):
        norm = torch.nn.BatchNorm2d(2)
        norm.weight.data[0] = math.nan
        with pytest.raises(ValueError, match="not 0, and finite"):
            margins(norm)
        norm.weight.data = torch.tensor([1e-30, 1e-45])
        assert margins(norm).isfinite().all()


class TestLikeliest:
    def test_a_gap_beyond_float16_does_not_rule_a_class_out(self):
        logits = torch.tensor([[0.0, -1e5, -2e5, -3e5], [1.0, 2.0, 3.0, 4.0]])
        form = top(2)
        kept = form.decode(form.encode(logits), (4,))
        assert kept.isfinite().all() and kept[0, 0] == 0
        value = soft_targets(torch.randn(2, 4), kept)
        assert value.isfinite()

    def test_a_class_that_the_teacher_rules_out_stays_so(self):
        logits = torch.tensor([[0.0, 1.0, -torch.inf, -torch.inf]])
        form = top(2)
        kept = form.decode(form.encode(logits), (4,))
        assert torch.equal(kept == -torch.inf, logits == -torch.inf)
