"""Watching conflicts: what is seen, and that nothing changes by it."""

from functools import partial

import pytest
import torch
from torch import nn

from examples import SGD, bits, kd, mlp, run, same, vectors
from tutelage.combine import WeightedSum
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.objective import Objective, Term
from tutelage.speakers.frozen import frozen
from tutelage.watched import Watched


def scaled(x, slope):
    return slope * x.mean()


def trained(combine, epochs=3, objective=kd, accumulate=1):
    learner = Learner(mlp(8, seed=3), objective(), SGD, combine, {"teacher": frozen(mlp(16))})
    return learner, list(train({"student": learner}, vectors(), epochs, accumulate=accumulate))


def test_a_watched_training_is_the_same_to_the_bit():
    plain, _ = trained(WeightedSum())
    seen, _ = trained(Watched(WeightedSum(), every=1))
    assert same(bits(plain.student), bits(seen.student))


def test_opposed_losses_are_seen_as_opposed_and_equal_ones_as_equal():
    def objective():
        slopes = {"up": 1, "down": -1, "too": 3}
        return Objective(**{name: Term(partial(scaled, slope=k), "student.output") for name, k in slopes.items()})

    learner = Learner(mlp(8, seed=3), objective(), SGD, Watched(WeightedSum(), every=2))
    (epoch,) = train({"student": learner}, vectors(), 1)
    found = epoch.statistics["student"]
    assert found["combine.means/cosine up | down"] == pytest.approx(-1, abs=1e-5)
    assert found["combine.means/negative up | down"] == 1
    assert found["combine.means/cosine up | too"] == pytest.approx(1, abs=1e-5)
    assert found["combine.means/negative up | too"] == 0
    assert found["combine.means/norm too"] == pytest.approx(3 * found["combine.means/norm up"], rel=1e-5)


def test_losses_that_share_nothing_have_no_cosine():
    parts = nn.ParameterDict({"a": torch.ones(2), "b": torch.ones(2)})
    rule = Watched(WeightedSum())
    rule.add({"a": parts["a"].sum(), "b": parts["b"].sum()}, {}, dict(parts.items()))
    assert set(rule.means.read()) == {"norm a", "norm b"}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_looks_come_every_so_many_steps_and_are_read_once_an_epoch(accumulate, monkeypatch):
    looks = []
    monkeypatch.setattr(Watched, "_look", lambda self, *_: looks.append(self._steps))
    trained(Watched(WeightedSum(), every=3), epochs=3, accumulate=accumulate)
    assert looks == list(range(0, 12 // accumulate, 3))


def test_a_resumed_training_has_seen_what_an_uninterrupted_one_saw():
    def make(pause=lambda _: False):
        learner = Learner(mlp(8, seed=3), kd(), SGD, Watched(WeightedSum(), every=3), {"teacher": frozen(mlp(16))})
        return train({"student": learner}, vectors(), 2, pause=pause)

    straight = [epoch.statistics for epoch in make()]
    broken = make(lambda clock: clock.step == 2)
    next(iter(broken))
    resumed = make()
    resumed.load_state_dict(broken.state_dict())
    assert [epoch.statistics for epoch in resumed] == straight and straight[0] != straight[1]


def test_unwatched_epochs_have_no_statistics():
    assert (
        run(train({"student": Learner(mlp(), Objective(label=kd().terms["label"]), SGD)}, vectors(), 1)).statistics
        == {}
    )


def test_looking_less_than_every_step_is_refused():
    with pytest.raises(ValueError, match="every 1 step"):
        Watched(WeightedSum(), every=0)
