"""Values of the losses on relations between samples, and where they come from.

*worked*: computed in float64 by plain numpy from the equations of each paper, apart from this package. *code*: the
authors' own PyTorch loss gives the same on the same inputs: github.com/lenscloth/RKD metric/loss.py, and
HobbitLong/RepDistiller distiller_zoo/SP.py. *read*: the code followed line by line in float64 numpy on these inputs:
HobbitLong/RepDistiller distiller_zoo/PKT.py at 1e2f816; for correlation congruence, whose authors published none,
JDAI-CV/FaceX-Zoo addition_module/face_lightning/KDF/loss/cc.py with γ = 0.4 and P = 2.
"""

import pytest
import torch
from torch.nn import functional as F

from tutelage.losses.correlation import correlation_congruence
from tutelage.losses.cosine_table import cosine_table, cosines
from tutelage.losses.pkt import pkt
from tutelage.losses.rkd import angles, distances
from tutelage.losses.similarity_preserving import directions, gram_matrix, similarity_preserving

S = torch.tensor([[1.0, 0.0], [0.5, 2.0], [-1.0, 1.0]], dtype=torch.float64)
T = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [1.0, -1.0, 1.0]], dtype=torch.float64)
DOUBLED = S * torch.tensor([[2.0], [1.0], [1.0]], dtype=torch.float64)

VALUES = {
    "worked: distances": (lambda: distances(S, T), 0.014133),
    "worked: angles": (lambda: angles(S, T), 0.011090),
    "worked and code: 25 distances and 50 angles": (lambda: 25 * distances(S, T) + 50 * angles(S, T), 0.907814),
    "worked: distances without the diagonal": (lambda: distances(S, T) * 9 / 6, 0.021199),
    "worked: angles of three different samples": (lambda: angles(S, T) * 27 / 6, 0.049905),
    "worked: distances, absolute gaps": (lambda: distances(S, T, F.l1_loss), 0.128045),
    "worked: distances, squared gaps": (lambda: distances(S, T, F.mse_loss), 0.028265),
    "worked and code: similarities": (lambda: similarity_preserving(S, T), 0.141912),
    "worked: similarities, weighted": (lambda: 3000 * similarity_preserving(S, T), 425.737194),
    "worked: similarities, a sample doubled": (lambda: similarity_preserving(DOUBLED, T), 0.141057),
    "worked: cosines, squared gaps": (lambda: cosine_table(S, T), 0.214299),
    "worked: cosines, absolute gaps": (lambda: cosine_table(S, T, F.l1_loss), 0.270171),
    "worked: cosines without the diagonal": (lambda: cosine_table(S, T) * 9 / 6, 0.321448),
    "read: correlation congruence": (lambda: correlation_congruence(S, T), 0.019571237257),
    "read: neighbours": (lambda: pkt(S, T), 0.038792753),
}


@pytest.mark.parametrize(("loss", "value"), VALUES.values(), ids=VALUES)
def test_the_published_values(loss, value):
    assert loss().item() == pytest.approx(value, abs=1e-6)


def test_the_worked_tables_of_similarities():
    worked = [[0.666667, 0.333333, -0.666667], [0.110264, 0.937240, 0.330791], [-0.371391, 0.557086, 0.742781]]
    table = directions(gram_matrix(S))
    torch.testing.assert_close(table, torch.tensor(worked, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_worked_table_of_cosines():
    worked = [[1.0, 0.141421, 0.258199], [0.141421, 1.0, 0.365148], [0.258199, 0.365148, 1.0]]
    torch.testing.assert_close(cosines(T), torch.tensor(worked, dtype=torch.float64), atol=1e-6, rtol=0)


def test_the_huber_loss_of_the_relations_bends_at_one():
    gaps = torch.tensor([0.5, 1.0, 2.0, -3.0])
    worked = torch.tensor([0.125, 0.5, 1.5, 2.5])
    torch.testing.assert_close(F.smooth_l1_loss(gaps, torch.zeros(4), reduction="none"), worked)


def test_correlation_of_many_powers_is_the_gaussian_kernel():
    kernels = [torch.exp(-0.4 * (u[:, None] - u[None]).square().sum(-1)) for u in (directions(S), directions(T))]
    torch.testing.assert_close(correlation_congruence(S, T, order=30), F.mse_loss(*kernels))


def test_the_code_of_distances_divides_by_the_mean_of_the_positive_ones():
    student, teacher = torch.randn(6, 4).double(), torch.randn(6, 9).double()
    tables = [(x[:, None] - x[None]).norm(dim=-1) for x in (student, teacher)]
    relative = [d / d[d > 0].mean() for d in tables]
    torch.testing.assert_close(distances(student, teacher), F.smooth_l1_loss(*relative))


def test_the_code_of_angles_multiplies_normalised_differences():
    student, teacher = torch.randn(6, 4).double(), torch.randn(6, 9).double()
    unit = [F.normalize(x.unsqueeze(0) - x.unsqueeze(1), dim=2) for x in (student, teacher)]
    torch.testing.assert_close(angles(student, teacher), F.smooth_l1_loss(*(torch.bmm(e, e.mT) for e in unit)))
