"""Values of the search for better students, and where they come from.

*worked*: computed in float64 by plain numpy from the equations of arXiv:1707.01213 (eq. 10 to 12, with the floor of its
code) and of arXiv:2001.11612, independently of this package.
"""

from functools import partial
from math import inf

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tutelage.losses.held import held_soft_targets
from tutelage.losses.kd import soft_targets
from tutelage.losses.reverse_kl import reverse_kl
from tutelage.optimizers.accelerated_proximal import accelerated_proximal, growing, lasting, sparse, steady
from tutelage.optimizers.proximal import proximal, soft_threshold

D = torch.float64
ALPHA = torch.tensor([1.0, 0.25, 0.0625], dtype=D)
GRADIENTS = torch.tensor([[0.2, -0.1, 0.05], [0.1, 0.0, 0.1], [0.0, 0.2, 0.0], [0.0, 0.0, 0.0]], dtype=D)

# one line a step, each of three gates
STEPS = {
    0.0: [[0.867000, 0.095250, 0.004562], [0.696300, 0.069475, 0], [0.501670, 0, 0], [0.276503, 0, 0]],
    -inf: [[0.867000, 0.095250, 0.004562], [0.696300, 0.069475, -0.015081], [0.501670, -0.004222, -0.020636],
           [0.276503, -0.033278, -0.022510]],
}  # fmt: skip
ITERATES = {
    0.0: [[0.930000, 0.097500, 0.011875], [0.807000, 0.082750, 0], [0.646300, 0.036975, 0], [0.451670, 0, 0]],
    -inf: [[0.930000, 0.097500, 0.011875], [0.807000, 0.082750, -0.002313], [0.646300, 0.036975, -0.011956],
           [0.451670, 0, -0.017511]],
}  # fmt: skip
VELOCITIES = {
    0.0: [[-0.07, -0.0025, -0.008125], [-0.123, -0.01475, -0.014188], [-0.1607, -0.045775, -0.012769],
          [-0.19463, -0.041197, -0.011492]],
    -inf: [[-0.07, -0.0025, -0.008125], [-0.123, -0.01475, -0.014188], [-0.1607, -0.045775, -0.009644],
           [-0.19463, -0.036975, -0.005554]],
}  # fmt: skip

S = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]], dtype=D)
T = torch.tensor([[3.0, 0.0, -2.0], [0.0, 1.0, -1.0]], dtype=D)


def gates(values):
    return nn.Parameter(torch.tensor(values, dtype=D))


def everywhere(_name):
    return True


@pytest.mark.parametrize("base", [
    partial(torch.optim.SGD, lr=0.1),
    partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
    partial(torch.optim.Adam, lr=0.1),
], ids=["plain", "momentum and decay", "adam"])  # fmt: skip
@pytest.mark.parametrize("floor", STEPS)
def test_four_steps_of_three_gates_whatever_others_are_trained_by(floor, base):
    g = gates([1.0, 0.10, 0.02])
    optimizer = accelerated_proximal(base, 0.5, everywhere, lambda _: ALPHA, floor=floor)([("g", g)])
    for gradient, *worked in zip(GRADIENTS, STEPS[floor], ITERATES[floor], VELOCITIES[floor], strict=True):
        g.grad = gradient.clone()
        optimizer.step()
        found = g.detach(), sparse(optimizer)["g"], optimizer.state[g]["velocity"]
        for ours, value in zip(found, worked, strict=True):
            torch.testing.assert_close(ours, torch.tensor(value, dtype=D), atol=1e-6, rtol=0)
    above = (torch.tensor(ITERATES[floor]) > floor).sum(0)
    assert lasting(optimizer)["g"].tolist() == above.tolist() and (floor < 0 or above.tolist() == [4, 3, 1])
    assert g.tolist()[1:] == [0, 0] if floor == 0 else 0 not in g.tolist()  # exact zeros come of the floor


A = torch.tensor([[2.0, 0.3, 0.0], [0.3, 1.0, 0.2], [0.0, 0.2, 0.5]], dtype=D)
B = torch.tensor([1.0, -0.4, 0.05], dtype=D)
RATE, STRENGTH, SHARES = 0.3, 0.1, torch.tensor([1.0, 0.5, 0.25], dtype=D)


