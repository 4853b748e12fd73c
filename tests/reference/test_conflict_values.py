"""Values of the rules that merge gradients, and where they come from.

*worked*: computed in float64 by plain numpy from the papers' equations, independently of this package: pairwise
projection in loops over the vectors, the quadratic programs by enumerating active sets. The two sums of PCGrad, and the
directions of MGDA, IMTL-G and Aligned-MTL, were also returned by torchjd on the same gradients. CAGrad and Nash-MTL
want solvers that are no dependency of ours, so their values are not asked for here.
"""

from functools import partial

import pytest
import torch
from torch import nn
from torchjd.aggregation import IMTLG, MGDA, AlignedMTL

from tutelage.combine.base import Combine
from tutelage.combine.decompose import (
    as_listed,
    as_listed_with_itself,
    decomposed,
    mean_decomposition,
    pair_by_pair,
    shuffled,
    shuffled_with_itself,
    symmetric,
    untouched,
)
from tutelage.combine.dot import DOT
from tutelage.combine.learned import homoscedastic, softmax
from tutelage.combine.projector import project_on_dual_cone
from tutelage.combine.published import aggregator, weighting
from tutelage.combine.target import cosine_weighted, gated, protected

CE, KD, FEATURE = G = torch.tensor([[1.0, 0.0, 1.0], [-2.0, 1.0, 0.0], [0.0, -1.0, 0.7]], dtype=torch.float64)
ASCENDING = torch.tensor([-1.200000, 0.398658, 2.840940], dtype=torch.float64)
DESCENDING = torch.tensor([-1.434899, -0.071141, 2.934899], dtype=torch.float64)


def descending(place, squares):
    return as_listed(place, squares)[::-1]


def near(found, worked):
    torch.testing.assert_close(found, torch.as_tensor(worked, dtype=torch.float64), atol=1e-6, rtol=0)


def rows(by, g=G):
    return by(g @ g.T) @ g


ROWS = [
    (
        "PCGrad, ascending order",
        partial(symmetric, order=as_listed),
        [[0.2, 0.4, 1.0], [-1.0, 0.798658, 1.140940], [-0.4, -0.8, 0.7]],
    ),
    (
        "PCGrad, descending order",
        partial(symmetric, order=descending),
        [[0.2, 0.4, 1.0], [-1.234899, 0.328859, 1.234899], [-0.4, -0.8, 0.7]],
    ),
    ("CE as the target", protected, [[1.0, 0.0, 1.0], [-1.0, 1.0, 1.0], [0.0, -1.0, 0.7]]),
    ("weighted by the cosine with CE", cosine_weighted, [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, -0.405499, 0.283849]]),
    ("gated by the cosine with CE", gated, [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, -1.0, 0.7]]),
]


@pytest.mark.parametrize(("by", "worked"), [x[1:] for x in ROWS], ids=[x[0] for x in ROWS])
def test_what_becomes_of_each_gradient(by, worked):
    near(rows(by), worked)
    near(decomposed(G, by), torch.tensor(worked).sum(0))


TOTALS = [
    ("PCGrad, ascending", partial(decomposed, by=partial(symmetric, order=as_listed)), ASCENDING),
    ("PCGrad, descending", partial(decomposed, by=partial(symmetric, order=descending)), DESCENDING),
    (
        "PCGrad, mean",
        partial(decomposed, by=partial(mean_decomposition, by=partial(symmetric, order=as_listed))),
        [-0.400000, 0.132886, 0.946980],
    ),
    ("CE as the target", partial(decomposed, by=protected), [0.0, 0.0, 2.7]),
    ("cosine gate of Du et al.", partial(decomposed, by=cosine_weighted), [1.000000, -0.405499, 1.283849]),
    ("MGDA", MGDA(epsilon=1e-12, max_iters=100_000), [-0.198305, 0.015254, 0.610169]),
    ("IMTL-G", IMTLG(), [-0.234041, 0.104729, 0.596318]),
    ("Aligned-MTL", AlignedMTL(), [-0.209895, -0.004214, 0.504626]),
]


@pytest.mark.parametrize(("rule", "worked"), [x[1:] for x in TOTALS], ids=[x[0] for x in TOTALS])
def test_the_merged_gradient(rule, worked):
    near(rule(G), worked)


