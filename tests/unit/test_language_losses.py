"""The losses of language models beside their contract: limits, bounds, what is ruled out, what is refused."""

import math
from functools import partial

import pytest
import torch

from token_losses import ALL, drawn
from tutelage.losses.jensen_shannon import jensen_shannon
from tutelage.losses.kd import soft_targets
from tutelage.losses.reverse_kl import reverse_kl
from tutelage.losses.rkd import distances
from tutelage.losses.skewed import skewed_kl, skewed_reverse_kl
from tutelage.losses.token_relations import token_relations
from tutelage.losses.top_targets import against_top, top_answers, top_targets
from tutelage.losses.total_variation import total_variation
from tutelage.losses.universal_logits import universal_logits
from tutelage.losses.vocabulary import of_vocabulary, shared_tokens
from tutelage.shapes import Relational


class TestDivergences:
    @pytest.mark.parametrize("beta", [0.0, 0.1, 0.3, 0.5, 1.0])
    def test_jensen_shannon_mirrors_where_teacher_and_student_are_exchanged(self, beta):
        student, teacher = drawn(6, 7)
        torch.testing.assert_close(jensen_shannon(student, teacher, beta), jensen_shannon(teacher, student, 1 - beta))

    def test_bounds_are_kept_and_reached(self):
        apart = torch.tensor([[-math.inf, 0.0]]), torch.tensor([[0.0, -math.inf]])
        assert jensen_shannon(*apart).item() == pytest.approx(math.log(2))
        assert skewed_kl(*apart, skew=0.1).item() == pytest.approx(-math.log(0.1))
        assert skewed_reverse_kl(*apart, skew=0.1).item() == pytest.approx(-math.log(0.1))
        assert total_variation(*apart).item() == 1 and soft_targets(*apart).item() == math.inf

    def test_skew_goes_from_the_divergence_to_nothing(self):
        student, teacher = drawn(6, 7)
        torch.testing.assert_close(skewed_kl(student, teacher, 0), soft_targets(student, teacher, 1.0))
        torch.testing.assert_close(skewed_reverse_kl(student, teacher, 0), reverse_kl(student, teacher))
        for loss in (skewed_kl, skewed_reverse_kl):
            nothing = loss(student.requires_grad_(), teacher, 1)
            assert nothing == 0 and not torch.autograd.grad(nothing, student)[0].any()

    @pytest.mark.parametrize("loss", [*ALL, partial(jensen_shannon, beta=0.9), partial(skewed_reverse_kl, skew=1.0)])
    def test_a_class_that_both_rule_out_is_not_there(self, loss):
        student, teacher = drawn(4, 6)
        masked_out = [torch.cat([x, torch.full((4, 2), -math.inf)], -1) for x in (student, teacher)]
        value = loss(*masked_out)
        torch.testing.assert_close(value, loss(student, teacher))
        (gradient,) = torch.autograd.grad(value, student)
        torch.testing.assert_close(gradient, torch.autograd.grad(loss(student, teacher), student)[0])

    def test_the_reverse_divergence_is_over_the_classes_that_the_teacher_does_not_rule_out(self):
        student, teacher = drawn(4, 6)
        ruled_out = torch.cat([teacher, torch.full((4, 2), -math.inf)], 1)
        for loss in (reverse_kl, partial(jensen_shannon, beta=1.0), partial(skewed_reverse_kl, skew=0.0)):
            value = loss(torch.cat([student, torch.randn(4, 2)], 1), ruled_out)
            torch.testing.assert_close(value, reverse_kl(student, teacher))

    @pytest.mark.parametrize("loss", ALL)
    def test_a_class_that_the_teacher_rules_out_leaves_value_and_gradient_finite(self, loss):
        student, teacher = drawn(4, 6)
        value = loss(student, teacher.index_fill(1, torch.tensor([2]), -math.inf))
        assert value.isfinite() and torch.autograd.grad(value, student)[0].isfinite().all()

    @pytest.mark.parametrize("loss", ALL)
    def test_classes_may_stand_in_any_dimension(self, loss):
        student, teacher = drawn(2, 5, 3, 2)
        flat = [x.movedim(1, -1).reshape(-1, 5) for x in (student, teacher)]
        torch.testing.assert_close(loss(student, teacher, dim=1), loss(*flat))

    @pytest.mark.parametrize("loss", [x for x in ALL if x is not universal_logits])
    def test_other_classes_are_refused(self, loss):
        with pytest.raises(ValueError, match=r"same samples and classes; got \(2, 3\) and \(2, 4\)"):
            loss(torch.zeros(2, 3), torch.zeros(2, 4))

    @pytest.mark.parametrize("loss", [partial(jensen_shannon, beta=1.5), partial(skewed_kl, skew=-1)])
    def test_a_share_outside_0_to_1_is_refused(self, loss):
        with pytest.raises(ValueError, match="is from 0 to 1; got"):
            loss(*drawn(2, 3))


