"""Conflicting losses: who gets which gradient."""

import pytest
import torch
from scipy.optimize import nnls
from torch import nn
from torchjd.aggregation import MGDA, DualProj, PCGrad, Random, Sum, UPGrad

from examples import SGD, Hint, kd, mlp, run, vectors
from tutelage.combine.base import Combine
from tutelage.combine.projector import exact_projector, project_on_dual_cone
from tutelage.combine.published import aggregator
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import frozen


def upgrad():
    return ResolveConflicts(UPGrad(projector=exact_projector()))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk, self.left, self.right, self.unused = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, x):
        h = self.trunk(x).relu()
        return {"left": self.left(h).square().mean(), "right": (self.right(h) - h.sum(1, keepdim=True)).square().mean()}


def settled(combine: Combine, net, losses):
    parameters = dict(net.named_parameters())
    combine.add(losses, {}, parameters)
    combine.settle(parameters)
    return {name: p.grad for name, p in parameters.items()}


def test_a_parameter_gets_what_its_reach_says():
    net, x = Net(), torch.randn(6, 4)
    plain = torch.autograd.grad(net(x)["left"], list(net.left.parameters()))
    both = [torch.autograd.grad(loss, list(net.trunk.parameters()), retain_graph=True) for loss in net(x).values()]
    found = settled(ResolveConflicts(PCGrad()), net, net(x))
    assert found["unused.weight"] is None and found["unused.bias"] is None
    assert torch.equal(found["left.weight"], plain[0]) and torch.equal(found["left.bias"], plain[1])
    expected = PCGrad()(torch.stack([torch.cat([g.flatten() for g in row]) for row in both]))
    torch.testing.assert_close(found["trunk.weight"].flatten(), expected[: net.trunk.weight.numel()])


def test_gradients_that_autograd_hands_out_twice_are_clipped_once():
    """Two biases that are added get one and the same tensor as their gradient; ``sum`` gives one that is a view."""
    a, b, c, d = (nn.Parameter(torch.zeros(3)) for _ in range(4))
    found = []
    for combine in (WeightedSum(), ResolveConflicts(Sum())):
        parameters = {"a": a, "b": b, "c": c, "d": d}
        combine.add({"one": ((a + b) - 2).square().sum() + d.sum(), "two": c.sum() - d.sum() / 2}, {}, parameters)
        combine.settle(parameters)
        nn.utils.clip_grad_norm_(parameters.values(), 1.0)
        found.append([p.grad.clone() for p in parameters.values()])
        for p in parameters.values():
            p.grad = None
    for plain, ours in zip(*found, strict=True):
        torch.testing.assert_close(plain, ours)


def test_a_merged_gradient_has_the_layout_of_its_weight():
    conv = nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last)
    y = conv(torch.randn(2, 3, 4, 4))
    found = settled(ResolveConflicts(PCGrad()), conv, {"one": y.square().mean(), "two": y.abs().mean()})
    assert found["weight"].stride() == conv.weight.stride()


def test_a_loss_that_reaches_nothing_shared_does_not_stop_the_others():
    net, x = Net(), torch.randn(6, 4)
    losses = {**net(x), "alone": net.unused.weight.square().sum()}
    found = settled(ResolveConflicts(MGDA()), net, losses)
    assert found["trunk.weight"].abs().sum() > 0 and torch.equal(found["unused.weight"], 2 * net.unused.weight)


def test_summing_rows_is_the_weighted_sum_for_every_parameter():
    ends = []
    for combine in (WeightedSum(), ResolveConflicts(Sum())):
        teacher = mlp(16)
        torch.manual_seed(5)
        objective = Objective(**kd(0.3, 0.7).terms)
        objective.add_module("hint", Term(Hint(nn.Linear(8, 16)), "student.1", "teacher.1"))
        learner = Learner(mlp(8, seed=3), objective, SGD, combine, {"teacher": frozen(teacher)})
        run(train({"student": learner}, vectors(), 2))
        ends.append([*learner.student.parameters(), *objective.parameters()])
    assert len(ends[0]) == 6
    for p, q in zip(*ends, strict=True):
        torch.testing.assert_close(p, q)


