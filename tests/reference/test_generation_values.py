"""Values of the losses by which a network learns from one of its own kind, and where they come from.

*worked*: computed in float64 by plain numpy from the equations of the papers, apart from this package. There is no
official code of born-again networks; that of the label refinery, github.com/hessamb/label-refinery, computes the soft
cross entropy.
"""

import pytest
import torch
from torch.nn import functional as F

from tutelage.losses.born_again import (
    confidence_shares,
    confidence_weighted,
    permuted,
    soft_cross_entropy,
    with_permuted_teacher,
)
from tutelage.losses.kd import arithmetic, geometric, soft_targets

S = torch.tensor([[1.5, 0.2, -0.3], [0.0, 0.4, 1.0]], dtype=torch.float64)
T = torch.tensor([[2.0, 1.0, 0.1], [0.5, -1.0, 3.0]], dtype=torch.float64)
T2 = torch.tensor([[0.0, 2.0, 1.0], [1.0, 0.0, 2.0]], dtype=torch.float64)
TARGET = torch.tensor([0, 2])


def last_first(logits):
    """Deals out from the last class to the first."""
    return -torch.arange(logits.shape[-1], dtype=logits.dtype).expand(logits.shape)


VALUES = {
    "worked: BAN, and the code of the label refinery": (lambda: soft_cross_entropy(S, T), 0.795450),
    "worked: the label refinery as its paper writes it": (lambda: soft_targets(S, T, 1.0), 0.197710),
    "worked: the label refinery both ways": (lambda: soft_targets(S, T, 1.0) + soft_targets(T, S, 1.0), 0.555228),
    "worked: BAN+L": (lambda: F.cross_entropy(S, TARGET) + soft_cross_entropy(S, T), 1.302318),
    "worked: CWTM": (lambda: confidence_weighted(S, T, TARGET), 0.529766),
    "worked: DKPP, the other two exchanged": (
        lambda: with_permuted_teacher(soft_cross_entropy, last_first)(S, T),
        0.819826,
    ),
}


@pytest.mark.parametrize(("loss", "value"), VALUES.values(), ids=VALUES)
def test_the_published_values(loss, value):
    assert loss().item() == pytest.approx(value, abs=1e-6)


def near(found, worked):
    torch.testing.assert_close(found, torch.tensor(worked, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_worked_shares_of_the_samples():
    near(confidence_shares(T).flatten(), [0.420345, 0.579655])


def test_the_worked_targets_whose_smaller_two_are_exchanged():
    near(permuted(T, last_first).softmax(-1), [[0.659001, 0.098566, 0.242433], [0.016645, 0.074596, 0.908760]])


def test_the_worked_ensemble_of_generations_is_the_mean_of_probabilities_and_not_that_of_logits():
    generations = torch.stack([S, T, T2]).log_softmax(-1)
    worked = [[0.481508, 0.365739, 0.152753], [0.170420, 0.131003, 0.698578]]
    near(arithmetic(generations).exp(), worked)
    assert not torch.allclose(geometric(generations).exp(), arithmetic(generations).exp(), atol=1e-3)
