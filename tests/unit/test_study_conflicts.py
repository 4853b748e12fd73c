"""Rules by name, and what a study makes of them."""

import pytest
import torch

from tutelage.combine.base import Combine
from tutelage.combine.by_name import Given, rule, rules
from tutelage.keys import key_of
from tutelage.models.named import named
from tutelage.study.experiments.conflicts import SUM, question, shallowest, where_losses_pull
from tutelage.watched import watching

GIVEN = Given(("label", "soft", "hint"), 3, "student.output", 5e-4)


@pytest.mark.parametrize("name", [*rules(), "UPGrad", "MGDA", "FairGrad(alpha=0.5)"])
def test_every_rule_is_made_anew_and_can_be_part_of_a_key(name):
    make = rule(name, GIVEN)
    first, second = make(), make()
    assert isinstance(first, Combine) and first is not second
    assert key_of(make) == key_of(rule(name, GIVEN))


def test_rules_have_keys_of_their_own():
    names = [*rules(), "UPGrad", "FairGrad(alpha=0.5)", "FairGrad(alpha=1.0)"]
    assert len({key_of(rule(name, GIVEN)) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("pcgrd", "Did you mean one of .*'pcgrad'"),
        ("UPGrat", "torchjd has no 'UPGrat'"),
        ("FairGrad", "FairGrad takes alpha, max_iters: missing"),
        ("MGDA(max_iters=-1)", r"torchjd's MGDA makes no rule of these settings: .*got -1"),
        ("Constant(weights=[1])", "Constant makes no rule of these settings: AttributeError"),
        ("FairGrad(0.5)", r"is named like UPGrad or CAGrad\(c=0.5\)"),
    ],
)
def test_a_rule_that_nobody_has_is_refused_before_anything_is_trained(name, sentence):
    with pytest.raises(ValueError, match=sentence):
        question([name], 1, 1.0)


def test_the_weighted_sum_is_always_there_and_first():
    assert question(["pcgrad", SUM, "pcgrad"], 1, 1.0).names == (SUM, "pcgrad")
    assert set(question(["all", "MGDA"], 1, 1.0).names) == {*rules(), "MGDA"}


def test_a_rule_that_brings_its_momenta_is_given_no_other_watched_or_not():
    owners = {name for name in rules() if rule(name, GIVEN)().owns_momentum}
    assert owners == {name for name in rules() if watching(rule(name, GIVEN)).owns_momentum} == {"dot"}


def test_where_losses_pull_apart_is_the_mean_over_epochs_part_by_part():
    def record(cosine: float, negative: float) -> dict:
        names = {"combine.means/cosine a | b": cosine, "combine.means/negative a | b": negative}
        names |= {"combine.means/cosine a | b @ head": 1.0, "combine.means/negative a | b @ head": 0.0}
        return {"statistics": {"student": {**names, "combine.means/norm a": 2.0}}}

    table = where_losses_pull([record(-0.5, 1.0), record(0.1, 0.5), {}])
    assert table.rows == (("a | b", "whole", -0.2, 75.0), ("a | b", "head", 1.0, 0.0))


def test_a_rule_descends_two_losses_that_agree():
    parameter = torch.nn.Parameter(torch.ones(2))
    combine = rule("pcgrad", GIVEN)()
    combine.add({"a": parameter.sum(), "b": 2 * parameter.sum()}, {}, {"p": parameter})
    combine.settle({"p": parameter})
    assert parameter.grad is not None and parameter.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("layers", "first"),
    [
        (["head:input", "layer2", "output"], "layer2"),
        (["output", "pool:input", "layer1"], "layer1"),
        (["output"], "output"),
    ],
)
def test_gradients_are_compared_where_all_losses_pass(layers, first):
    assert shallowest(named("resnet8", 10)(), layers, torch.randn(2, 3, 32, 32)) == first
