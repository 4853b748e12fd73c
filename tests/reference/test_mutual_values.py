"""Values of deep mutual learning, and where they come from.

*worked*: computed in float64 by plain numpy from the equations of arXiv:1706.00384 §3, independently of this package:
the losses of two and three networks, and one step of plain gradient descent at a rate of 0.5 on their logits.
"""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.loop import alternating, simultaneous
from tutelage.objective import Objective, Term
from tutelage.schemes.mutual import from_each, from_mean

A = torch.tensor([[1.5, 0.2, -0.3], [0.0, 0.4, 1.0]], dtype=torch.float64)
B = torch.tensor([[2.0, 1.0, 0.1], [0.5, -1.0, 3.0]], dtype=torch.float64)
C = torch.tensor([[0.0, 2.0, 1.0], [1.0, 0.0, 2.0]], dtype=torch.float64)
TARGET = torch.tensor([0, 2])
BATCH = {"input": torch.eye(2, dtype=torch.float64), "target": TARGET}
LABEL = Term(cross_entropy, "student.output", "batch.target")
SGD = partial(torch.optim.SGD, lr=0.5)


def loss_of(term, me, **peers):
    shown = {name: {"output": logits} for name, logits in peers.items()}
    scene = {"batch": BATCH, "student": {"output": me}, **shown}
    return LABEL(scene) + term.weight * term(scene)


WORKED = [
    ("a", lambda: loss_of(from_each(["b"]), A, b=B), 0.704578),
    ("b", lambda: loss_of(from_each(["a"]), B, a=A), 0.613870),
    ("a of three", lambda: loss_of(from_each(["b", "c"]), A, b=B, c=C), 0.843977),
    ("a of three, added up as the authors' code does",
     lambda: loss_of(from_each(["b", "c"], weight=2.0), A, b=B, c=C), 1.181086),
    ("a of three, from their mean", lambda: loss_of(from_mean(["b", "c"]), A, b=B, c=C), 0.725728),
    ("a, from the mean of one", lambda: loss_of(from_mean(["b"]), A, b=B), 0.704578),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "worked"), [case[1:] for case in WORKED], ids=[case[0] for case in WORKED])
def test_the_worked_losses(loss, worked):
    assert loss().item() == pytest.approx(worked, abs=1e-6)


def stepped(turns, **starts):
    """The logits of each network after one step; they are its weights, one row a sample."""
    learners = {}
    for me, logits in starts.items():
        network = nn.Linear(2, 3, bias=False, dtype=torch.float64)
        network.weight.data.copy_(logits.T)
        peers = from_each([peer for peer in starts if peer != me])
        learners[me] = Learner(network, Objective(label=LABEL, peers=peers), SGD)
    list(train(learners, [BATCH], 1, turns=turns))
    return {me: learner.student.weight.detach().T for me, learner in learners.items()}


FIRST = [[1.567004, 0.165836, -0.332841], [-0.077318, 0.260995, 1.216324]]
SECOND = {
    simultaneous: [[2.094372, 0.926169, 0.079458], [0.510686, -0.936739, 2.926053]],
    alternating: [[2.099595, 0.922896, 0.077508], [0.504034, -0.950351, 2.946317]],
}


@pytest.mark.parametrize("turns", SECOND, ids=lambda turns: turns.__name__)
def test_the_worked_step(turns):
    after = stepped(turns, a=A, b=B)
    for me, worked in (("a", FIRST), ("b", SECOND[turns])):
        torch.testing.assert_close(after[me], torch.tensor(worked, dtype=torch.float64), atol=1e-6, rtol=0)


def test_only_who_comes_later_feels_the_turns():
    both = {turns: stepped(turns, a=A, b=B) for turns in SECOND}
    assert torch.equal(both[simultaneous]["a"], both[alternating]["a"])
    assert (both[simultaneous]["b"] - both[alternating]["b"]).abs().max() > 1e-3
