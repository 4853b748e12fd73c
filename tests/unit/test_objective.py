"""Terms find their arguments, and say so when they do not."""

from functools import partial

import pytest
import torch

from examples import SGD, kd, label, mlp, similarities, vectors
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.objective import Clock, Objective, Term
from tutelage.teachers.frozen import frozen


def test_what_is_read_follows_from_the_terms():
    at = Term(lambda s, t: sum(s) - sum(t), ["student.2", "student.5"], ["teacher.2", "teacher.5"])
    objective = Objective(at=at, label=label())
    assert objective.reads(["at"]) == {("student", "2"), ("student", "5"), ("teacher", "2"), ("teacher", "5")}


def test_losses_are_raw_and_weights_follow_the_clock():
    objective = kd(label_weight=lambda clock: 1 - clock.fraction, soft_weight=0.5)
    assert objective.weights(Clock(3, 30, 0.75)) == {"label": 0.25, "soft": 0.5}
    logits = torch.randn(4, 5)
    scene = {"student": {"output": logits}, "batch": {"target": torch.arange(4)}}
    raw = torch.nn.functional.cross_entropy(logits, torch.arange(4))
    assert torch.equal(objective(scene, ["label"])["label"], raw)


def test_a_term_looks_where_it_was_told_last():
    term = Term(torch.sub, "student.output", "teacher.output")
    term.addresses = ("student.output", "teacher2.output")
    scene = {"student": {"output": torch.tensor(3.0)}, "teacher2": {"output": torch.tensor(1.0)}}
    assert term(scene) == 2
    assert set(term.reads()) == {("student", "output"), ("teacher2", "output")}
    with pytest.raises(ValueError, match=r"An address reads 'who.what'"):
        term.addresses = ("student",)


def test_misspelt_addresses_are_refused():
    with pytest.raises(ValueError, match=r"who\.what"):
        Objective(kd=Term(soft_targets, "student")).reads(["kd"])
    learner = Learner(mlp(), Objective(kd=Term(soft_targets, "student.output", "teachr.output")), SGD)
    with pytest.raises(ValueError, match=r"'teachr\.output'.*On stage"):
        train({"student": learner}, vectors(), 1)


@pytest.mark.parametrize("name", ["forward", "type", "training", "weights"])
def test_names_every_module_has_are_refused(name):
    with pytest.raises(ValueError, match=name):
        Objective(**{name: label()})


@pytest.mark.parametrize("names", [["batch"], ["teacher"], ["student", "b"]])
def test_learner_names_that_mean_two_things_are_refused(names):
    teacher = frozen(mlp(16))
    learners = {name: Learner(mlp(), kd(), SGD, teachers={"teacher": teacher}) for name in names}
    with pytest.raises(ValueError, match="two things"):
        train(learners, vectors(), 1)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_weights_below_nothing_and_without_bound_are_refused_whenever_they_come(weight):
    with pytest.raises(ValueError, match="finite number, 0 or more"):
        label(weight)
    with pytest.raises(ValueError, match="finite number, 0 or more"):
        Objective(label=label(lambda _clock: weight)).weights(Clock(0, 0, 0.0))


def test_weights_of_any_kind_are_logged_as_plain_numbers():
    objective = kd(lambda _clock: torch.tensor(0.5), 1)
    assert [type(weight) for weight in objective.weights(Clock(0, 0, 0.0)).values()] == [float, float]


def test_losses_that_relate_samples_have_to_be_declared():
    with pytest.raises(ValueError, match=r"similarities relates the samples.*across=True"):
        Term(similarities, "student.1", "teacher.1")
    with pytest.raises(ValueError, match="across=True"):
        Term(partial(similarities), "student.1", "teacher.1")
    assert Term(similarities, "student.1", "teacher.1", across=True).across
