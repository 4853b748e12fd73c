"""Values of what schemes add up, and where they come from.

*worked*: computed in float64 by plain numpy from the equations of arXiv:1412.6550 (eq. 4, with its code's λ and without
τ²), arXiv:1902.03393 (eq. 3) and from the rule of arXiv:1910.01348, independently of this package.
"""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.losses.hint import half_squares_by_place
from tutelage.losses.kd import soft_targets
from tutelage.matching.projected import Projected
from tutelage.methods.pair import Pair
from tutelage.methods.response import kd, softened
from tutelage.methods.sums import stopped
from tutelage.methods.weights import falling, until
from tutelage.objective import Clock, Objective
from tutelage.optimizers.schedules import stepwise
from tutelage.schemes.hints import hint_terms

S = torch.tensor([[1.5, 0.2, -0.3], [0.0, 0.4, 1.0]], dtype=torch.float64)
T = torch.tensor([[2.0, 1.0, 0.1], [0.5, -1.0, 3.0]], dtype=torch.float64)
TARGET = torch.tensor([0, 2])
SCENE = {"student": {"output": S}, "teacher": {"output": T}, "batch": {"target": TARGET}}
HINT = torch.tensor([1., 2, 0, 1, -1, 0, 2, 1, .5, 0, 1, 0, 0, 1, 1, 0, 2, 0, 0, 1, 0, 3, 1, .5],
                    dtype=torch.float64).reshape(2, 3, 2, 2)  # fmt: skip
GUIDED = torch.tensor([1.0, 0, 1, 2, 0, 1, 1, 0], dtype=torch.float64).reshape(2, 1, 2, 2)


def pair(epochs: int) -> Pair:
    return Pair(nn.Identity(), nn.Identity(), Lesson(digits(10, seed=0)), epochs)


def total(objective: Objective, epoch: int, epochs: int) -> float:
    weights = {name: x for name, x in objective.weights(Clock(epoch, 0, epoch / epochs)).items() if x}
    losses = objective(SCENE, list(weights))
    return sum(weights[name] * loss.item() for name, loss in losses.items())


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-6)


def test_assistants_sum_over_classes_where_their_code_takes_the_mean():
    objective = softened(pair(1), temperature=5.0, label=0.6, soft=0.4)
    assert total(objective, 0, 1) == near(0.494421)
    label, soft = 0.6 * F.cross_entropy(S, TARGET), 0.4 * soft_targets(S, T, 5.0)
    assert (label + soft / 3).item() == near(0.367554)


@pytest.mark.parametrize(
    ("epoch", "alpha", "loss"), [(0, 0.9, 0.469290), (119, 0.9, 0.469290), (120, 0.0, 0.506868), (199, 0.0, 0.506868)]
)
def test_distillation_that_is_switched_off(epoch, alpha, loss):
    objective = stopped(kd, 120)(pair(200))
    weights = objective.weights(Clock(epoch, 0, epoch / 200))
    assert weights == {"label": near(1 - alpha), "soft": near(alpha)}
    assert until(Clock(epoch, 0, 0.0), epoch=120, before=0.9) == alpha
    assert total(objective, epoch, 200) == near(loss)


@pytest.mark.parametrize(("epochs", "every"), [(200, 60), (35, 10)])
def test_the_rate_of_a_teacher_that_stops_early(epochs, every):
    """0.1 at first, a fifth of it after each of three drops: of 200 epochs every 60, of 35 every 10."""
    factor = partial(stepwise, at=tuple(k * every / epochs for k in (1, 2, 3)), by=0.2)(epochs)
    assert [0.1 * factor(k * every) for k in range(4)] == [near(x) for x in (0.1, 0.02, 0.004, 0.0008)]


def test_the_second_stage_of_fitnets_at_epoch_100():
    share = falling(Clock(100, 0, 0.2), first=4.0, last=1.0, epochs=500, scale=3.0**-2)
    tempered = (T / 3).softmax(-1)
    own = -(tempered * tempered.log()).sum(-1).mean()  # the teacher's, which is not logged
    loss = F.cross_entropy(S, TARGET) + share * soft_targets(S, T, temperature=3.0)
    assert (loss + 3.4 * own).item() == near(4.100143)


def test_the_first_stage_of_fitnets():
    convolution = nn.Conv2d(1, 3, 1).double()
    convolution.weight.data = torch.tensor([0.5, -1.0, 0.8], dtype=torch.float64).reshape(3, 1, 1, 1)
    convolution.bias.data = torch.tensor([0.1, 0.2, -0.3], dtype=torch.float64)
    given = Projected(half_squares_by_place, nn.Sequential(convolution, nn.ReLU()))
    objective = hint_terms("conv", "conv", lambda: given)
    scene = {"student": {"conv": GUIDED}, "teacher": {"conv": HINT}}
    assert objective(scene, ["hint"])["hint"].item() == near(1.443125)
