"""Spans: starts and ends over the tokens that may be an answer, against sums by hand."""

import pytest
import torch

from tutelage.losses.spans import span_labels, span_targets

MASK = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]])


def logits(seed):
    return torch.randn(2, 4, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(student, teacher, temperature):
    total = 0.0
    for row, mask in enumerate(MASK.bool()):
        for end in range(2):
            ours, theirs = ((x[row, mask, end] / temperature).log_softmax(0) for x in (student, teacher))
            total += temperature**2 * (theirs.exp() * (theirs - ours)).sum() / 2
    return total / len(MASK)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_it_is_the_mean_of_both_divergences_over_the_tokens_that_count(temperature):
    student, teacher = logits(0), logits(1)
    found = span_targets(student, teacher, MASK, temperature)
    torch.testing.assert_close(found, by_hand(student, teacher, temperature))
    torch.testing.assert_close(span_targets(teacher, teacher, MASK), torch.tensor(0.0, dtype=torch.float64))


def test_what_does_not_count_has_neither_value_nor_gradient():
    student, teacher = logits(0).requires_grad_(), logits(1)
    (gradient,) = torch.autograd.grad(span_targets(student, teacher, MASK), student)
    assert gradient.isfinite().all() and not gradient[~MASK.bool()].any() and gradient[MASK.bool()].any()
    other = student.detach().clone()
    other[~MASK.bool()] = 50.0
    torch.testing.assert_close(span_targets(other, teacher, MASK), span_targets(student, teacher, MASK).detach())


def test_labels_are_the_mean_of_both_cross_entropies():
    student, places = logits(0), torch.tensor([[0, 2], [1, 3]])
    wanted = [
        -student[row, MASK.bool()[row], end].log_softmax(0)[MASK[row, : places[row, end]].sum()]
        for row in range(2)
        for end in range(2)
    ]
    torch.testing.assert_close(span_labels(student, places, MASK), torch.stack(wanted).mean())


@pytest.mark.parametrize(
    ("student", "mask", "words"),
    [
        (torch.zeros(2, 4), MASK, "start and an end for each token"),
        (torch.zeros(2, 3, 2), MASK, "start and an end for each token"),
        (torch.zeros(2, 4, 2), torch.tensor([[1, 1, 1, 1], [0, 0, 0, 0]]), "Text 1 of the batch has no token"),
    ],
)
def test_other_shapes_and_texts_without_a_token_are_refused(student, mask, words):
    with pytest.raises(ValueError, match=words):
        span_targets(student, student, mask)


def test_a_place_that_is_no_answer_is_refused():
    with pytest.raises(ValueError, match="at tokens that count"):
        span_labels(logits(0), torch.tensor([[3, 0], [1, 1]]), MASK)
