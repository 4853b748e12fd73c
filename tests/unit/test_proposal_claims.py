"""The multi-knowledge proposal's claims, whatever the methods' weights."""

from functools import partial
from typing import cast

import pytest
import torch
from torch import nn

from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.methods import attention
from tutelage.methods.by_name import family, method
from tutelage.optimizers.usual import sgd
from tutelage.recipes.proposal import claim_conflicts, claim_layers, claim_size
from tutelage.results import Claim, Network, Score
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.plan import Plan
from tutelage.stages.storage import Finished
from tutelage.study.sets import Sets
from tutelage.study.trials import Trained, Trial

NOBODY = nn.Identity()
SMALL = labelled("small", torch.zeros(2, 1), torch.tensor([0, 1]), ("a", "b"))
PLAN = Plan(Lesson(SMALL, batch_size=2), partial(sgd, lr=0.1), epochs=1)
DATA = Sets(SMALL, SMALL, SMALL)


class Listening:
    """Keeps what a run is told to claim, by name."""

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}

    def claim(self, claim: Claim) -> None:
        self.claims[claim.name] = claim


def student(text: str, validation_errors: int) -> Trained:
    how = method(text)
    trial = Trial(nn.Identity, PLAN, Teaching(how, NOBODY, ("resnet8", "resnet8")), family(how))
    return Trained(trial, Finished(text, "", NOBODY, NOBODY, [{"validation": {"errors": validation_errors}}], None))


def networks(accuracy: dict[str, float]) -> dict[str, Network]:
    return {name: Network(name, "student", "", 2, {"accuracy": Score(x)}) for name, x in accuracy.items()}


def claims(errors: dict[str, int], accuracy: dict[str, float]) -> dict[str, Claim]:
    run = Listening()
    claim_layers(cast(Run, run), DATA, {name: student(name, n) for name, n in errors.items()}, networks(accuracy), "")
    return run.claims


@pytest.mark.parametrize("factor", ["", "0.1*"])
def test_attention_is_held_against_the_fixed_mapping_that_is_best_on_validation(factor):
    first, last, attends = f"{factor}from_first", f"{factor}from_last", f"{factor}attend_dot"
    made = claims({first: 30, last: 20, attends: 10, "kd": 0}, {first: 55.0, last: 50.0, attends: 51.5, "kd": 60.0})
    assert list(made) == [f"{attends} beats the best fixed mapping"]
    (claim,) = made.values()
    assert claim.measured == 1.5 and claim.low is not None and claim.low > 0 and claim.paired


def test_nothing_is_claimed_where_no_mapping_is_fixed_or_no_layer_is_chosen():
    assert claims({"attend_dot": 1, "kd": 2}, {"attend_dot": 50.0, "kd": 51.0}) == {}
    assert claims({"proportional": 1, "kd": 2}, {"proportional": 50.0, "kd": 51.0}) == {}


def test_the_largest_teacher_is_held_against_the_one_before_it():
    run = Listening()
    accuracy = {"kd from s": 60.0, "kd from m": 52.0, "kd from l": 51.5, "at from m": 50.0}  # at diverged from l
    claim_size(cast(Run, run), networks(accuracy), ["s", "m", "l"], ["kd", "at"], "too small")
    ((name, claim),) = run.claims.items()
    assert name == "kd: m makes a better student than l" and claim.measured == 0.5 and claim.paired
    assert claim.reason == "too small"


def test_a_rule_is_held_against_every_sum_and_only_if_the_question_is_about_it():
    run = Listening()
    accuracy = {"weighted_sum": 50.0, "weighted_sum, 9 epochs": 52.0, "pcgrad": 51.0, "cheap": 60.0}
    claim_conflicts(cast(Run, run), networks(accuracy), "")
    found = {name: claim.measured for name, claim in run.claims.items()}
    assert found == {"pcgrad beats weighted_sum": 1.0, "pcgrad beats weighted_sum, 9 epochs": -1.0}


def test_a_sum_is_of_the_family_that_all_its_methods_are_of():
    assert family(method("0.1*attend_dot")) == "attention" and family(method("at+0.5*hint")) == "feature"
    assert family(method("kd+at")) == "combined"
    assert family(partial(attention.attend_dot)) == "attention"  # somebody's own, with settings
