"""What every way to match layers must satisfy, checked for whatever is found in ``tutelage.matching``."""

from collections.abc import Sequence
from typing import get_origin, get_type_hints

import pytest
import torch
from torch import nn

import tutelage.matching
from contract.find import members
from tutelage.losses.attention import attention_maps
from tutelage.losses.hint import half_squares, mean_squares
from tutelage.objective import Term
from tutelage.shapes import Divergence, Relational, Scalar

MEMBERS = members(tutelage.matching, Scalar, Divergence, Relational)
LOSSES = [mean_squares, half_squares, attention_maps]
SIZES = [8, 4, 2]


def takes_lists(member):
    return get_origin(get_type_hints(member.forward)["student"]) is Sequence


def layers(pairs):
    return [torch.randn(5, 8, size, size, dtype=torch.float64) for size in SIZES[:pairs]]


def built(member, loss, pairs):
    """An example that has seen one batch, as ``train`` shows it before it builds the optimizer."""
    matched = member.example(loss, pairs).double()
    with torch.no_grad():
        shown = layers(pairs)
        matched(shown, shown) if takes_lists(member) else matched(shown[0], shown[0])
    return matched


def is_the_plain_loss_for_one_pair(member, loss):
    matched, (student,), (teacher,) = built(member, loss, 1), layers(1), layers(1)
    both = ([student], [teacher]) if takes_lists(member) else (student, teacher)
    torch.testing.assert_close(matched(*both), loss(student, teacher))


def takes_pairs_in_any_order_or_refuses_another(member, loss):
    if not takes_lists(member):
        return
    matched, student, teacher = built(member, loss, 3), layers(3), layers(3)
    if getattr(member, "ORDERED", False):
        with pytest.raises(ValueError, match="shallow to deep"):
            matched(student[::-1], teacher[::-1])
    else:
        torch.testing.assert_close(matched(student[::-1], teacher[::-1]), matched(student, teacher))


def sees_every_pair(member, loss):
    pairs = 3 if takes_lists(member) else 1
    matched, student, teacher = built(member, loss, pairs), layers(pairs), layers(pairs)
    for x in student:
        x.requires_grad_()
    value = matched(student, teacher) if takes_lists(member) else matched(student[0], teacher[0])
    assert value.shape == () and value.isfinite()
    assert all(gradient.abs().sum() > 0 for gradient in torch.autograd.grad(value, student))


def owns_the_weights_of_its_loss(member, _loss):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, student, teacher):
            return self.scale * mean_squares(student, teacher)

    loss = Scaled()
    names = [name for name, p in Term(built(member, loss, 1), "a.b", "c.d").named_parameters() if p is loss.scale]
    assert len(names) == 1


LAWS = [
    is_the_plain_loss_for_one_pair,
    takes_pairs_in_any_order_or_refuses_another,
    sees_every_pair,
    owns_the_weights_of_its_loss,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
@pytest.mark.parametrize("member", MEMBERS)
def test_every_way_to_match(member, loss, law):
    law(member, loss)


# ---- ways to match that break a law


class Listed(nn.Module):
    """Keeps all laws but those that a child breaks."""

    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    @classmethod
    def example(cls, loss, _pairs):
        return cls(loss)

    def each(self, student, teacher):
        return [self.loss(s, t) for s, t in zip(student, teacher, strict=True)]

    def forward(self, student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]) -> Scalar:
        return torch.stack(self.each(student, teacher)).mean()


class Doubled(Listed):
    def forward(self, student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]) -> Scalar:
        return 2 * sum(self.each(student, teacher))


class FirstCountsMost(Listed):
    def forward(self, student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]) -> Scalar:
        return sum(value / (i + 1) for i, value in enumerate(self.each(student, teacher)))


class SkipsTheLast(Listed):
    def forward(self, student: Sequence[torch.Tensor], teacher: Sequence[torch.Tensor]) -> Scalar:
        return torch.stack(self.each(student[:2], teacher[:2])).mean() + 0 * sum(x.sum() for x in student)


class HidesItsLoss(Listed):
    def __init__(self, loss):
        super().__init__(None)
        self.hidden = [loss]

    def each(self, student, teacher):
        return [self.hidden[0](s, t) for s, t in zip(student, teacher, strict=True)]


BROKEN = [
    (Doubled, is_the_plain_loss_for_one_pair),
    (FirstCountsMost, takes_pairs_in_any_order_or_refuses_another),
    (SkipsTheLast, sees_every_pair),
    (HidesItsLoss, owns_the_weights_of_its_loss),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_plain_one_keeps_every_law(law):
    law(Listed, mean_squares)


@pytest.mark.parametrize(("member", "law"), BROKEN, ids=lambda member: member.__name__)
def test_a_broken_one_is_caught(member, law):
    with pytest.raises(AssertionError):
        law(member, mean_squares)


def test_every_law_catches_some_broken_one():
    assert {law for _, law in BROKEN} == set(LAWS)
