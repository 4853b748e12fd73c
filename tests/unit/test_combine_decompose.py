"""Decompositions: what is promised of every pair, of the target, and of what nobody opposes."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.combine.base import Combine
from tutelage.combine.decompose import (
    as_listed,
    decomposed,
    longest_first,
    mean_decomposition,
    pair_by_pair,
    shuffled,
    shuffled_with_itself,
    symmetric,
    untouched,
    weights,
)
from tutelage.combine.granularity import each_layer, each_stage, each_tensor, whole_network
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.target import cosine_weighted, gated, protected

SYMMETRIC = [partial(symmetric, order=order) for order in (shuffled, shuffled_with_itself, as_listed, longest_first)]
TARGETED = [protected, gated, cosine_weighted, *(partial(x, among=symmetric) for x in (protected, gated))]
ALL = [*SYMMETRIC, pair_by_pair, *TARGETED]
GRANULARITIES = [whole_network, each_stage, each_layer, each_tensor]


def opposed(count=2, size=6, seed=0):
    """Gradients of which at least the first two conflict."""
    g = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, size, generator=g, dtype=torch.float64)
    rows[1] -= (1.5 * rows[0] @ rows[1] / rows[0].square().sum() + 0.5) * rows[0]
    return rows if rows[0] @ rows[1] < 0 else opposed(count, size, seed + 100)


def agreeing(count=4, size=50, dtype=torch.float32):
    return torch.rand(count, size).to(dtype) + 0.1


def after(by, rows):
    return by(rows @ rows.mT).to(rows) @ rows


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("by", SYMMETRIC)
def test_two_conflicting_gradients_end_orthogonal_to_each_others_originals(by, seed):
    rows = opposed(seed=seed)
    (a, b), (new_a, new_b) = rows, after(by, rows)
    assert a @ b < 0
    assert abs(new_a @ b) < 1e-12 and abs(new_b @ a) < 1e-12
    total = new_a + new_b
    assert total @ a >= 0 and total @ b >= 0


@pytest.mark.parametrize("seed", range(5))
def test_in_turn_leaves_two_that_are_orthogonal_to_each_other(seed):
    a, b = after(pair_by_pair, opposed(seed=seed))
    assert abs(a @ b) < 1e-12


@pytest.mark.parametrize("by", [x for x in ALL if x is not cosine_weighted])
def test_where_nothing_conflicts_nothing_changes_to_the_bit(by):
    rows = agreeing()
    assert torch.equal(by(rows @ rows.mT), torch.eye(4, dtype=torch.float64))
    assert torch.equal(decomposed(rows, by), rows[0] + rows[1] + rows[2] + rows[3])


@pytest.mark.parametrize("by", [*SYMMETRIC, pair_by_pair])
def test_whoever_conflicts_with_nobody_stays_what_it_was_to_the_bit(by):
    rows = torch.cat([torch.cat([opposed(), torch.zeros(2, 1)], 1), torch.zeros(1, 7)])
    rows[2, 6] = 3.0
    assert torch.equal(after(by, rows)[2], rows[2])
    assert not torch.equal(after(by, rows)[:2], rows[:2])


@pytest.mark.parametrize("seed", range(10))
def test_coefficients_say_what_projecting_the_vectors_themselves_gives(seed):
    rows = torch.randn(5, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = rows.clone()
    for i in range(5):
        for j in (j for j in range(5) if j != i):
            if (along := expected[i] @ rows[j]) < 0:
                expected[i] -= along / rows[j].square().sum() * rows[j]
    torch.testing.assert_close(after(partial(symmetric, order=as_listed), rows), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("by", TARGETED)
def test_the_target_descends_at_least_as_fast_as_alone(by, seed):
    rows = opposed(5, seed=seed)
    target, total = rows[0], decomposed(rows, by)
    assert torch.equal(after(by, rows)[0], target)
    assert total @ target >= target.square().sum() * (1 - 1e-12)
    assert all(source @ target >= -1e-12 for source in after(by, rows)[1:])


def test_a_gate_lets_whole_gradients_pass_and_a_cosine_shares_of_them():
    rows = torch.tensor([[2.0, 0.0], [3.0, 4.0], [-1.0, 5.0]])
    assert torch.equal(after(gated, rows), torch.tensor([[2.0, 0.0], [3.0, 4.0], [0.0, 0.0]]))
    torch.testing.assert_close(after(cosine_weighted, rows), torch.tensor([[2.0, 0.0], [1.8, 2.4], [0.0, 0.0]]))


@pytest.mark.parametrize("by", ALL)
def test_a_gradient_of_zero_takes_nothing_away_and_breaks_nothing(by):
    rows = opposed(3)
    for place in range(3):
        zeroed = rows.clone()
        zeroed[place] = 0
        assert after(by, zeroed).isfinite().all() and (after(by, zeroed)[place] == 0).all()
    assert (after(by, torch.zeros(3, 4)) == 0).all()


@pytest.mark.parametrize("by", ALL)
def test_one_gradient_alone_is_untouched(by):
    assert torch.equal(by(torch.tensor([[4.0]])), torch.ones(1, 1, dtype=torch.float64))


@pytest.mark.parametrize("by", [partial(symmetric, order=longest_first), protected, gated, cosine_weighted])
def test_the_order_of_the_sources_changes_nothing_where_nothing_is_drawn(by):
    rows = opposed(4)
    places = torch.tensor([0, 3, 1, 2])
    torch.testing.assert_close(decomposed(rows[places], by), decomposed(rows, by))


def test_the_mean_is_the_sum_over_the_count():
    rows = opposed(3)
    by = partial(symmetric, order=as_listed)
    torch.testing.assert_close(3 * decomposed(rows, partial(mean_decomposition, by=by)), decomposed(rows, by))
    torch.testing.assert_close(weights(rows @ rows.mT, by) @ rows, decomposed(rows, by))


def drawn(by, rows):
    torch.manual_seed(0)
    return decomposed(rows, by)


@pytest.mark.parametrize("k", range(-80, 61, 10))
@pytest.mark.parametrize("by", ALL)
def test_gradients_times_a_power_of_two_merge_to_that_times_what_they_merged_to_to_the_bit(by, k):
    for rows in (opposed(4).float(), agreeing(), torch.cat([opposed(2).float(), torch.zeros(1, 6)])):
        assert torch.equal(drawn(by, rows * 2.0**k), drawn(by, rows) * 2.0**k)


@pytest.mark.parametrize(("long", "short"), [(1.0, 2.0**-80), (2.0**60, 1.0), (2.0**60, 2.0**-40)])
@pytest.mark.parametrize("by", SYMMETRIC)
def test_a_long_gradient_gives_way_to_a_short_one_whose_square_nothing_holds(by, long, short):
    rows = opposed().float() * torch.tensor([[long], [short]])
    expected = rows[0].double() - rows[0].double() @ rows[1].double() / rows[1].double().square().sum() * rows[1]
    torch.testing.assert_close(drawn(by, rows) / long, expected.float() / long)


class Net(nn.Module):
    """Two stages of two layers that three losses share, and a head for each."""

    def __init__(self):
        super().__init__()
        layers = [nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh()) for _ in range(2)]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        h = self.trunk(x)
        return {name: (k * head(h) - k).sum() for name, head, k in zip("abc", self.heads, (1, -2, 3), strict=True)}


def settled(combine: Combine, net, losses):
    parameters = {name: p for name, p in net.named_parameters() if p.requires_grad}
    for p in parameters.values():
        p.grad = None
    combine.add(losses, {}, parameters)
    combine.settle(parameters)
    return {name: p.grad for name, p in parameters.items()}


def rows_of(net, losses):
    parameters = dict(net.named_parameters())
    found = {}
    for name, loss in losses.items():
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, retain_graph=True)
        found[name] = dict(zip(parameters, gradients, strict=True))
    return found


@pytest.mark.parametrize("per", GRANULARITIES)
@pytest.mark.parametrize("by", TARGETED[:3])
def test_the_target_is_the_one_that_is_named_wherever_it_stands(by, per):
    net, x = Net(), torch.randn(6, 4)
    rows = rows_of(net, losses := net(x))
    found = settled(ResolveConflicts(partial(decomposed, by=by), target="b", per=per), net, losses)
    trunk = [name for name in found if name.startswith("trunk")]
    along = sum((found[name] * rows["b"][name]).sum() for name in trunk)
    assert along >= sum(rows["b"][name].square().sum() for name in trunk) * (1 - 1e-5)
    assert torch.equal(found["heads.2.weight"], rows["c"]["heads.2.weight"])


@pytest.mark.parametrize("per", GRANULARITIES)
def test_each_part_is_merged_by_itself(per):
    net, x = Net(), torch.randn(6, 4)
    rows = rows_of(net, losses := net(x))
    by = partial(symmetric, order=as_listed)
    found = settled(ResolveConflicts(partial(decomposed, by=by), per=per), net, losses)
    names = [name for name in found if name.startswith("trunk")]
    parts = {per(name): [x for x in names if per(x) == per(name)] for name in names}
    assert len(parts) == {whole_network: 1, each_stage: 2, each_layer: 4, each_tensor: 8}[per]
    for inside in parts.values():
        jacobian = torch.stack([torch.cat([row[name].flatten() for name in inside]) for row in rows.values()])
        torch.testing.assert_close(torch.cat([found[x].flatten() for x in inside]), decomposed(jacobian, by))


@pytest.mark.parametrize("per", GRANULARITIES)
def test_losses_that_agree_get_the_sum_of_their_gradients_to_the_bit(per):
    net, x = Net(), torch.randn(6, 4)
    output = net.trunk(x).sum()
    losses = {"a": output, "b": 2 * output, "c": 0.3 * output}
    rows = rows_of(net, losses)
    found = settled(ResolveConflicts(partial(decomposed, by=symmetric), per=per), net, losses)
    for name in (name for name in found if name.startswith("trunk")):
        assert torch.equal(found[name], rows["a"][name] + rows["b"][name] + rows["c"][name])


@pytest.mark.parametrize("per", [whole_network, each_tensor])
@pytest.mark.parametrize("by", TARGETED)
def test_weights_that_the_target_does_not_reach_get_the_plain_sum_of_the_others(by, per):
    parts = nn.ParameterDict({"a": torch.ones(2), "b": torch.ones(2)})
    losses = {
        "source": parts["a"].sum() - parts["b"].sum(),
        "other": 3 * parts["b"].sum(),
        "target": -parts["a"].sum(),
    }
    rule = ResolveConflicts(partial(decomposed, by=by), target="target", per=per)
    found = settled(rule, parts, losses)
    assert found["a"].tolist() == [-1, -1] and found["b"].tolist() == [2, 2]


def test_what_a_source_does_where_the_target_does_not_reach_says_nothing_about_their_cosine():
    parts = nn.ParameterDict({"a": torch.ones(2), "b": torch.ones(2)})
    losses = {"target": parts["a"].sum(), "one": 3 * parts["a"].sum() + 9 * parts["b"].sum(), "two": parts["b"].sum()}
    found = settled(ResolveConflicts(partial(decomposed, by=cosine_weighted), target="target"), parts, losses)
    torch.testing.assert_close(found["a"], torch.full((2,), 4.0))
    assert found["b"].tolist() == [10, 10]


def test_gradients_that_are_all_zero_merge_to_zero():
    p = nn.Parameter(torch.ones(3))
    losses = {"a": (0 * p).sum(), "b": (0 * p).square().sum()}
    rule = ResolveConflicts(lambda _rows: pytest.fail("there is nothing to ask a rule about"))
    assert settled(rule, nn.ParameterDict({"p": p}), losses)["p"].tolist() == [0, 0, 0]


def test_what_is_not_finite_stays_so_that_the_training_stops_for_it():
    p = nn.Parameter(torch.ones(3))
    rule = ResolveConflicts(partial(decomposed, by=symmetric))
    assert settled(rule, nn.ParameterDict({"p": p}), {"a": p.sum() * torch.nan, "b": p.sum()})["p"].isnan().all()


def test_a_target_without_a_loss_in_the_step_is_refused():
    net, x = Net(), torch.randn(6, 4)
    with pytest.raises(ValueError, match=r"target is the loss 'label', but this step has \['a', 'b', 'c'\]"):
        settled(ResolveConflicts(partial(decomposed, by=protected), target="label"), net, net(x))


@pytest.mark.parametrize("by", [*TARGETED, partial(mean_decomposition, by=protected)])
def test_a_rule_for_a_target_is_refused_where_none_is_named(by):
    with pytest.raises(ValueError, match="which loss is the target, as in target='label'"):
        ResolveConflicts(partial(decomposed, by=by))


def test_that_there_is_nothing_to_merge_is_said_once_and_only_if_it_is_so_in_the_first_step():
    p, q = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    net = nn.ParameterDict({"p": p, "q": q})
    alone, apart = {"a": p.sum()}, {"a": p.sum(), "b": q.sum()}
    both = {"a": p.sum(), "b": p.sum() + q.sum(), "c": q.sum()}
    makes = {
        r"first step: 'a' is the only loss\.": (alone, None),
        r"first step: no parameter is reached by two of \['a', 'b'\]\.": (apart, None),
        r"no parameter is reached by the target 'a' and another of \['a', 'b'\]\.": (apart, "a"),
    }
    for sentence, (losses, target) in makes.items():
        rule = ResolveConflicts(partial(decomposed, by=symmetric), target=target)
        with pytest.warns(UserWarning, match=sentence):
            settled(rule, net, {name: 1 * loss for name, loss in losses.items()})
        settled(rule, net, {name: 1 * loss for name, loss in losses.items()})
    rule = ResolveConflicts(partial(decomposed, by=symmetric))
    for losses in (both, alone):
        settled(rule, net, {name: 1 * loss for name, loss in losses.items()})


def test_untouched_gradients_are_the_weighted_sum_without_any_library():
    net, x = Net(), torch.randn(6, 4)
    rows = rows_of(net, losses := net(x))
    found = settled(ResolveConflicts(partial(decomposed, by=untouched)), net, losses)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, sum(row[name] for row in rows.values() if row[name] is not None))
