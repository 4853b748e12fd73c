"""Networks that teach each other: what each sees of the others, when, and that nothing flows back to them."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from examples import bits, same
from stopping import LEFT, stopping
from tutelage.combine.by_name import Given, upgrad
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.views import jitter
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.loop import alternating, simultaneous
from tutelage.losses.dist import dist
from tutelage.losses.kd import geometric, soft_targets
from tutelage.models.mlp import mlp
from tutelage.models.seeded import seeded
from tutelage.objective import Objective
from tutelage.optimizers.schedules import one_cycle
from tutelage.optimizers.usual import adam, sgd
from tutelage.run import Run
from tutelage.schemes.mutual import from_each, from_mean, mutual
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.tasks.regression import REGRESSION

pytestmark = pytest.mark.slow


def digits(count, seed, classes=5):
    g = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, 1, 6, 6), dtype=torch.uint8, generator=g)
    return labelled("drawn", pictures, torch.randint(classes, (count,), generator=g), tuple("abcde"))


def net(width: int, classes: int = 5, dropout: float = 0.0) -> nn.Module:
    return mlp((36, width, classes), dropout=dropout)


TURNS = [alternating, simultaneous]
LESSON = Lesson(digits(40, 0), digits(20, 1), partial(stopping, transform=jitter), 25, batch_size=10, seed=3)
PLAN = Plan(LESSON, partial(sgd, lr=0.1), 2)
PAIR = {"a": partial(net, 12), "b": partial(net, 9, dropout=0.2)}


def plans(*names, **others):
    return {name: others.get(name, PLAN) for name in names}


BOTH = partial(mutual, plans=plans("a", "b"))


def opened(root, recipe="toy:mutual"):
    return Run(recipe, root=root, exact=True, device="cpu")


def objective(*peers, **settings):
    return Objective(label=PLAN.task.labels(), peers=from_each(peers, **settings))


def built(*widths, seeds=(0, 1, 2, 3)):
    networks = []
    for width, seed in zip(widths, seeds, strict=False):
        torch.manual_seed(seed)
        networks.append(net(width))
    return networks


def batch():
    return next(iter(LESSON.batches()(0, 0)))


class Watched(WeightedSum):
    """The sum, with a look at the gradients of the other networks before and after it is gone back through."""

    def __init__(self, others):
        super().__init__()
        self.others = [p for network in others for p in network.parameters()]
        self.moved = []

    def add(self, losses, scene, parameters):
        before = [None if p.grad is None else p.grad.clone() for p in self.others]
        super().add(losses, scene, parameters)
        for p, old in zip(self.others, before, strict=True):
            self.moved.append((p.grad is not None) if old is None else not torch.equal(p.grad, old))


@pytest.mark.parametrize("turns", TURNS)
def test_no_gradient_reaches_a_peer(turns):
    models = dict(zip("abc", built(12, 9, 7), strict=True))
    learners = {}
    for me, model in models.items():
        peers = [peer for peer in models if peer != me]
        rule = Watched([models[peer] for peer in peers])
        learners[me] = Learner(model, objective(*peers), torch.optim.SGD, rule)
    list(train(learners, [batch()], 2, turns=turns))
    for learner in learners.values():
        assert len(learner.combine.moved) > 5 and not any(learner.combine.moved)
        assert all(p.grad.any() for p in learner.student.parameters())


def test_networks_that_are_alike_have_nothing_to_tell_each_other():
    first, second, alone = built(12, 12, 12, seeds=(1, 1, 1))
    sgd_of = partial(torch.optim.SGD, lr=0.1)
    pair = {"a": Learner(first, objective("b"), sgd_of), "b": Learner(second, objective("a"), sgd_of)}
    (epoch,) = train(pair, [batch()], 1, turns=simultaneous)
    list(train({"student": Learner(alone, Objective(label=PLAN.task.labels()), sgd_of)}, [batch()], 1))
    assert epoch.losses["a"]["peers"] == epoch.losses["b"]["peers"] == 0.0
    assert same(bits(first), bits(second))
    for p, q in zip(first.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_peers_of_the_same_weights_are_warned_of_once_before_anything_is_trained(tmp_path):
    alike = {name: partial(seeded, partial(net, 12), seed=1) for name in "abc"}
    with opened(tmp_path) as run, pytest.warns(UserWarning, match="peers 'a' and 'b' start from the same") as told:
        run.peers("alike", alike, partial(mutual, plans=plans("a", "b", "c")))
    assert len(told) == 1
    others = {name: partial(seeded, partial(net, 12), seed=k) for k, name in enumerate("ab")}
    with opened(tmp_path) as run:  # a warning would be an error
        run.peers("unlike", others, BOTH)


def loss_of(term, me, *peers):
    shown = {name: {"output": logits} for name, logits in zip("bcd", peers, strict=False)}
    return term.weight * term({"student": {"output": me}, **shown}).item()


def test_one_peer_is_a_special_case_of_many():
    me, other, third = torch.randn(3, 4, 5, dtype=torch.float64)
    plain = soft_targets(me, other, temperature=1.0).item()
    assert loss_of(from_each(["b"]), me, other) == plain
    assert loss_of(from_mean(["b"]), me, other) == pytest.approx(plain, rel=1e-12)
    assert loss_of(from_each(["b", "c"]), me, other, third) == pytest.approx(
        (plain + soft_targets(me, third, temperature=1.0).item()) / 2, rel=1e-12
    )


@pytest.mark.parametrize("learn", [from_each, from_mean])
def test_a_third_network_like_the_second_changes_nothing_for_the_first(learn):
    me, other = torch.randn(2, 4, 5, dtype=torch.float64)
    two, three = loss_of(learn(["b"]), me, other), loss_of(learn(["b", "c"]), me, other, other.clone())
    assert three == pytest.approx(two, rel=1e-12)


def test_added_up_as_the_authors_code_does_it_would_count_twice():
    me, other = torch.randn(2, 4, 5, dtype=torch.float64)
    one, two = loss_of(from_each(["b"]), me, other), loss_of(from_each(["b", "c"], weight=2.0), me, other, other)
    assert two == pytest.approx(2 * one, rel=1e-12)


@pytest.mark.parametrize("turns", TURNS)
def test_three_learn_what_a_bare_training_of_them_learns(tmp_path, turns):
    builds = {**PAIR, "c": partial(net, 7)}
    with opened(tmp_path) as run:
        peers = run.peers("mutual", builds, partial(mutual, plans=plans(*builds), turns=turns), seed=5)
    torch.manual_seed(5)
    models = {name: build() for name, build in builds.items()}
    learners = {
        me: PLAN.learner(model, objective(*(peer for peer in builds if peer != me))) for me, model in models.items()
    }
    list(train(learners, LESSON.batches(), PLAN.epochs, turns=turns))
    for name, model in models.items():
        assert same(bits(peers[name].last), bits(model))
        assert peers[name].best_epoch and "errors" in peers[name].records[-1]["validation"]


def test_without_a_weight_each_learns_what_it_learns_alone(tmp_path):
    """So that independent networks of the same seeds make paired differences."""
    with opened(tmp_path) as run:
        one = run.stage("alone", PAIR["a"], partial(supervised, plan=PLAN), seed=5)
        learn = partial(from_each, weight=0.0)
        peers = run.peers("side by side", PAIR, partial(BOTH, learn=learn), seed=5)
        taught = run.peers("mutual", PAIR, BOTH, seed=5)
    assert same(bits(one.last), bits(peers["a"].last)) and not same(bits(one.last), bits(taught["a"].last))


def test_alternating_is_what_happens_unless_it_is_said_otherwise(tmp_path):
    with opened(tmp_path) as run:
        weights = [
            bits(run.peers("mutual", PAIR, partial(BOTH, **turns))["b"].last)
            for turns in ({}, {"turns": alternating}, {"turns": simultaneous})
        ]
    assert same(weights[0], weights[1]) and not same(weights[0], weights[2])


@pytest.mark.parametrize("turns", TURNS)
@pytest.mark.parametrize("stop", [2, 4, 7])
def test_stopped_and_started_again_all_end_in_the_same_bits(tmp_path, turns, stop):
    builds = {**PAIR, "c": partial(net, 7)}
    rule = upgrad(Given(terms=("label", "peers")))
    fit = partial(mutual, plans=plans(*builds), turns=turns, combine=rule)
    with opened(tmp_path / "straight") as run:
        expected = run.peers("mutual", builds, fit)
    LEFT[:] = [stop]
    with pytest.raises(SystemExit), opened(tmp_path / "broken") as run:
        run.peers("mutual", builds, fit)
    assert len(list((tmp_path / "broken").rglob("checkpoint.safetensors"))) == 1
    with opened(tmp_path / "broken") as run:
        peers = run.peers("mutual", builds, fit)
    for name, peer in peers.items():
        assert same(bits(peer.last), bits(expected[name].last)) and same(bits(peer.best), bits(expected[name].best))


def test_each_may_have_an_optimizer_and_a_schedule_of_its_own(tmp_path):
    other = replace(PLAN, optimizer=partial(adam, lr=0.01), schedule=one_cycle)
    with opened(tmp_path) as run:
        first = run.peers("alike", PAIR, partial(BOTH, learn=partial(from_each, weight=0.0)))
        fit = partial(mutual, plans=plans("a", "b", b=other), learn=partial(from_each, weight=0.0))
        second = run.peers("otherwise", PAIR, fit)
    assert same(bits(first["a"].last), bits(second["a"].last))
    assert not same(bits(first["b"].last), bits(second["b"].last))


LEARNS = {
    "squares": partial(from_each, loss=mse_loss, weight=0.3),
    "relations": partial(from_each, loss=dist, across=True, weight=0.05),
    "geometric mean": partial(from_mean, average=geometric),
}


@pytest.mark.parametrize("learn", LEARNS.values(), ids=LEARNS)
def test_any_loss_takes_the_place_of_the_divergence(tmp_path, learn):
    with opened(tmp_path) as run:
        peers = run.peers("mutual", {**PAIR, "c": PAIR["a"]}, partial(mutual, plans=plans("a", "b", "c"), learn=learn))
    assert all(0 < peer.records[-1]["losses"][name]["peers"] < 100 for name, peer in peers.items())


def numbers(count, seed):
    g = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 6, generator=g)
    return labelled("line", inputs, inputs[:, :2] * 3, ())


def line() -> nn.Module:
    return nn.Linear(6, 2)


def test_any_task_is_learnt_together(tmp_path):
    plan = Plan(Lesson(numbers(40, 0), numbers(20, 1), batch_size=10), partial(sgd, lr=0.1), 3, task=REGRESSION)
    fit = partial(mutual, plans={"a": plan, "b": plan}, learn=partial(from_each, loss=mse_loss))
    with opened(tmp_path) as run:
        peers = run.peers("mutual", {"a": line, "b": line}, fit)
    for peer in peers.values():
        errors = [record["validation"]["mean squared error"] for record in peer.records]
        assert errors[-1] < errors[0]


SHORTER = replace(PLAN, epochs=1)
ELSEWHERE = replace(PLAN, lesson=replace(LESSON, seed=4))
OTHERWISE = [
    ({"a": PAIR["a"]}, plans("a"), r"two networks or more, which teach each other; got \['a'\]"),
    ({**PAIR, "b": partial(net, 9, 4)}, plans("a", "b"), r"as many numbers; of a sample, these give {'a': \(5,\), 'b'"),
    (PAIR, plans("a"), r"a plan of its name: peers are \['a', 'b'\], plans \['a'\]"),
    (PAIR, plans("a", "b", b=SHORTER), "that of 'b' differs in more from that of 'a'"),
    (PAIR, plans("a", "b", b=ELSEWHERE), "that of 'b' differs in more from that of 'a'"),
    ({"a": PAIR["a"], "b 2": PAIR["b"]}, plans("a", "b 2"), "Peers have names such as 'a'"),
    ({"a": PAIR["a"], "student": PAIR["b"]}, plans("a", "student"), r"\['student'\] would mean two things"),
    ({"a": PAIR["a"], "batch": PAIR["b"]}, plans("a", "batch"), r"\['batch'\] would mean two things"),
]


@pytest.mark.parametrize(("builds", "given", "words"), OTHERWISE)
def test_what_cannot_learn_together_is_refused_in_a_sentence_before_anything_is_trained(tmp_path, builds, given, words):
    with pytest.raises(ValueError, match=words), opened(tmp_path) as run:
        run.peers("mutual", builds, partial(mutual, plans=given))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_loss_that_relates_samples_says_so():
    with pytest.raises(ValueError, match=r"say Term\(…, across=True\)"):
        from_each(["b"], loss=dist)