def textbook(momentum, steps):
    """``y = x_{k-1} + μ_{k-1} (x_{k-1} - x_{k-2})``, ``x_k = S(y - η ∇(y))``: two sequences, the gradient at ``y``."""
    before = x = torch.ones(3, dtype=D)
    for taken in range(steps):
        y = x + momentum(taken) * (x - before)
        before, x = x, soft_threshold(y - RATE * (A @ y - B), RATE * STRENGTH * SHARES)
        yield x


def ours(wrapper, steps, **settings):
    g = gates([1.0, 1.0, 1.0])
    optimizer = wrapper(partial(torch.optim.SGD, lr=RATE), STRENGTH, everywhere, lambda _: SHARES, **settings)
    optimizer = optimizer([("g", g)])
    for _ in range(steps):
        optimizer.zero_grad()
        (g @ A @ g / 2 - B @ g).backward()
        optimizer.step()
        yield sparse(optimizer).get("g", g.detach().clone())


@pytest.mark.parametrize(
    "momentum", [growing, steady, partial(steady, momentum=0.5)], ids=["growing", "steady", "half"]
)
def test_forty_steps_are_those_of_the_textbook(momentum):
    pairs = zip(ours(accelerated_proximal, 40, momentum=momentum, floor=-inf), textbook(momentum, 40), strict=True)
    assert max(float((x - y).abs().max()) for x, y in pairs) < 1e-12


def test_where_forty_steps_lead():
    *_, x = ours(accelerated_proximal, 40, momentum=growing, floor=-inf)
    torch.testing.assert_close(x, torch.tensor([0.534881, -0.565837, 0.276580], dtype=D), atol=1e-6, rtol=0)
    objective = x @ A @ x / 2 - B @ x + STRENGTH * (SHARES * x.abs()).sum()
    assert objective.item() == pytest.approx(-0.343139, abs=1e-6)
    torch.testing.assert_close(
        A @ x - B, torch.tensor([-0.099988, 0.049943, -0.024877], dtype=D), atol=1e-6, rtol=0
    )  # at most strength · α where x is 0, and that against its sign where it is not


def test_without_momentum_it_is_the_plain_proximal_gradient_method():
    plain, still = ours(proximal, 12), ours(accelerated_proximal, 12, momentum=partial(steady, momentum=0), floor=-inf)
    still_moving = 1.0
    for x, y in zip(plain, still, strict=True):
        torch.testing.assert_close(x, y, atol=1e-14, rtol=0)
        assert not torch.equal(x, torch.full_like(x, still_moving))
        still_moving = float(x[0])


@pytest.mark.parametrize(("alpha", "steps"), [(1.0, 1009), (0.25, 4009)])
def test_how_long_a_gate_takes_to_close_that_nobody_pulls_at(alpha, steps):
    """At rate 0.1 and strength 1e-3; α = 1/16 takes 16,009 steps, as the ratio of the first two lets one expect."""
    g = gates([1.0])
    factory = accelerated_proximal(partial(torch.optim.SGD, lr=0.1), 1e-3, everywhere, lambda _: alpha)
    optimizer = factory([("g", g)])
    g.grad = torch.zeros_like(g)
    for _ in range(steps - 1):
        optimizer.step()
    assert g.item() > 0
    optimizer.step()
    assert g.item() == 0


def test_the_divergence_either_way_and_held_at_a_value():
    near = partial(pytest.approx, abs=1e-6)
    each = [soft_targets(S[n : n + 1], T[n : n + 1], 4.0).item() / 16 for n in (0, 1)]
    assert each == near([0.023120, 0.022526])
    each = [reverse_kl(S[n : n + 1], T[n : n + 1], 4.0).item() / 16 for n in (0, 1)]
    assert each == near([0.023425, 0.023043])
    assert soft_targets(S, T, 4.0).item() == near(0.365172)
    assert held_soft_targets(S, T, 4.0, kl0=0.0228).item() / 16 == near(0.000297)
    assert abs(soft_targets(S, T, 4.0).item() / 16 - 0.0228) == near(0.000023)  # the absolute value outside the mean
    label = F.cross_entropy(S, torch.tensor([0, 1]))
    assert (0.1 * label + 0.9 * soft_targets(S, T, 4.0)).item() == near(0.395818)