@pytest.mark.parametrize("rule", [upgrad, lambda: ResolveConflicts(DualProj(projector=exact_projector()))])
def test_the_merged_gradient_harms_no_loss(rule):
    x = torch.zeros(3, requires_grad=True)
    rows = torch.tensor([[1.0, 0.2, 0.0], [-1.0, 0.3, 0.1], [0.2, -0.4, 1.0]])
    combine, parameters = rule(), {"x": x}
    combine.add({str(i): row @ x for i, row in enumerate(rows)}, {}, parameters)
    combine.settle(parameters)
    assert (rows @ x.grad >= -1e-4).all() and x.grad.abs().sum() > 0.1


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8, 12])
def test_the_projector_satisfies_the_optimality_conditions(k):
    jacobian = torch.randn(k, 2 * k, dtype=torch.float64)
    gramian, u = jacobian @ jacobian.T, torch.randn(4, k, dtype=torch.float64)
    v = project_on_dual_cone(u, gramian)
    slope = v @ (gramian + k * 1e-10 * gramian.diag().diag()) / gramian.trace()
    assert (v >= u - 1e-9).all() and (slope >= -1e-9).all() and ((v - u) * slope).abs().max() < 1e-9


def conflicting(seed, ratio):
    """Two to four gradients that pull apart, the first of length 1 or so, the last ``ratio`` times that."""
    g = torch.Generator().manual_seed(seed)
    rows = torch.randn(2 + seed % 3, 50, generator=g, dtype=torch.float64)
    lengths = ratio ** torch.linspace(0, 1, len(rows), dtype=torch.float64)
    return (rows - 1.3 * rows.mean(0)) * lengths[:, None]


def projected_by_scipy(vector, rows):
    """The nearest vector whose inner product with no row is negative, by non-negative least squares of directions."""
    directions = rows / rows.norm(dim=1, keepdim=True)
    weights, _ = nnls(directions.mT.numpy(), -vector.numpy(), maxiter=100_000)
    return vector + torch.from_numpy(weights) @ directions


REFERENCES = {
    "UPGrad": lambda rows: sum(projected_by_scipy(row / len(rows), rows) for row in rows),
    "DualProj": lambda rows: projected_by_scipy(rows.mean(0), rows),
}


@pytest.mark.parametrize("ratio", [1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-8)])
@pytest.mark.parametrize("name", REFERENCES)
def test_a_gradient_is_protected_however_much_shorter_than_the_others_it_is(name, dtype, tolerance, ratio):
    for seed in range(20):
        rows = conflicting(seed, ratio)
        found, expected = aggregator(name)(rows.to(dtype)).double(), REFERENCES[name](rows)
        assert (found - expected).norm() < tolerance * expected.norm()
        assert ((rows / rows.norm(dim=1, keepdim=True)) @ found > -tolerance * found.norm()).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gradient_of_length_zero_changes_nothing_for_the_others(dtype):
    rows = torch.tensor([[1.0, 0.2, 0.0], [-1.0, 0.3, 0.1]], dtype=dtype)
    u = torch.tensor([[0.5, 0.0], [-0.2, 0.7]], dtype=dtype)
    more, bounds = torch.cat([rows, 0 * rows[:1]]), torch.cat([u, torch.tensor([[0.4], [-0.3]], dtype=dtype)], 1)
    found = project_on_dual_cone(bounds, more @ more.mT)
    torch.testing.assert_close(found[:, :2], project_on_dual_cone(u, rows @ rows.mT), rtol=1e-4, atol=0)
    torch.testing.assert_close(found[:, 2], torch.tensor([0.4, 0.0], dtype=dtype))


def test_the_projector_beats_every_point_of_a_fine_grid():
    g = torch.tensor([[2.0, -1.5], [-1.5, 2.0]], dtype=torch.float64)
    u = torch.tensor([1.0, -0.5], dtype=torch.float64)
    v = project_on_dual_cone(u, g)
    steps = torch.linspace(0, 4, 401, dtype=torch.float64)
    grid = u + torch.cartesian_prod(steps, steps)
    assert v @ g @ v <= torch.einsum("ni,ij,nj->n", grid, g, grid).min() + 1e-5


@pytest.mark.parametrize("gramian", [torch.zeros(3, 3), torch.ones(3, 3)])
def test_the_projector_survives_no_gradient_and_equal_gradients(gramian):
    assert project_on_dual_cone(torch.eye(3) / 3, gramian).isfinite().all()


def test_more_losses_than_the_projector_takes_are_refused():
    with pytest.raises(ValueError, match="up to 12"):
        project_on_dual_cone(torch.eye(13), torch.eye(13))


def test_what_a_random_rule_draws_depends_on_seed_and_step_alone():
    net, x = Net(), torch.randn(6, 4)
    outcomes = []
    for disturbance in (1, 2):
        torch.manual_seed(disturbance)
        outcomes.append(settled(ResolveConflicts(Random(), seed=3), net, net(x))["trunk.weight"].clone())
        net.zero_grad()
    assert torch.equal(*outcomes)
    combine = ResolveConflicts(Random(), seed=3)
    first, second = ([settled(combine, net, net(x))["trunk.weight"].clone(), net.zero_grad()][0] for _ in range(2))
    assert torch.equal(first, outcomes[0]) and not torch.equal(first, second)