@pytest.mark.parametrize("order", [as_listed, as_listed_with_itself, shuffled, shuffled_with_itself])
def test_of_two_the_order_does_not_matter(order):
    near(rows(partial(symmetric, order=order), G[:2]), [[0.2, 0.4, 1.0], [-1.0, 1.0, 1.0]])
    near(decomposed(G[:2], partial(symmetric, order=order)), [-0.8, 1.4, 2.0])


def test_of_three_exactly_the_two_possible_sums_are_drawn():
    drawn = {tuple(x.round(decimals=6).tolist()) for x in (decomposed(G, symmetric) for _ in range(50))}
    assert drawn == {tuple(x.tolist()) for x in (ASCENDING, DESCENDING)}


def test_one_of_a_pair_gives_way_and_the_other_stays():
    drawn = {tuple(x.round(decimals=6).tolist()) for x in (decomposed(G[:2], pair_by_pair) for _ in range(20))}
    assert drawn == {(-1.8, 1.4, 1.0), (0.0, 1.0, 2.0)}  # (0.2, 0.4, 1) + KD, and CE + (-1, 1, 1)


def test_the_projections_on_the_dual_cone():
    gramian = G @ G.T
    each = project_on_dual_cone(torch.eye(3, dtype=torch.float64) / 3, gramian).sum(0)
    near(each, [0.638554, 0.533333, 0.413655])
    alone = project_on_dual_cone(torch.tensor([0.0, 1.0, 0.0]).double(), gramian)
    near(alone, [0.915663, 1.0, 0.240964])
    near(project_on_dual_cone(torch.full((3,), 1 / 3).double(), gramian), [1 / 3, 1 / 3, 1 / 3])
    near(aggregator("UPGrad")(G), [-0.428112, 0.119679, 0.928112])
    near(aggregator("DualProj")(G), [-1 / 3, 0.0, 0.566667])


def test_gradient_vaccine_aims_at_the_cosine_that_it_remembers():
    """CE is given so much of KD that their cosine is 0.5, which it was in the step before; in the first step, 0."""
    near(aggregator("GradVac")(G[:2]), [-0.8, 1.4, 2.0])
    rule = weighting("GradVac", beta=1.0)
    near(rule(torch.tensor([[1.0, 0.5], [0.5, 1.0]]).double()), [1.0, 1.0])
    share = rule(G[:2] @ G[:2].T)[1] - 1
    near(share, 0.682843)
    near(CE + share * KD, [-0.365685, 0.682843, 1.0])


class Scripted(nn.Module):
    """A weight whose two gradients are given."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, -1.0], dtype=torch.float64))

    def step(self, rule: Combine, optimizer, task, distillation):
        losses = {"label": self.weight @ torch.tensor(task).double(), "soft": self.weight @ torch.tensor(distillation)}
        optimizer.zero_grad()
        rule.add(losses, {}, dict(self.named_parameters()))
        rule.settle(dict(self.named_parameters()))
        optimizer.step()


def test_three_steps_of_dot():
    torch.set_default_dtype(torch.float64)
    try:
        net, rule = Scripted(), DOT(["label"], momentum=0.9, delta=0.075)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
        gradients = [([0.2, 0.1], [-0.1, 0.3]), ([0.1, 0.1], [0.0, 0.2]), ([0.0, -0.1], [0.2, 0.1])]
        worked = [
            [0.200000, 0.100000, -0.100000, 0.300000, 0.995000, -1.020000],
            [0.265000, 0.182500, -0.097500, 0.492500, 0.986625, -1.053750],
            [0.218625, 0.050563, 0.104938, 0.580187, 0.970447, -1.085287],
        ]
        for (task, distillation), expected in zip(gradients, worked, strict=True):
            net.step(rule, optimizer, task, distillation)
            state = rule.get_extra_state()
            buffers = [state[side]["weight"] for side in ("task", "distillation")]
            near(torch.cat([*buffers, net.weight.detach()]), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_prices_of_learned_weights():
    """By hand: e^{-0.2}·0.5 + e^{0.4}·2 + (0.2 − 0.4)/2, and 2(w·L + w·log 2w) with w = softmax(0.2, −0.4)."""
    levels, losses = torch.tensor([0.2, -0.4]).double(), torch.tensor([0.5, 2.0]).double()
    near(homoscedastic(levels, losses), 3.293015)
    near(softmax(levels, losses), 2.149137)


def test_nothing_taken_away_is_nothing_changed():
    assert torch.equal(rows(untouched), G) and torch.equal(decomposed(G, untouched), G[0] + G[1] + G[2])
