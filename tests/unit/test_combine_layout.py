"""Gradients lie in memory as their parameters do, for fused optimizers read both from first to last."""

from functools import partial

import pytest
import torch

from examples import cnn, images, kd, run
from tutelage.combine.by_name import Given, rule, rules
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.hint import mean_squares, normed_regressor
from tutelage.matching.projected import projected
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import frozen

GIVEN = Given(("label", "soft", "hint"), feature="student.2")


def learner(name, memory, fused):
    """A hint alone reaches the projector, whose 3×3 kernel stays contiguous behind a student that need not."""
    torch.manual_seed(5)
    hint = Term(projected(mean_squares, normed_regressor), "student.2", "teacher.5", weight=10.0)
    student, combine = cnn(4, 3).to(memory_format=memory), rule(name, GIVEN)()
    sgd = partial(torch.optim.SGD, lr=0.05, fused=fused)
    return Learner(student, Objective(**kd(0.5, 0.5).terms, hint=hint), sgd, combine, {"teacher": frozen(cnn(6, 9))})


def trained(name, memory, *, fused):
    taught = learner(name, memory, fused)
    run(train({"student": taught}, images(2), 1))
    return [*taught.student.parameters(), *taught.objective.parameters(), *taught.combine.parameters()]


@pytest.mark.parametrize("name", [*rules(), "MGDA", "GradVac"])
def test_a_fused_step_on_any_memory_layout_is_the_plain_one(name):
    plain = trained(name, torch.contiguous_format, fused=False)
    fused = trained(name, torch.channels_last, fused=True)
    assert {p.is_contiguous() for p in fused if p.dim() == 4} == {True, False}
    for p, q in zip(plain, fused, strict=True):
        torch.testing.assert_close(p, q)
        assert q.grad.stride() == q.stride()
