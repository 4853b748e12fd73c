"""Values of the variational student, and where they come from.

*worked*: computed in float64 by plain numpy from the published equations (Molchanov et al., arXiv:1701.05369; Liu et
al., arXiv:1811.07533), independently of this package. The exact divergences are integrals, taken by quadrature there
and again here.
"""

from math import log

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tutelage.compress import reparameterisation
from tutelage.compress.block_sparse import block_sparse
from tutelage.compress.dropout_kl import bayesian, sparse
from tutelage.compress.footprint import csr_bits, footprint
from tutelage.compress.reparameterisation import drawn
from tutelage.compress.variational import kl, variational_
from tutelage.losses.kd import soft_targets
from tutelage.methods.weights import rising
from tutelage.objective import Clock

EULER = 0.5772156649015329
LOG_ALPHA = torch.tensor([-8.0, -3, 0, 3, 8], dtype=torch.float64)
SPARSE = [4.635899, 2.115590, 0.431239, 0.025420, 0.000168]
EXACT = [4.635014, 2.107978, 0.426686, 0.024688, 0.000168]
BAYESIAN = [4.000168, 1.524294, 0.346574, 0.024294, 0.000168]


def float64(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def of_each(divergence, log_alpha):
    """The divergence at each log α, of a mean of 1."""
    return [divergence(torch.ones(1).double(), x.view(1)).item() for x in log_alpha]


THETA = float64([0.5, -0.2, 0.01], [1.0, 0.3, -0.7])
LOG_VARIANCE = float64([-6, -4, -3], [-10, -2, 1])
X, BIAS = float64([1, 2, -1], [0.5, 0, 3]), torch.tensor([0.1, -0.1], dtype=torch.float64)


def layer():
    made = variational_(nn.Sequential(nn.Linear(3, 2).double()))
    with torch.no_grad():
        made[0].weight.copy_(THETA)
        made[0].bias.copy_(BIAS)
        made[0].posterior.log_variance.copy_(LOG_VARIANCE)
    return made


def test_b1_the_sparse_divergence():
    assert of_each(sparse, LOG_ALPHA) == pytest.approx(SPARSE, abs=1e-6)


def test_b1_it_is_within_0_008_of_the_exact_one():
    exact = [exact_divergence(x) for x in LOG_ALPHA]
    assert exact == pytest.approx(EXACT, abs=2e-5)
    assert of_each(sparse, LOG_ALPHA) == pytest.approx(exact, abs=0.008)


def exact_divergence(log_alpha):
    """``E log|1 + √α n| − ½ log α + ½ (γ + log 2)``, n ~ N(0, 1): the integral on both sides of its singularity."""
    s = (0.5 * log_alpha).exp()
    u = torch.linspace(-50, log(60 + 1 / s.item()), 200_001, dtype=torch.float64)
    t, normal = u.exp(), torch.distributions.Normal(float64(0.0).squeeze(), 1)
    both = normal.log_prob(-1 / s + t).exp() + normal.log_prob(-1 / s - t).exp()
    mean = torch.trapezoid((s.log() + u) * both * t, u).item()
    return mean - 0.5 * log_alpha.item() + 0.5 * (EULER + log(2))


def test_b1_a_threshold_of_3_is_a_dropout_rate_of_0_95():
    assert torch.tensor(3.0).sigmoid().item() == pytest.approx(0.952574, abs=1e-6)


def test_b2_a_layer_answers_by_mean_and_variance():
    made = layer()
    q = made[0].posterior
    expected = float64([-4.613706, -0.781124, 6.210240], [-10, 0.407945, 1.713350])
    assert torch.allclose(q.log_alpha(THETA), expected, atol=1e-6)
    mean, variance = F.linear(X, THETA, BIAS), F.linear(X.square(), LOG_VARIANCE.exp())
    assert torch.allclose(mean, float64([0.19, 2.2], [0.38, -1.7]))
    assert torch.allclose(variance, float64([0.125528, 3.259668], [0.448703, 24.464548]), atol=1e-6)
    torch.manual_seed(3)
    noise = torch.randn(2, 2, dtype=torch.float64)
    torch.manual_seed(3)
    assert torch.allclose(made.train()(X), mean + (variance + 1e-8).sqrt() * noise)


def test_b2_a_sample_with_given_noise(monkeypatch):
    monkeypatch.setattr(reparameterisation, "_noise", lambda _x, deviation: deviation * float64([0.3, -1], [0, 2]))
    mean, variance = float64([0.19, 2.2], [0.38, -1.7]), F.linear(X.square(), LOG_VARIANCE.exp())
    assert torch.allclose(drawn(mean, variance), float64([0.296290, 0.394545], [0.38, 8.192330]), atol=1e-6)


def test_b2_in_eval_mode_it_answers_by_what_is_kept():
    assert torch.allclose(layer().eval()(X), float64([0.2, 2.2], [0.35, -1.7]))


@pytest.mark.parametrize(("divergence", "total"), [(sparse, 9.762868), (bayesian, 8.229654)])  # B2, B3
def test_the_divergence_of_a_layer(divergence, total):
    assert kl(layer(), divergence).item() == pytest.approx(total, abs=1e-6)


def test_b3_the_bayesian_divergence():
    assert of_each(bayesian, LOG_ALPHA) == pytest.approx(BAYESIAN, abs=1e-6)


def test_b3_it_is_the_least_over_all_variances_of_the_prior():
    alpha, theta = 0.7, 0.3
    gamma = torch.linspace(-12, 4, 200_001, dtype=torch.float64).exp()
    total = alpha * theta**2 + theta**2
    of_gamma = 0.5 * ((gamma / (alpha * theta**2)).log() + total / gamma - 1)
    mean, log_variance = float64(theta), float64(log(alpha * theta**2))
    assert of_gamma.min().item() == pytest.approx(0.443652, abs=1e-6)
    assert bayesian(mean, log_variance).item() == pytest.approx(0.443652, abs=1e-6)
    assert gamma[of_gamma.argmin()].item() == pytest.approx(0.153, abs=1e-4)


def test_b4_the_objective_as_a_sum_and_as_a_mean():
    student, teacher, target = float64([0.19, 2.2], [0.38, -1.7]), float64([2, -1], [0, 1]), torch.tensor([0, 1])
    samples, beta = 60_000, 0.2
    label, soft = F.cross_entropy(student, target), soft_targets(student, teacher, temperature=2.0)
    assert label.item() == pytest.approx(2.166731, abs=1e-6)
    assert soft.item() == pytest.approx(1.891402, abs=1e-6)
    mean_form = (label + 2 * soft + beta * kl(layer()) / samples).item()
    assert mean_form == pytest.approx(5.949567, abs=1e-6)
    assert (samples * (label + 2 * soft) + beta * kl(layer())).item() == pytest.approx(356974.048160, rel=1e-8)
    assert samples * mean_form == pytest.approx(356974.048160, rel=1e-8)


def test_b4_the_warm_up_of_beta():
    found = [rising(Clock(epoch, 0, 0.0), begin=5, end=20) for epoch in (0, 4, 5, 12, 19, 20, 199)]
    assert found == pytest.approx([0, 0, 0, 7 / 15, 14 / 15, 1, 1])


def test_b5_bits_of_a_sparse_layer():
    weight = torch.zeros(300, 784)
    weight.view(-1)[torch.randperm(weight.numel())[:2587]] = 1.0
    made = nn.Linear(784, 300)
    made.weight = nn.Parameter(weight)
    found = footprint(made)
    assert (found.nonzero, found.dense_bits, found.csr_bits) == (2587, 7_526_400, 133_808)
    assert csr_bits(weight, 2587) == 133_808
    assert (found.count_ratio, found.csr_ratio) == pytest.approx((90.916119, 56.247758))


def test_b6_the_block_sparse_penalty():
    teacher, student = nn.Linear(2, 2).double(), nn.Linear(2, 2).double()
    with torch.no_grad():
        teacher.weight.copy_(float64([0.9, -0.2], [0.1, 0.4]))
        student.weight.copy_(float64([0.3, -0.5], [0.2, 0.0]))
    total = block_sparse(student, teacher=teacher)
    assert total.item() == pytest.approx(2.0)
    total.backward()
    assert torch.equal(student.weight.grad, float64([0, -1], [1, 0])) and teacher.weight.grad is None
