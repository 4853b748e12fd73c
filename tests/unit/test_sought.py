"""A student that is sought within its teacher: the steps of its search."""

import pytest
import torch
from torch import nn

from tutelage.study.sought import LONGEST, cautious


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e8])
def test_no_gradient_moves_the_weights_by_more_than_a_step(size):
    model = nn.Linear(5, 3, bias=False).double()
    nn.init.zeros_(model.weight)  # nothing decays
    optimizer = cautious([*model.named_parameters()], lr=0.02)
    model.weight.grad = torch.full_like(model.weight, size)
    optimizer.step()
    moved = float(model.weight.detach().norm())
    longest = 0.02 * 1.9 * min(LONGEST, size * 15**0.5)  # Nesterov's first step is (1 + momentum) of the gradient
    assert moved == pytest.approx(longest, rel=1e-6)