class TestOtherVocabularies:
    def test_tokens_under_equal_numbers_are_shared(self):
        assert shared_tokens({"a": 0, "b": 1, "<s>": 4}, {"<s>": 4, "a": 0, "b": 1}) == 5

    def test_others_are_refused_by_the_first_that_differs_and_the_cure_is_named(self):
        with pytest.raises(ValueError, match=r"2 of which differ; 'b' is 1 in one and 2 in.*universal_logits"):
            shared_tokens({"a": 0, "b": 1, "c": 2}, {"a": 0, "c": 1, "b": 2})
        with pytest.raises(ValueError, match="'c' is 2 in one and no number in the other"):
            shared_tokens({"a": 0, "b": 1, "c": 2}, {"a": 0, "b": 1})
        with pytest.raises(ValueError, match="got none"):
            shared_tokens({}, {"a": 0})

    @pytest.mark.parametrize("loss", ALL)
    def test_padding_of_the_vocabulary_has_neither_value_nor_gradient(self, loss):
        student, teacher = torch.randn(4, 9, requires_grad=True), torch.randn(4, 12)
        value = of_vocabulary(loss, 7)(student, teacher)
        torch.testing.assert_close(value, loss(student[:, :7], teacher[:, :7]))
        assert not torch.autograd.grad(value, student)[0][:, 7:].any()

    def test_fewer_logits_than_tokens_are_refused(self):
        with pytest.raises(ValueError, match="each of 7 tokens; got 9 and 6"):
            of_vocabulary(soft_targets, 7)(torch.zeros(4, 9), torch.zeros(4, 6))
        with pytest.raises(ValueError, match="two tokens or more; got 1"):
            of_vocabulary(soft_targets, 1)

    def test_it_promises_what_its_loss_does(self):
        assert of_vocabulary(distances, 3).__annotations__["return"] == Relational

    def test_sorted_probabilities_see_no_order_and_any_number_of_tokens(self):
        student, teacher = drawn(4, 6)
        shuffled = torch.cat([teacher[:, torch.randperm(6)], torch.full((4, 3), -math.inf)], 1)
        torch.testing.assert_close(universal_logits(student, shuffled), universal_logits(student, teacher))
        assert universal_logits(teacher.flip(1), teacher) < 1e-15
        with pytest.raises(ValueError, match=r"as many positions.*\(4, 6\) and \(3, 6\): cut both"):
            universal_logits(student, teacher[:3])
        with pytest.raises(ValueError, match="at least two classes"):
            universal_logits(student[:, :1], teacher)


class TestTopTargets:
    def test_it_is_the_divergence_of_the_likeliest_and_the_rest(self):
        student, teacher = drawn(5, 9)
        p, q = teacher.softmax(-1), student.softmax(-1)
        order = p.argsort(-1, descending=True)[:, :3]
        p3, q3 = (torch.cat([x.gather(1, order), 1 - x.gather(1, order).sum(1, keepdim=True)], 1) for x in (p, q))
        torch.testing.assert_close(top_targets(student, teacher, 3), (p3 * (p3 / q3).log()).sum(1).mean())

    def test_it_grows_with_what_is_kept_up_to_the_whole_divergence(self):
        student, teacher = drawn(5, 9)
        values = [top_targets(student, teacher, count).item() for count in range(1, 10)]
        assert values == sorted(values)
        assert values[7] == values[8] == pytest.approx(soft_targets(student, teacher, 1.0).item())

    def test_the_tail_is_exact_where_it_is_next_to_nothing(self):
        """1 − Σ p would be rounding noise in float32."""
        teacher = torch.tensor([[12.0, 0.0, -1.0]])
        student = torch.tensor([[8.0, 1.0, 2.0]], requires_grad=True)
        value = top_targets(student, teacher, 1)
        exact = student.detach().double().requires_grad_()
        whole = top_targets(exact, teacher.double(), 1)
        gradients = torch.autograd.grad(value, student)[0].double(), torch.autograd.grad(whole, exact)[0]
        torch.testing.assert_close(value.double(), whole, rtol=1e-4, atol=0)
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=0)

    def test_tokens_that_are_kept_are_compared_as_live_ones(self):
        student, teacher = drawn(2, 3, 9)
        torch.testing.assert_close(against_top(student, top_answers(teacher, 4)), top_targets(student, teacher, 4))

    @pytest.mark.parametrize("answers", [torch.zeros(2, 8), torch.zeros(3, 9), torch.zeros(2, 1)])
    def test_answers_of_another_form_are_refused(self, answers):
        with pytest.raises(ValueError, match=r"a row for each of the student's, \(…, 2 · count \+ 1\)"):
            against_top(torch.zeros(2, 5), answers)

    def test_classes_that_the_student_lacks_are_refused(self):
        with pytest.raises(ValueError, match="from 7 to 7; the student has 5"):
            against_top(torch.zeros(2, 5), torch.tensor([[-0.1, -2.0, 7.0]] * 2))


class TestTokenRelations:
    def test_heads_are_split_as_a_network_does(self):
        student, teacher = torch.randn(2, 5, 12, dtype=torch.float64), torch.randn(2, 5, 6, dtype=torch.float64)
        split = [x.view(2, 5, 3, -1).transpose(1, 2) for x in (student, teacher)]
        torch.testing.assert_close(token_relations(student, teacher, num_heads=3), token_relations(*split))

    def test_it_is_the_mean_over_the_tokens_of_each_sample_and_then_over_samples(self):
        student, teacher = drawn(2, 5, 4)
        mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
        cut = [[x[n : n + 1, :count] for x in (student, teacher)] for n, count in ((0, 5), (1, 3))]
        alone = [token_relations(*pair) for pair in cut]
        torch.testing.assert_close(token_relations(student, teacher, mask), torch.stack(alone).mean())

    def test_what_does_not_fit_is_refused_in_a_sentence(self):
        x = torch.zeros(2, 5, 12)
        with pytest.raises(ValueError, match=r"whose width 1 head or more divide; got \(2, 5, 12\) for 5"):
            token_relations(x, x, num_heads=5)
        with pytest.raises(ValueError, match="same samples, heads and tokens"):
            token_relations(x, x[:, :4])
        with pytest.raises(ValueError, match="Sample 1 of the batch is nothing but padding"):
            token_relations(x, x, torch.tensor([[1] * 5, [0] * 5]))
        with pytest.raises(ValueError, match=r"whether it counts, \(2, 5\); got \(2, 4\)"):
            token_relations(x, x, torch.ones(2, 4).bool())
