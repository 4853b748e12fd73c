"""Values of the losses on logits, and where they come from.

*worked*: computed in float64 by plain numpy from the equations of each paper, apart from this package. *code*: the
authors' own PyTorch loss gives the same on the same inputs: github.com/megvii-research/mdistiller for DKD,
hunto/image_classification_sota for DIST at temperature 1, sunshangquan/logit-standardization-KD, yzd-v/cls_KD for NKD,
Jin-Ying/Multi-Level-Logit-Distillation for the relations of samples and of classes.
"""

import pytest
import torch
from torch.nn import functional as F

from tutelage.losses.dist import dist
from tutelage.losses.dkd import dkd
from tutelage.losses.kd import soft_targets
from tutelage.losses.multi_level import batch_relations, class_relations, multi_level
from tutelage.losses.nkd import nkd
from tutelage.losses.standardized import standardized, standardized_soft_targets, z_scores
from tutelage.losses.wsl import sample_weights, wsl

S = torch.tensor([[1.5, 0.2, -0.3], [0.0, 0.4, 1.0]], dtype=torch.float64)
T = torch.tensor([[2.0, 1.0, 0.1], [0.5, -1.0, 3.0]], dtype=torch.float64)
S3 = torch.cat([S, torch.tensor([[0.3, 1.2, -0.8]], dtype=torch.float64)])
T3 = torch.cat([T, torch.tensor([[-0.5, 0.6, 0.2]], dtype=torch.float64)])
TARGET = torch.tensor([0, 2])
LABEL = F.cross_entropy(S, TARGET)

VALUES = {
    "worked: the right class of DKD": (lambda: dkd(S, T, TARGET, others_weight=0.0), 0.353831),
    "worked: the others of DKD": (lambda: dkd(S, T, TARGET, target_weight=0.0, others_weight=1.0), 0.232228),
    "worked and code: DKD": (lambda: dkd(S, T, TARGET), 2.211652),
    "worked: DIST between classes, T = 1": (lambda: dist(S3, T3, 1.0, intra_weight=0.0), 0.133265),
    "worked: DIST within classes, T = 1": (lambda: dist(S3, T3, 1.0, inter_weight=0.0), 0.095278),
    "worked and code: DIST, T = 1": (lambda: dist(S3, T3, 1.0), 0.228543),
    "worked: DIST between classes, T = 4": (lambda: dist(S3, T3, intra_weight=0.0), 4.309842),
    "worked: DIST within classes, T = 4": (lambda: dist(S3, T3, inter_weight=0.0), 2.870056),
    "worked: DIST, T = 4": (lambda: dist(S3, T3), 7.179898),
    "worked and code: standardised": (lambda: standardized_soft_targets(S, T), 0.076529),
    "worked: standardised, with the label": (lambda: 0.1 * LABEL + 9 * standardized_soft_targets(S, T), 0.739452),
    "worked: the right class of NKD": (lambda: nkd(S, T, TARGET, others_weight=0.0), 0.415273),
    "worked and code: NKD": (lambda: nkd(S, T, TARGET), 0.415273 + 1.5 * 0.729324),
    "worked: NKD, with the label": (lambda: LABEL + nkd(S, T, TARGET), 2.016126),
    "worked: WSL": (lambda: wsl(S, T, TARGET, S), 3.159701),
    "worked: WSL, with the label": (lambda: LABEL + 2.5 * wsl(S, T, TARGET, S), 8.406120),
    "worked and code: relations of samples": (lambda: batch_relations(S, T, batch=2), 0.001674),
    "worked and code: relations of classes": (lambda: class_relations(S, T, batch=2), 0.008260),
}


@pytest.mark.parametrize(("loss", "value"), VALUES.values(), ids=VALUES)
def test_the_published_values(loss, value):
    assert loss().item() == pytest.approx(value, abs=1.5e-6)  # six digits, some of them sums of six-digit numbers


def test_the_worked_z_scores_divide_by_one_less_than_the_classes():
    worked = [[1.112119, -0.286998, -0.825120], [-0.927172, -0.132453, 1.059626]]
    torch.testing.assert_close(z_scores(S), torch.tensor(worked, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_worked_weights_of_the_samples():
    weights = sample_weights(S, T, TARGET).squeeze(-1)
    torch.testing.assert_close(weights, torch.tensor([0.581369, 0.998886], dtype=torch.float64), atol=1e-6, rtol=0)


def test_decoupled_parts_weighed_by_what_the_teacher_leaves_to_the_others_are_plain_soft_targets():
    for n, target in enumerate(TARGET):
        row = S[n : n + 1], T[n : n + 1], target[None]
        left = 1 - (T[n] / 4).softmax(-1)[target]
        together = dkd(*row, others_weight=left.item())
        torch.testing.assert_close(together, soft_targets(*row[:2], 4.0), atol=1e-12, rtol=0)


def test_the_code_of_decoupling_with_its_mask_of_a_thousand_gives_the_same():
    student, teacher, target = torch.randn(8, 5).double(), torch.randn(8, 5).double(), torch.arange(8) % 5
    mask = F.one_hot(target, 5)
    pairs = [(x / 4).softmax(-1) for x in (student, teacher)]
    pair_s, pair_t = (torch.stack([(p * mask).sum(-1), (p * (1 - mask)).sum(-1)], -1) for p in pairs)
    log_s, log_t = ((x / 4 - 1000 * mask).log_softmax(-1) for x in (student, teacher))
    right = F.kl_div(pair_s.log(), pair_t, reduction="batchmean")
    others = F.kl_div(log_s, log_t, reduction="batchmean", log_target=True)
    torch.testing.assert_close(dkd(student, teacher, target), 16 * (right + 8 * others))


def test_at_the_published_batch_relations_are_the_published_sums_and_at_others_as_large():
    student, teacher = torch.randn(2, 64, 5, dtype=torch.float64)
    q, p = (student / 4).softmax(-1), (teacher / 4).softmax(-1)
    by_sample = (q @ q.T - p @ p.T).square().sum() / 64
    by_class = (q.T @ q - p.T @ p).square().sum() / 5
    torch.testing.assert_close(batch_relations(student, teacher), by_sample)
    torch.testing.assert_close(class_relations(student, teacher), by_class)
    torch.testing.assert_close(class_relations(student.repeat(2, 1), teacher.repeat(2, 1)), by_class)
    torch.testing.assert_close(batch_relations(student.repeat(2, 1), teacher.repeat(2, 1)), by_sample)


def test_all_levels_are_the_sum_over_the_published_temperatures():
    parts = [
        soft_targets(S, T, t) + batch_relations(S, T, t) + class_relations(S, T, t) for t in (2.0, 3.0, 4.0, 5.0, 6.0)
    ]
    torch.testing.assert_close(multi_level(S, T), sum(parts))


def test_the_code_that_standardises_any_loss_of_logits_standardises_this_one():
    torch.testing.assert_close(standardized(soft_targets)(S, T, 2.0), standardized_soft_targets(S, T))
    torch.testing.assert_close(standardized(dkd)(S, T, TARGET), dkd(z_scores(S), z_scores(T), TARGET))
