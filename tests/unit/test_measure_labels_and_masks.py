"""Average precision, F1, overlaps, and the intervals of any figure: against plain loops, and against drawing again."""

from functools import partial

import numpy as np
import pytest
import torch

from tutelage.measures.average_precision import average_precision, mean_average_precision
from tutelage.measures.f_score import f1_scores
from tutelage.measures.overlap import overlap
from tutelage.measures.sampling import sampling_interval, share_in_percent


def precision_by_thresholds(answers, targets):
    """Σ (recall_n − recall_{n−1}) · precision_n over the thresholds, the highest first: a loop in numpy."""
    area, recall_before = 0.0, 0.0
    for threshold in sorted(set(answers.tolist()), reverse=True):
        said = answers >= threshold
        right = (said & (targets > 0.5)).sum()
        recall = right / (targets > 0.5).sum()
        area += (recall - recall_before) * right / said.sum()
        recall_before = recall
    return area


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_the_sum_over_thresholds(ties):
    answers = torch.randn(50, 4).mul(2).round() if ties else torch.randn(50, 4)
    targets = (torch.rand(50, 4) < 0.3).float()
    worked = [precision_by_thresholds(answers[:, k].numpy(), targets[:, k].numpy()) for k in range(4)]
    assert average_precision(answers, targets).tolist() == pytest.approx(worked)
    order = torch.randperm(50)
    assert torch.allclose(average_precision(answers[order], targets[order]), average_precision(answers, targets))


def test_answers_that_are_all_the_same_score_the_share_of_the_label():
    targets = torch.tensor([[1.0], [0.0], [0.0], [1.0], [0.0]])
    assert average_precision(torch.zeros(5, 1), targets).item() == pytest.approx(0.4)


def test_a_label_that_nobody_has_is_no_number_and_not_in_the_mean():
    answers, targets = torch.randn(6, 2), torch.tensor([[1.0, 0.0]] * 3 + [[0.0, 0.0]] * 3)
    assert average_precision(answers, targets)[1].isnan()
    assert mean_average_precision(answers, targets) == average_precision(answers, targets)[0]
    assert mean_average_precision(answers, torch.zeros(6, 2)).isnan()


@pytest.mark.parametrize("measure", [average_precision, f1_scores])
def test_labels_of_another_shape_or_none_are_refused(measure):
    for answers, targets in ((torch.zeros(4, 2), torch.zeros(4)), (torch.zeros(0, 2), torch.zeros(0, 2))):
        with pytest.raises(ValueError, match="one answer and one target a sample and label"):
            measure(answers > 0, targets)


def test_f1_is_that_of_counted_labels():
    holds, targets = torch.rand(40, 3) < 0.5, (torch.rand(40, 3) < 0.4).float()
    targets[:, 2] = 0  # a label that nobody has counts in micro alone, as false alarms
    said, has = holds.numpy(), targets.numpy() > 0.5
    right, false, missed = (said & has).sum(0), (said & ~has).sum(0), (~said & has).sum(0)
    micro, macro = f1_scores(holds, targets)
    assert micro.item() == pytest.approx(2 * right.sum() / (2 * right + false + missed).sum())
    assert macro.item() == pytest.approx((2 * right / (2 * right + false + missed))[:2].mean())


def test_overlaps_are_those_of_counted_pixels():
    answers, targets = torch.randint(0, 3, (5, 6, 7)), torch.randint(0, 3, (5, 6, 7))
    targets[torch.rand(5, 6, 7) < 0.2] = 255
    found = overlap(answers, targets, 4, 255)  # the class 3 occurs nowhere
    a, t = answers.numpy(), targets.numpy()
    union = [((t != 255) & ((a == c) | (t == c))).sum() for c in range(3)]
    both = [((a == c) & (t == c)).sum() for c in range(3)]
    assert found.intersection_over_union().item() == pytest.approx(np.mean(np.divide(both, union)))
    assert found.pixel_accuracy().item() == pytest.approx(sum(both) / (t != 255).sum())
    assert torch.equal(overlap(answers, targets.byte(), 4, 255).both, found.both)
    with pytest.raises(ValueError, match="0 to 1, and 255 where nobody knows; 2 is among them"):
        overlap(answers.clamp_max(1), targets, 2, 255)


def test_the_interval_of_a_ratio_of_sums_is_cochrans():
    parts, wholes = torch.rand(30, dtype=torch.float64), torch.rand(30, dtype=torch.float64) + 1
    share = (parts.sum() / wholes.sum()).item()
    low, high = sampling_interval(lambda w: (w * parts).sum() / (w * wholes).sum(), 30)
    worked = 1.959964 * (((parts - share * wholes) ** 2).sum() * 30 / 29).sqrt() / wholes.sum()
    assert (high - low) / 2 == pytest.approx(worked.item(), rel=1e-5)
    assert (high + low) / 2 == pytest.approx(share)


def test_the_interval_of_a_mean_average_precision_is_what_drawing_again_leaves():
    targets = (torch.rand(400, 3) < 0.3).float()
    answers = 1.5 * targets + torch.randn(400, 3)
    score = share_in_percent(partial(mean_average_precision, answers, targets), 400)
    drawn = [torch.randint(400, (400,)) for _ in range(300)]
    spread = torch.stack([100 * mean_average_precision(answers[x], targets[x]) for x in drawn]).std().item()
    low, high = score.interval
    assert low < score.value < high
    assert (high - low) / 2 / 1.96 == pytest.approx(spread, rel=0.2)


@pytest.mark.parametrize("count", [1, 20])
def test_nothing_is_known_of_a_figure_that_no_sample_moves(count):
    right = torch.ones(count, dtype=torch.float64)
    score = share_in_percent(lambda w: (w * right).sum() / w.sum(), count)
    assert score.value == 100 and score.interval is None


def test_an_interval_ends_where_shares_do():
    right = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    low, high = share_in_percent(lambda w: (w * right).sum() / w.sum(), 4).interval
    assert high == 100 and 0 < low < 75
