"""Values of the losses of language models, and where they come from.

*worked*: computed in float64 by plain numpy from the equations of the papers, independently of this package; those of
the divergences also by running the loss functions of github.com/huggingface/trl (JSD) and github.com/jongwooko/distillm
(the others) on the same inputs, as far as they return a divergence.
"""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tutelage.losses.attention_distributions import attention_distributions
from tutelage.losses.attention_scores import attention_scores
from tutelage.losses.born_again import soft_cross_entropy
from tutelage.losses.cosine_distance import cosine_distance
from tutelage.losses.jensen_shannon import jensen_shannon
from tutelage.losses.kd import soft_targets
from tutelage.losses.masked import masked
from tutelage.losses.reverse_kl import reverse_kl
from tutelage.losses.skewed import skewed_kl, skewed_reverse_kl
from tutelage.losses.token_relations import token_relations
from tutelage.losses.total_variation import total_variation
from tutelage.losses.universal_logits import universal_logits


def numbers(*rows):
    return torch.tensor(rows, dtype=torch.float64)


S, T = numbers([1.5, 0.2, -0.3], [0.0, 0.4, 1.0]), numbers([2.0, 1.0, 0.1], [0.5, -1.0, 3.0])

DIVERGENCES = [
    (lambda s, t: soft_targets(s, t, temperature=1.0), 0.197710),
    (reverse_kl, 0.357518),
    *((lambda s, t, beta=beta: jensen_shannon(s, t, beta), worked) for beta, worked in (
        (0.0, 0.197710), (0.1, 0.018184), (0.5, 0.057413), (0.9, 0.027332), (1.0, 0.357518))),
    (skewed_kl, 0.167477),
    (skewed_reverse_kl, 0.216163),
    (total_variation, 0.219958),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "worked"), DIVERGENCES, ids=[str(worked) for _, worked in DIVERGENCES])
def test_the_worked_values_with_and_without_padding(loss, worked):
    assert loss(S, T).item() == pytest.approx(worked, abs=1e-6)
    padded = [torch.cat([x, numbers(row)])[None] for x, row in ((S, [9.0, 0.0, 0.0]), (T, [0.0, 9.0, 0.0]))]
    assert masked(loss)(*padded, torch.tensor([[1, 1, 0]])).item() == pytest.approx(worked, abs=1e-6)


def test_jensen_shannon_over_its_weight_has_both_divergences_as_limits():
    """Worked at a weight of 1e-4; at 1e-7 it is they to that precision."""
    assert jensen_shannon(S, T, 1e-4) / 1e-4 == pytest.approx(0.197694, abs=1e-6)
    assert jensen_shannon(S, T, 1 - 1e-4) / 1e-4 == pytest.approx(0.357399, abs=1e-6)
    for beta, limit in ((1e-7, soft_targets(S, T, 1.0)), (1 - 1e-7, reverse_kl(S, T))):
        assert jensen_shannon(S, T, beta) / 1e-7 == pytest.approx(limit.item(), rel=1e-5)


def test_sorted_probabilities_worked_by_hand():
    """(2, 0) gives 0.880797 and 0.119203; (0, 2, 2) gives 0.468311 twice and 0.063379."""
    value = universal_logits(numbers([2.0, 0.0]), numbers([0.0, 2.0, 2.0]))
    assert value.item() == pytest.approx(0.412486 + 0.349108 + 0.063379, abs=2e-6)


LOGITS = numbers([2.0, 0.0, -1.0, 0.5], [0.1, 1.2, 0.3, -0.4], [0.0, 0.0, 0.0, 0.0])[None]
TAUGHT = numbers([3.0, -1.0, 0.0, 0.0], [0.0, 2.0, 0.0, 1.0], [9.0, -9.0, 9.0, -9.0])[None]
HIDDEN = numbers([1.0, 0.0, 2.0], [0.5, -1.0, 0.0], [7.0, 7.0, 7.0])[None]
SHOWN = numbers([1.0, 1.0, 1.0], [0.0, -2.0, 0.5], [-1.0, 3.0, 2.0])[None]
ATTENDED, LABELS = torch.tensor([[1, 1, 0]]), torch.tensor([[-100, 3, -100]])


def test_the_parts_of_the_triple_loss():
    """*worked*, and with torch's own losses as huggingface/transformers-research-projects' distiller.py calls them."""
    parts = [
        masked(lambda s, t: soft_targets(s, t, temperature=2.0))(LOGITS, TAUGHT, ATTENDED),
        masked(cross_entropy, ignore_index=-100)(LOGITS, LABELS, LABELS),
        masked(cosine_distance)(HIDDEN, SHOWN, ATTENDED),
    ]
    assert [x.item() for x in parts] == pytest.approx([0.247641, 2.263377, 0.178841], abs=1e-6)
    assert (5 * parts[0] + 2 * parts[1] + parts[2]).item() == pytest.approx(5.943801, abs=1e-6)


def test_the_cross_entropy_of_tinybert_sums_over_classes():
    """*worked*; the mean over classes too, as in the authors' code, is 0.242376."""
    value = soft_cross_entropy(numbers([1.0, 0.0, -1.0]), numbers([2.0, 0.0, 0.0])).item()
    assert value == pytest.approx(0.727127, abs=1e-6) and value / 3 == pytest.approx(0.242376, abs=1e-6)


def test_the_divergence_of_attention_is_that_of_its_scores():
    """*worked*, of one head and two tokens, from the scores or, where a library gives these, from their softmax."""
    student, teacher = numbers([0.8, 0.2], [0.0, 1.0])[None, None], numbers([1.0, 0.0], [0.5, 0.5])[None, None]
    for s, t in ((student, teacher), (student.softmax(-1).log(), teacher.softmax(-1).log())):
        assert soft_targets(s, t, temperature=1.0, dim=-1).item() == pytest.approx(0.068382, abs=1e-6)
        assert attention_distributions(s, t).item() == pytest.approx(0.068382, abs=1e-6)
    padded = [nn.functional.pad(x, (0, 1, 0, 1), value=-1e4) for x in (student, teacher)]
    value = attention_distributions(*padded, mask=torch.tensor([[1, 1, 0]])).item()
    assert value == pytest.approx(0.068382, abs=1e-6)


def test_the_relations_of_values():
    """*worked*, of one head and two tokens, 4 numbers each in the teacher and 2 in the student; padding is nothing."""
    teacher, student = numbers([1.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 0.0]), numbers([1.0, 0.5], [0.5, -1.0])
    assert token_relations(student[None], teacher[None]).item() == pytest.approx(0.043608, abs=1e-6)
    padded = [torch.cat([x, torch.full_like(x[:1], 7.0)])[None] for x in (student, teacher)]
    value = token_relations(*padded, mask=torch.tensor([[1, 1, 0]])).item()
    assert value == pytest.approx(0.043608, abs=1e-6)


def test_attention_scores_by_hand():
    """Gaps of 2, 0, 0 and 3, whose place the teacher masks: 13/4; by the mask, without the second token, 4."""
    student, teacher = torch.full((1, 1, 2, 2), 3.0), torch.tensor([[[[1.0, 3.0], [3.0, -1e4]]]])
    assert attention_scores(student, teacher).item() == 13 / 4
    assert attention_scores(student, teacher, torch.tensor([[1, 0]])).item() == 4
