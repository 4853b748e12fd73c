"""A loss over the tokens that count: what padding holds changes nothing, and what is to be said is shifted once."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from token_losses import ALL, drawn
from tutelage.data.next_tokens import next_tokens
from tutelage.losses.dkd import dkd
from tutelage.losses.masked import kept, masked

MASK = torch.tensor([[1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]])


class TestMasked:
    @pytest.mark.parametrize("mask", [MASK, MASK.bool(), MASK.int()], ids=["int64", "bool", "int32"])
    @pytest.mark.parametrize("loss", ALL)
    def test_it_is_the_plain_loss_of_the_kept_tokens(self, loss, mask):
        student, teacher = drawn(3, 4, 7)
        value = masked(loss)(student, teacher, mask)
        torch.testing.assert_close(value, loss(student[mask.bool()], teacher[mask.bool()]))

    @pytest.mark.parametrize("spoilt", [7.0, math.nan, math.inf, -math.inf])
    @pytest.mark.parametrize("loss", ALL)
    def test_what_padding_holds_changes_neither_value_nor_gradient(self, loss, spoilt):
        student, teacher = drawn(3, 4, 7)
        value = masked(loss)(student, teacher, MASK)
        (gradient,) = torch.autograd.grad(value, student)
        others = [x.detach().masked_fill(MASK[..., None] == 0, spoilt) for x in (student, teacher)]
        again = masked(loss)(others[0].requires_grad_(), others[1], MASK)
        assert torch.equal(again, value)
        assert torch.equal(torch.autograd.grad(again, others[0])[0], gradient)
        assert not gradient[MASK == 0].any()

    def test_labels_say_by_the_ignored_one_what_counts_and_are_cut_down_as_well(self):
        student, teacher = drawn(3, 4, 7)
        labels = torch.where(MASK.bool(), torch.randint(7, (3, 4)), -100)
        valid = labels != -100
        value = masked(dkd, ignore_index=-100)(student, teacher, labels, labels)
        torch.testing.assert_close(value, dkd(student[valid], teacher[valid], labels[valid]))
        value = masked(cross_entropy, ignore_index=-100)(student, labels, labels)
        torch.testing.assert_close(value, cross_entropy(student.movedim(-1, 1), labels))

    def test_lists_of_layers_are_cut_down_one_by_one(self):
        layers = [torch.randn(3, 4, 5) for _ in range(2)]
        assert [x.shape for x in kept(MASK, layers)[0]] == [(4, 5)] * 2

    def test_where_all_count_nothing_is_copied(self):
        x = torch.randn(3, 4, 7)
        assert kept(torch.ones(3, 4).bool(), x)[0].data_ptr() == x.data_ptr()

    def test_weights_of_the_loss_are_its_own(self):
        assert len(list(masked(nn.CrossEntropyLoss()).parameters())) == 0
        hint = nn.Linear(3, 3)
        assert len(list(masked(hint).parameters())) == 2

    @pytest.mark.parametrize("mask", [torch.zeros(3, 4), torch.zeros(3, 4).bool(), torch.zeros(3, 4).long()])
    def test_no_valid_token_is_refused_in_a_sentence(self, mask):
        wanted = "No token of the batch counts" if not mask.is_floating_point() else "A mask is bool, or whole numbers"
        with pytest.raises(ValueError, match=wanted):
            masked(mse_loss)(*drawn(3, 4, 7), mask)

    def test_labels_in_the_place_of_a_mask_are_refused(self):
        with pytest.raises(ValueError, match=r"from -100 to 3: of labels, .*masked\(loss, ignore_index=-100\)"):
            masked(mse_loss)(*drawn(3, 4, 7), torch.full((3, 4), -100).index_fill(1, torch.tensor([0]), 3))

    def test_what_does_not_begin_with_the_dimensions_of_the_mask_is_refused(self):
        with pytest.raises(ValueError, match=r"mask \(3, 4\) picks .* got \(3, 5, 7\)"):
            masked(mse_loss)(*drawn(3, 5, 7), MASK)


class TestNextTokens:
    def test_position_t_is_to_say_token_t_plus_1_and_the_last_nothing(self):
        ids = torch.arange(12).view(2, 6)
        assert next_tokens(ids).tolist() == [[1, 2, 3, 4, 5, -100], [7, 8, 9, 10, 11, -100]]

    def test_the_loss_is_that_of_logits_and_labels_shifted_against_each_other_once(self):
        logits, ids = torch.randn(2, 6, 9), torch.randint(9, (2, 6))
        ids[1, 3:] = -100
        target = next_tokens(ids)
        usual = cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        torch.testing.assert_close(masked(cross_entropy, ignore_index=-100)(logits, target, target), usual)

    @pytest.mark.parametrize("labels", [torch.zeros(4).long(), torch.zeros(2, 3), torch.zeros(2, 3).bool()])
    def test_what_are_no_labels_is_refused(self, labels):
        with pytest.raises(ValueError, match=r"Labels are token numbers \(N, T\)"):
            next_tokens(labels)
