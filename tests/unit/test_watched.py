"""Watching conflicts: what is seen, and that nothing changes by it."""

from functools import partial

import pytest
import torch
from torch import nn

from examples import SGD, bits, kd, mlp, run, same, vectors
from tutelage.combine.weighted_sum import WeightedSum
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.objective import Objective, Term
from tutelage.results import statistic
from tutelage.teachers.frozen import frozen
from tutelage.watched import Watched, drowned, parts_of


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


class Staged(nn.Module):
    """Two stages and a head; ``pull`` and ``push`` oppose each other in the head alone."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = (nn.Linear(4, 4, bias=False) for _ in range(3))

    def losses(self, x):
        h = self.second(self.first(x))
        frozen_h, frozen_head = h.detach(), self.head.weight.detach()
        backbone = (h @ frozen_head.mT).sum()
        head = self.head(frozen_h).sum()
        return {"pull": backbone + head, "push": 2 * backbone - head, "quiet": 1e-3 * backbone}


def looked(parts=None, prefix="student."):
    net, rule = Staged(), Watched(WeightedSum(), parts=parts)
    parameters = {f"{prefix}{name}": p for name, p in net.named_parameters()}
    rule.add(net.losses(torch.randn(5, 4)), {}, parameters)
    return rule.means.read(), net


def test_conflict_is_told_apart_by_head_backbone_and_stage():
    found, _ = looked()
    assert {statistic(name).part for name in found} == {"", "head", "backbone", "first", "second"}
    for part in ("backbone", "first", "second"):
        assert found[f"cosine pull | push @ {part}"] == pytest.approx(1, abs=1e-5)
        assert found[f"negative pull | push @ {part}"] == 0
        assert found[f"relative pull @ {part}"] == pytest.approx(0.5, abs=1e-5)
        assert found[f"relative push @ {part}"] == pytest.approx(1)
    assert found["cosine pull | push @ head"] == pytest.approx(-1, abs=1e-5)
    assert found["negative pull | push @ head"] == 1
    assert "cosine pull | quiet @ head" not in found and "relative quiet @ head" not in found
    assert -1 < found["cosine pull | push"] < 1


def test_all_of_it_is_what_the_gradients_themselves_say():
    torch.manual_seed(4)
    net, x = Staged(), torch.randn(5, 4)
    rule = Watched(WeightedSum())
    parameters = {f"student.{name}": p for name, p in net.named_parameters()}
    rows = {}
    for name, loss in net.losses(x).items():
        gradients = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True, retain_graph=True)
        rows[name] = torch.cat([torch.zeros(16) if g is None else g.flatten() for g in gradients])
    rule.add(net.losses(x), {}, parameters)
    found = rule.means.read()
    assert found["norm pull"] == pytest.approx(rows["pull"].norm().item(), rel=1e-5)
    assert found["cosine pull | push"] == pytest.approx(
        torch.cosine_similarity(rows["pull"], rows["push"], dim=0).item(), abs=1e-5
    )
    assert found["relative pull"] == pytest.approx((rows["pull"].norm() / rows["push"].norm()).item(), rel=1e-5)


def test_parts_may_be_given_and_may_overlap():
    found, _ = looked({"all but the head": lambda name: "head" not in name, "first": lambda name: "first" in name})
    assert {statistic(name).part for name in found} == {"", "all but the head", "first"}


def test_a_drowned_loss_is_found_by_its_relative_length_over_all_shared_parameters():
    found, _ = looked()
    statistics = {f"combine.means/{name}": value for name, value in found.items()}
    assert list(drowned(statistics)) == ["quiet"] and drowned(statistics)["quiet"] == found["relative quiet"]
    assert drowned(statistics, below=1e-6) == {}
    assert set(drowned(statistics, below=0.9)) >= {"quiet"} and "push" not in drowned(statistics, below=0.9)


def test_a_loss_alone_has_a_length_and_nothing_to_be_compared_with():
    net, rule = Staged(), Watched(WeightedSum())
    rule.add({"pull": net.losses(torch.randn(5, 4))["pull"]}, {}, dict(net.named_parameters()))
    assert set(rule.means.read()) == {"norm pull"}


@pytest.mark.parametrize(("pull", "push"), [(1e-12, 1e-12), (1e-15, 1e3), (1e10, 1e10), (1e15, 1e-3)])
def test_cosines_do_not_depend_on_how_long_gradients_are(pull, push):
    net, x = Staged(), torch.randn(5, 4)
    found = []
    for factors in ({}, {"pull": pull, "push": push}):
        rule = Watched(WeightedSum())
        rule.add({n: factors.get(n, 1) * loss for n, loss in net.losses(x).items()}, {}, dict(net.named_parameters()))
        found.append(rule.means.read()["cosine pull | push"])
    assert found[1] == pytest.approx(found[0], abs=1e-5) and found[0] != 0


def test_gradients_of_zero_have_no_direction_and_break_nothing():
    net, rule = Staged(), Watched(WeightedSum())
    rule.add({n: 0 * loss for n, loss in net.losses(torch.randn(5, 4)).items()}, {}, dict(net.named_parameters()))
    found = rule.means.read()
    assert found["cosine pull | push"] == 0 and found["negative pull | push"] == 0 and found["relative pull"] == 0


NAMES = {
    "a residual network": (
        ["stem.conv", "layer1.0.conv", "layer2.0.conv", "head"],
        ["stem", "layer1", "layer2"],
        "head",
    ),
    "wrapped": (["model.body.0", "model.body.1", "model.fc"], ["body"], "fc"),
    "numbered": (["0", "2", "4"], ["0", "2"], "4"),
}


@pytest.mark.parametrize(("layers", "before", "last"), NAMES.values(), ids=NAMES)
def test_parts_follow_from_the_names_of_the_parameters(layers, before, last):
    names = [f"student.{layer}.{what}" for layer in layers for what in ("weight", "bias")] + ["objective.hint.weight"]
    parts = parts_of(names)
    assert list(parts) == [*(before if len(before) > 1 else []), "head", "backbone"]
    inside = {part: [name for name in names if belongs(name)] for part, belongs in parts.items()}
    assert all(f".{last}." in name for name in inside["head"]) and len(inside["head"]) == 2
    assert len(inside["backbone"]) == len(names) - 3 and "objective.hint.weight" not in inside["backbone"]


@pytest.mark.parametrize("names", [["student.weight", "student.bias"], ["student.fc.weight"], []])
def test_a_network_of_one_piece_has_no_parts(names):
    assert parts_of(names) == {}


@pytest.mark.parametrize(
    "name", ["combine.means/height label", "path/attention 1 | 2 | 3", "cosine", "cosine a", "norm a | b"]
)
def test_a_statistic_of_another_kind_is_not_taken_for_ours(name):
    assert statistic(name) is None


@pytest.mark.parametrize("name", ["", "a @ b", "a/b"])
def test_the_name_of_a_part_that_could_not_be_read_back_is_refused(name):
    with pytest.raises(ValueError, match="not empty and has no @ and no /"):
        Watched(WeightedSum(), parts={name: str.isprintable})
