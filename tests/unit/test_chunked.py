"""A loss of logits in slabs: value, gradients and precision of all of them, in the memory of a few rows."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from token_losses import ALL, drawn
from tutelage.losses.chunked import chunked
from tutelage.losses.jensen_shannon import jensen_shannon
from tutelage.losses.kd import soft_targets
from tutelage.losses.masked import masked
from tutelage.losses.rkd import distances
from tutelage.losses.srrl import SoftmaxRegression
from tutelage.measures.memory import peak_bytes

MASK = torch.tensor([[1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]])


HEADS = [(True, True), (False, False), (True, False)]


class Quantised(nn.Linear):
    def forward(self, x):
        return super().forward(x.round())


class TestChunked:
    @pytest.mark.parametrize("at_once", [1, 4, 10**6])
    @pytest.mark.parametrize("biases", HEADS)
    @pytest.mark.parametrize("loss", ALL)
    def test_value_and_gradients_are_those_of_whole_logits(self, loss, biases, at_once):
        heads = [nn.Linear(d, 13, bias=bias).double() for d, bias in zip((3, 5), biases, strict=True)]
        student, teacher = drawn(2, 5, 3)[0], torch.randn(2, 5, 5, dtype=torch.float64)
        learns = [student, *heads[0].parameters()]
        whole = 3 * loss(heads[0](student), heads[1](teacher).detach())
        slabs = 3 * chunked(loss, *heads, at_once=at_once)(student, teacher)
        torch.testing.assert_close(slabs, whole)
        for ours, plain in zip(torch.autograd.grad(slabs, learns), torch.autograd.grad(whole, learns), strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-14)

    def test_finite_differences_of_the_hidden_states(self):
        heads = [nn.Linear(3, 6).double() for _ in range(2)]
        teacher = torch.randn(5, 3, dtype=torch.float64)
        call = chunked(jensen_shannon, *heads, at_once=2)
        assert torch.autograd.gradcheck(lambda x: call(x, teacher), drawn(5, 3)[0])

    def test_labels_go_with_their_rows_and_the_student_may_be_alone(self):
        head, (hidden, _), labels = nn.Linear(3, 6).double(), drawn(2, 5, 3), torch.randint(6, (2, 5))
        usual = cross_entropy(head(hidden).flatten(0, 1), labels.flatten())
        torch.testing.assert_close(chunked(cross_entropy, head, at_once=3)(hidden, labels), usual)

    def test_padding_is_left_out_before_its_logits_are_computed(self):
        head, (hidden, _) = nn.Linear(3, 6).double(), drawn(3, 4, 3)
        labels = torch.where(MASK.bool(), torch.randint(6, (3, 4)), -100)
        value = masked(chunked(cross_entropy, head, at_once=1), ignore_index=-100)(hidden, labels, labels)
        torch.testing.assert_close(value, cross_entropy(head(hidden).movedim(-1, 1), labels))

    def test_only_the_student_gets_a_gradient(self):
        heads = [nn.Linear(3, 6) for _ in range(2)]
        teacher = torch.randn(4, 3, requires_grad=True)
        chunked(soft_targets, *heads)(torch.randn(4, 3), teacher).backward()
        assert heads[0].weight.grad is not None and heads[1].weight.grad is None and teacher.grad is None

    def test_what_is_frozen_gets_none_and_without_gradient_there_is_only_the_value(self):
        heads = [nn.Linear(3, 6).requires_grad_(False) for _ in range(2)]
        student, teacher = drawn(4, 3, dtype=torch.float32)
        chunked(soft_targets, *heads)(student, teacher).backward()
        assert student.grad is not None and heads[0].weight.grad is None
        with torch.no_grad():
            assert not chunked(soft_targets, *heads)(student, teacher).requires_grad
        assert not chunked(soft_targets, *heads)(student.detach(), teacher).requires_grad

    @pytest.mark.parametrize("autocast", [True, False])
    def test_half_precision_is_that_of_whole_logits_to_its_rounding(self, autocast):
        heads = [nn.Linear(16, 50) for _ in range(2)]
        student, teacher = drawn(64, 16, dtype=torch.float32)
        if not autocast:
            heads, teacher = [head.bfloat16() for head in heads], teacher.bfloat16()
            student = student.detach().bfloat16().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            whole = soft_targets(heads[0](student), heads[1](teacher).detach())
            values = whole, chunked(soft_targets, *heads, at_once=10)(student, teacher)
        assert values[1].dtype is torch.float32
        torch.testing.assert_close(*values, rtol=1e-4, atol=0)
        plain, ours = (torch.autograd.grad(x, [student, *heads[0].parameters()]) for x in values)
        for x, y in zip(plain, ours, strict=True):
            assert x.dtype == y.dtype and (x - y).abs().max() < 0.02 * x.abs().max()

    def test_the_gradient_is_a_jacobian_row_as_any_other(self):
        from torchjd.autojac import backward

        head = nn.Linear(3, 6).double()
        hidden = nn.Parameter(drawn(4, 3)[0].detach())
        call, labels = chunked(cross_entropy, head, at_once=1), torch.randint(6, (4,))
        (plain,) = torch.autograd.grad(call(hidden, labels), hidden)
        for chunk in (1, None):
            hidden = nn.Parameter(hidden.detach())
            backward([hidden.square().sum(), call(hidden, labels)], inputs=[hidden], parallel_chunk_size=chunk)
            torch.testing.assert_close(hidden.jac[1], plain)

    def test_its_memory_is_that_of_a_slab_and_not_of_all_rows(self):
        heads = [nn.Linear(4, 2000, bias=False).requires_grad_(number == 0) for number in range(2)]

        def peak(rows, loss):
            student, teacher = torch.randn(rows, 4, requires_grad=True), torch.randn(rows, 4)
            return peak_bytes(lambda: loss(student, teacher).backward())

        slabs = chunked(soft_targets, *heads, at_once=16)
        whole = peak(400, lambda s, t: soft_targets(heads[0](s), heads[1](t)))
        assert peak(400, slabs) < whole / 5 and peak(400, slabs) < 1.1 * peak(100, slabs)

    def test_what_cannot_be_computed_in_slabs_is_refused_in_a_sentence(self):
        head = nn.Linear(3, 6)
        with pytest.raises(ValueError, match="distances relates its rows to each other"):
            chunked(partial(distances), head, head)
        with pytest.raises(ValueError, match="SoftmaxRegression has weights of its own"):
            chunked(SoftmaxRegression(head, judge=nn.Linear(2, 2)), head)
        with pytest.raises(ValueError, match=r"nn.Linear that makes logits.*got Sequential"):
            chunked(soft_targets, nn.Sequential(head), head)
        with pytest.raises(ValueError, match=r"nn.Linear that makes logits.*got Quantised"):
            chunked(soft_targets, head, Quantised(3, 6))
        with pytest.raises(ValueError, match=r"At least 1 row .* got 0"):
            chunked(soft_targets, head, head, at_once=0)
        for arguments in ([torch.zeros(4, 3)], [torch.zeros(4, 3), torch.zeros(5, 3)], [torch.zeros(0, 3)] * 2):
            with pytest.raises(ValueError, match=r"Hidden states are wanted for each of 2 heads"):
                chunked(soft_targets, head, head)(*arguments)

    def test_a_second_derivative_is_refused(self):
        head, (hidden, _) = nn.Linear(3, 6).double(), drawn(4, 3)
        value = chunked(cross_entropy, head)(hidden, torch.zeros(4).long())
        with pytest.raises(RuntimeError, match="cannot be differentiated again"):
            torch.autograd.grad(value, hidden, create_graph=True)
