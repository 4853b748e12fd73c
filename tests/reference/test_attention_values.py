"""Values of attention over layers, and where they come from.

*worked*: computed in float64 by plain numpy from the formulas, independently of this package. *official*: the authors'
PyTorch code (github.com/DefangChen/SemCKD, commit ebe5db19, ``SelfA`` and ``SemCKDLoss``) in float64, with the weights
and layers below; its gradients for the student's layers were the same to 1e-17.
"""

import pytest
import torch
from torch import nn

from tutelage.losses.hint import half_squares
from tutelage.matching.attentive import Attentive, of_each, of_mixture
from tutelage.matching.fitted import unchanged
from tutelage.matching.ranges import every_layer, window
from tutelage.matching.semckd import SemCKD
from tutelage.matching.similarities import cosine_similarity, inner_product, negative_squares, scaled_dot


def float64(*numbers, shape):
    return torch.tensor(numbers, dtype=torch.float64).reshape(shape)


def squares(student, teacher):
    return 2 * half_squares(student, teacher)


def shown(matched, student, teacher):
    with torch.no_grad():
        matched(student, teacher)
    return matched


# ---- one sample of two features, three layers of the teacher (worked): weights, loss of the mixture, losses, spread

STUDENT = float64(1, 1, shape=(1, 2))
TEACHERS = [float64(*numbers, shape=(1, 2)) for numbers in ((1, 2), (0, 1), (3, -1))]
ATTENTION = [
    (inner_product, [0.665241, 0.090031, 0.244728], 0.190441, 2.713099, 2.522658),
    (scaled_dot, [0.575975, 0.140029, 0.283995], 0.183215, 2.987968, 2.804753),
    (cosine_similarity, [0.418230, 0.328473, 0.253297], 0.039535, 2.773078, 2.733543),
    (negative_squares, [0.499772, 0.499772, 0.000456], 0.497724, 1.003190, 0.505466),
]


@pytest.mark.parametrize(("similarity", "weights", "mixture", "each", "spread"), ATTENTION)
def test_attention(similarity, weights, mixture, each, spread):
    ranges = every_layer(["s"], ["t1", "t2", "t3"])

    def matched(reading):
        return Attentive(squares, ranges, similarity=similarity, reading=reading, fit=unchanged)

    found = shown(matched(of_mixture), [STUDENT], TEACHERS)
    assert found.attend([STUDENT], TEACHERS)["s"].weights.tolist()[0] == pytest.approx(weights, abs=1e-6)
    assert found([STUDENT], TEACHERS).item() == pytest.approx(mixture, abs=1e-6)
    of_losses = shown(matched(of_each), [STUDENT], TEACHERS)([STUDENT], TEACHERS).item()
    assert of_losses == pytest.approx(each, abs=1e-6)
    assert of_losses - mixture == pytest.approx(spread, abs=2e-6)


# ---- SemCKD: two samples, one layer of the student, two of the teacher, perceptrons that change nothing (worked)

F = float64(1, 0, 1, 2, shape=(2, 2))
G = [float64(2, 1, 0, 1, shape=(2, 2)), float64(1, 1, -2, 1, shape=(2, 2))]


def test_semckd_without_perceptrons():
    matched = SemCKD(every_layer(["s"], ["t1", "t2"]), fit=unchanged).eval()
    matched.queries, matched.keys = nn.ModuleList([nn.Identity()]), nn.ModuleList([nn.Identity(), nn.Identity()])
    assert shown(matched, [F], G)([F], G).item() == pytest.approx(1.952025, abs=1e-6)
    weights = matched.weights([F], G)["s"].flatten().tolist()
    assert weights == pytest.approx([0.626170, 0.373830, 0.477259, 0.522741], abs=1e-6)


# ---- SemCKD, all of it (official): 8 samples, two layers of the student, three of the teacher, in training mode


def waves(*shape, step):
    """Numbers between -1 and 1 that anybody can make again."""
    count = torch.Size(shape).numel()
    return torch.sin(step * torch.arange(1, count + 1, dtype=torch.float64)).reshape(shape)


def test_semckd():
    student = [waves(8, 2, 8, 8, step=0.7), waves(8, 3, 4, 4, step=1.3)]
    teacher = [waves(8, 3, 8, 8, step=0.9), waves(8, 2, 4, 4, step=1.1), waves(8, 4, 2, 2, step=1.7)]
    matched = shown(SemCKD(every_layer(["s1", "s2"], ["t1", "t2", "t3"]), samples=8).double(), student, teacher)
    with torch.no_grad():
        for place, p in enumerate(matched.parameters()):  # queries, then keys, then the maps, pair by pair
            p.copy_(0.5 * waves(*p.shape, step=0.3 + 0.1 * place) + (0.25 if p.ndim == 1 else 0))
    assert matched(student, teacher).item() == pytest.approx(0.8237002164, abs=1e-9)
    weights = matched.weights(student, teacher)
    assert weights["s1"].mean(0).tolist() == pytest.approx([0.1207, 0.5152, 0.3642], abs=1e-4)
    assert weights["s2"].mean(0).tolist() == pytest.approx([0.2385, 0.3971, 0.3644], abs=1e-4)


# ---- windows (counted by hand): layer m of M stands at m·N/M of N, rounded


@pytest.mark.parametrize(
    ("student", "teacher", "reach", "middles"),
    [(3, 27, 0, [9, 18, 27]), (3, 4, 0, [1, 3, 4]), (4, 6, 0, [2, 3, 5, 6]), (3, 1, 0, [1, 1, 1]), (1, 5, 0, [5])],
)
def test_a_window_without_reach_is_the_proportional_layer(student, teacher, reach, middles):
    found = window([f"s{m}" for m in range(student)], [str(n) for n in range(1, teacher + 1)], reach)
    assert list(found.values()) == [[str(middle)] for middle in middles]
