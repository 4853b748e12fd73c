"""In turns: one pass of a network serves all who look at it until it moves, where that changes nothing."""

from collections import Counter

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from examples import SGD, bits, label, same, vectors
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.loop import alternating, simultaneous
from tutelage.losses.kd import soft_targets
from tutelage.objective import Objective, Term
from tutelage.teachers.frozen import on_input


def plain():
    return nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 5))


def noisy():
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Dropout(0.3), nn.BatchNorm1d(6), nn.Linear(6, 5))


class Recurrent(nn.Module):
    """On a CPU, its kernels without gradient have other last bits than those with one."""

    def __init__(self):
        super().__init__()
        self.steps, self.head = nn.LSTM(2, 7, batch_first=True), nn.Linear(7, 5)

    def forward(self, x):
        return self.head(self.steps(x.view(len(x), 4, 2))[0][:, -1])


class Fickle(nn.Module):
    """Shows something else each time, and draws no number of torch's."""

    def __init__(self):
        super().__init__()
        self.layer, self.times = nn.Linear(8, 5), 0

    def forward(self, x):
        self.times += 1
        return self.layer(x) * (1 + 0.1 * (self.times % 3))


def looking(model, scene):
    """A student that takes its peer's answer for an input, where there is one."""
    shown = scene["a"]["output"].mean() if "a" in scene else 0
    return model({**scene}["batch"]["input"] + shown)


def learners(builds, reads=None, calls=None, only=()):
    torch.manual_seed(3)
    cast = {}
    for me, build in builds.items():
        addresses = (reads or {}).get(me, [f"{peer}.output" for peer in builds if peer != me])
        peers = {
            f"peer{at}": Term(
                soft_targets if what.endswith("output") else mse_loss, f"student.{what.partition('.')[2]}", what
            )
            for at, what in enumerate(addresses)
        }
        terms = peers if me in only else {"label": label(), **peers}
        cast[me] = Learner(build(), Objective(**terms), SGD, call=(calls or {}).get(me, on_input))
    return cast


def trained(cast, *, kept, turns=alternating, **settings):
    torch.manual_seed(4)
    training = train(cast, vectors(3), 2, turns=turns, **settings)
    for state in training.states.values():
        state.repeats = kept
    epochs = list(training)
    weights = {name: bits(learner.student) for name, learner in cast.items()}
    return weights, epochs[-1], torch.get_rng_state()


def of(*names, **others):
    return {name: others.get(name, plain) for name in names}


CASES = {
    "two": {"builds": of("a", "b")},
    "three": {"builds": of("a", "b", "c")},
    "dropout": {"builds": of("a", "b", a=noisy, b=noisy)},
    "dropout in the middle": {"builds": of("a", "b", "c", b=noisy)},
    "dropout at the end": {"builds": of("a", "b", "c", c=noisy)},
    "LSTM": {"builds": of("a", "b", a=Recurrent, b=Recurrent)},
    "layers": {"builds": of("a", "b"), "reads": {"a": ["b.0"], "b": ["a.2"]}},
    "b shows more than it learns by": {
        "builds": of("a", "b"), "reads": {"a": ["b.output"], "b": ["a.0"]}, "only": ("b",),
    },
    "b shows more than it learns by, twice": {
        "builds": of("a", "b", "c"), "reads": {"a": ["b.output"], "b": ["a.0"], "c": ["b.output"]}, "only": ("b",),
        "turns": lambda _: [["a"], ["c"], ["b"]],
    },
    "a call that looks": {"builds": of("a", "b", "c"), "calls": {"b": looking}},
    "both at once, then one": {"builds": of("a", "b", "c"), "turns": lambda _: [["a", "b"], ["c"]]},
    "backwards": {"builds": of("a", "b", "c"), "turns": lambda names: [[name] for name in reversed(names)]},
    "one twice": {"builds": of("a", "b"), "turns": lambda _: [["a"], ["b"], ["a"]]},
    "one never": {"builds": of("a", "b", "c"), "turns": lambda _: [["a"], ["c"]]},
    "accumulated": {"builds": of("a", "b", "c", b=noisy), "accumulate": 2},
    "bfloat16": {"builds": of("a", "b", "c"), "precision": torch.bfloat16},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*learnt nothing.*")
@pytest.mark.parametrize("case", CASES)
def test_what_is_kept_changes_no_bit(case):
    settings = dict(CASES[case])
    cast = {name: settings.pop(name) for name in ("builds", "reads", "calls", "only") if name in settings}
    (weights, epoch, drawn), (expected, straight, random) = (
        trained(learners(**cast), kept=kept, **settings) for kept in (True, False)
    )
    assert all(same(weights[name], expected[name]) for name in expected)
    assert epoch == straight and torch.equal(drawn, random)


def passes(builds, turns, **settings):
    """How often each network is passed through in a step, the first one left out."""
    cast, count = learners(builds, **settings.pop("cast", {})), Counter()
    training = train(cast, vectors(4), 1, turns=turns, pause=lambda _clock: True, **settings)
    steps = iter(training)
    next(steps)
    for name, learner in cast.items():
        learner.student.register_forward_pre_hook(lambda *_, name=name: count.update([name]))
    next(steps)
    return dict(count)


COUNTS = [
    (of("a", "b"), simultaneous, {}, {"a": 1, "b": 1}),
    (of("a", "b"), alternating, {}, {"a": 2, "b": 1}),
    (of("a", "b", "c"), alternating, {}, {"a": 2, "b": 2, "c": 1}),
    (of("a", "b", "c", "d"), alternating, {}, {"a": 2, "b": 2, "c": 2, "d": 1}),
    (of("a", "b", b=noisy), alternating, {}, {"a": 2, "b": 2}),
    (of("a", "b", b=Fickle), alternating, {}, {"a": 2, "b": 2}),
    (of("a", "b"), alternating, {"cast": {"calls": {"b": looking}}}, {"a": 2, "b": 2}),
    (of("a", "b"), alternating, {"accumulate": 2}, {"a": 4, "b": 4}),
]


@pytest.mark.parametrize(("builds", "turns", "settings", "expected"), COUNTS)
def test_only_who_has_moved_is_passed_through_again(builds, turns, settings, expected):
    assert passes(builds, turns, **settings) == expected


def test_statistics_move_once_a_step():
    cast = learners(of("a", "b", "c"))
    list(train(cast, vectors(3), 1, turns=alternating))
    assert all(learner.student[1].num_batches_tracked == 3 for learner in cast.values())


def test_a_dropout_that_begins_later_is_seen():
    """A look in every step, not only in the first: resumed after it began, a training would judge otherwise."""

    def later(model, _inputs):
        model[2].p = 0.3 if model[3].num_batches_tracked > 1 else 0.0

    ends = []
    for kept in (True, False):
        cast = learners(of("a", "b", b=noisy))
        cast["b"].student.register_forward_pre_hook(later)
        ends.append(trained(cast, kept=kept))
    (weights, _, drawn), (expected, _, random) = ends
    assert same(weights["b"], expected["b"]) and same(weights["a"], expected["a"]) and torch.equal(drawn, random)
