"""Two momenta: what they are without a difference, where only one gradient arrives, and what is refused."""

import pytest
import torch
from torch import nn

from tutelage.combine.dot import DOT


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared, self.projector, self.unused = (nn.Parameter(torch.randn(3)) for _ in range(3))

    def losses(self, step):
        label = (self.shared - step).square().sum()
        return {"label": label, "soft": (self.shared * self.projector).sum() + label / 2, "hint": self.shared.sum()}


def trained(rule, net, steps=6, **settings):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, **settings)
    for step in range(steps):
        optimizer.zero_grad()
        losses, parameters = net.losses(step), dict(net.named_parameters())
        if rule is None:
            sum(losses.values()).backward()
        else:
            rule.add(losses, {}, parameters)
            rule.settle(parameters)
        optimizer.step()
    return [p.detach().clone() for p in net.parameters()]


def alike():
    torch.manual_seed(3)
    return Net()


def test_without_a_difference_it_is_sgd_with_momentum_and_decay():
    ours = trained(DOT(["label"], momentum=0.8, delta=0.0, weight_decay=0.01), alike())
    theirs = trained(None, alike(), momentum=0.8, weight_decay=0.01)
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q)


def test_what_distillation_alone_reaches_has_the_mean_momentum_and_the_decay():
    """The projector's gradient is the student's weight: with that frozen, DOT must do what SGD does."""
    nets = [alike(), alike()]
    for net in nets:
        net.shared.requires_grad_(False)

    def step(net, rule, optimizer):
        optimizer.zero_grad()
        loss, parameters = (net.shared * net.projector).sum(), {"projector": net.projector}
        if rule is None:
            loss.backward()
        else:
            rule.add({"soft": loss}, {}, parameters)
            rule.settle(parameters)
        optimizer.step()

    rule = DOT(["label"], momentum=0.8, delta=0.1, weight_decay=0.01)
    plain = torch.optim.SGD([nets[0].projector], lr=0.05)
    momentum = torch.optim.SGD([nets[1].projector], lr=0.05, momentum=0.8, weight_decay=0.01)
    for _ in range(4):
        step(nets[0], rule, plain)
        step(nets[1], None, momentum)
    torch.testing.assert_close(nets[0].projector, nets[1].projector)


def test_what_no_loss_reaches_keeps_no_gradient_and_does_not_move():
    net = alike()
    before = net.unused.detach().clone()
    trained(DOT(["label"], weight_decay=0.1), net)
    assert net.unused.grad is None and torch.equal(net.unused, before)


def test_several_losses_of_a_side_are_one():
    sides = DOT(["label"]), DOT(["label", "hint"])
    ends = [trained(rule, alike()) for rule in sides]
    assert not torch.equal(ends[0][0], ends[1][0])
    assert sides[1].names() == {"label", "hint"}


@pytest.mark.parametrize("wrong", [{"momentum": 0.95}, {"delta": 0.95}, {"delta": 0.1}, {"weight_decay": -1.0}])
def test_momenta_and_decays_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="at least 0"):
        DOT(["label"], **{"momentum": 0.9, **wrong, **({"delta": 0.1} if "momentum" in wrong else {})})


@pytest.mark.parametrize("task", ["label", []])
def test_a_task_that_is_not_one_or_more_names_is_refused(task):
    with pytest.raises(ValueError, match=r"one or more names, such as \['label'\]"):
        DOT(task)
