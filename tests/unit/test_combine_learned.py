"""Learned weights: they start at one, go where theory says, leave absent losses alone, and work with any rule."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage.combine.decompose import decomposed, symmetric
from tutelage.combine.learned import LearnedWeights, homoscedastic, softmax
from tutelage.combine.resolve import ResolveConflicts
from tutelage.combine.weighted_sum import WeightedSum

VALUES = {"label": 0.6, "soft": 2.0, "hint": 0.1}


class Net(nn.Module):
    """Losses of given size, whatever the weight does: its gradient is that of its sum, scaled."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3))

    def losses(self, names=tuple(VALUES)):
        change = self.weight.sum() - self.weight.sum().detach()
        return {name: VALUES[name] * (1 + change) for name in names}


def step(rule, net, losses, optimizer=None):
    parameters = {**dict(net.named_parameters()), **{f"combine.{n}": p for n, p in rule.named_parameters()}}
    for p in parameters.values():
        p.grad = None
    rule.add(losses, {}, parameters)
    rule.settle(parameters)
    if optimizer is not None:
        optimizer.step()


@pytest.mark.parametrize("price", [homoscedastic, softmax])
def test_the_first_step_is_the_plain_sum(price):
    net = Net()
    step(LearnedWeights(list(VALUES), price), net, net.losses())
    torch.testing.assert_close(net.weight.grad, torch.full((3,), sum(VALUES.values())))


@pytest.mark.parametrize("price", [homoscedastic, partial(softmax, evenness=0.7)])
def test_student_and_levels_have_the_gradient_of_the_price(price):
    net, rule = Net(), LearnedWeights(list(VALUES), price)
    rule.levels.data = torch.tensor([0.3, -0.5, 1.0])
    step(rule, net, net.losses())
    whole = price(rule.levels, torch.stack(list(net.losses().values())))
    for found, expected in zip(
        (net.weight.grad, rule.levels.grad), torch.autograd.grad(whole, (net.weight, rule.levels)), strict=True
    ):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("price", "worked"),
    [
        (homoscedastic, {name: 1 / (2 * value) for name, value in VALUES.items()}),
        (
            softmax,
            {n: 3 * w for n, w in zip(VALUES, (-torch.tensor([*VALUES.values()])).softmax(0).tolist(), strict=True)},
        ),
    ],
)
def test_the_weights_go_where_the_minimum_of_the_price_is(price, worked):
    net, rule = Net(), LearnedWeights(list(VALUES), price)
    optimizer = torch.optim.SGD(rule.parameters(), lr=0.2)
    for _ in range(300):
        step(rule, net, net.losses(), optimizer)
    rule.means.read()
    step(rule, net, net.losses())
    assert rule.means.read() == pytest.approx({f"weight {name}": w for name, w in worked.items()}, rel=1e-3)


def test_the_level_of_a_loss_that_has_no_part_in_a_step_gets_no_gradient():
    net, rule = Net(), LearnedWeights(list(VALUES))
    step(rule, net, net.losses(["label", "hint"]))
    assert rule.levels.grad[1] == 0 and (rule.levels.grad[[0, 2]] != 0).all()


def test_levels_that_do_not_train_stay_as_they_are():
    net, rule = Net(), LearnedWeights(list(VALUES))
    rule.levels.requires_grad_(False)
    step(rule, net, net.losses())
    assert rule.levels.grad is None and net.weight.grad is not None


def test_two_micro_batches_are_one_batch():
    net, one, two = Net(), LearnedWeights(list(VALUES)), LearnedWeights(list(VALUES))
    step(one, net, net.losses())
    whole = net.weight.grad.clone()
    net.weight.grad = None
    parameters = dict(net.named_parameters())
    for share in (0.25, 0.75):
        two.add({name: share * loss for name, loss in net.losses().items()}, {}, parameters)
    two.settle(parameters)
    torch.testing.assert_close(net.weight.grad, whole)
    torch.testing.assert_close(two.levels.grad, one.levels.grad)


def test_any_rule_merges_what_the_learned_weights_weigh():
    net = Net()
    rule = LearnedWeights(list(VALUES), rule=partial(ResolveConflicts, partial(decomposed, by=symmetric)))
    rule.levels.data = torch.tensor([0.3, -0.5, 1.0])
    step(rule, net, net.losses())
    expected = LearnedWeights(list(VALUES), rule=WeightedSum)
    expected.levels.data = rule.levels.data.clone()
    found = net.weight.grad.clone()
    step(expected, net, net.losses())
    torch.testing.assert_close(found, net.weight.grad)
    assert rule.names() == set(VALUES)


@pytest.mark.parametrize("names", ["label", ["label"], ["label", "label"]])
def test_names_that_are_not_two_or_more_different_ones_are_refused(names):
    with pytest.raises(ValueError, match="two or more losses, each named once"):
        LearnedWeights(names)


def test_a_loss_without_a_learned_weight_is_refused():
    net = Net()
    with pytest.raises(ValueError, match=r"are for \['label', 'soft'\], but there are also losses \['hint'\]"):
        step(LearnedWeights(["label", "soft"]), net, net.losses())
