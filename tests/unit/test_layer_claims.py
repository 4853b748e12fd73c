"""The claim that attention over the teacher's layers beats the best fixed mapping, whatever the methods' weights."""

from functools import partial
from typing import Any, cast

import pytest
from torch import nn

from tutelage.methods import attention
from tutelage.methods.by_name import family, method
from tutelage.recipes.parts.capacity import claim_size
from tutelage.recipes.parts.comparison import Pupil, Task, claim_layers
from tutelage.recipes.parts.photographs import Course
from tutelage.recipes.parts.pupils import Teaching
from tutelage.run import Run
from tutelage.stages import Finished

NOBODY = nn.Identity()
COURSE = Course(1, 8, 0.1, "one-cycle")


class Told:
    """What a run is told, and nothing else of it."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}

    def claim(self, name: str, **rest: Any) -> None:
        self.claims[name] = rest


def pupil(text: str, validation_errors: int) -> Pupil:
    how = method(text)
    task = Task(Teaching(how, NOBODY, ("resnet8", "resnet8")), nn.Identity, COURSE, family(how))
    return Pupil(task, Finished(text, "", NOBODY, NOBODY, [{"validation": {"errors": validation_errors}}], None))


def claims(errors: dict[str, int], accuracy: dict[str, float]) -> dict[str, Any]:
    told = Told()
    claim_layers(cast(Run, told), {name: pupil(name, n) for name, n in errors.items()}, accuracy, True)
    return told.claims


@pytest.mark.parametrize("factor", ["", "0.1*"])
def test_attention_is_held_against_the_fixed_mapping_that_is_best_on_validation(factor):
    first, last, attends = f"{factor}from_first", f"{factor}from_last", f"{factor}attend_dot"
    found = claims({first: 30, last: 20, attends: 10, "kd": 0}, {first: 55.0, last: 50.0, attends: 51.5, "kd": 60.0})
    assert list(found) == [f"{attends} beats the best fixed mapping"]
    (claim,) = found.values()
    assert claim["measured"] == 1.5 and claim["low"] > 0 and claim["paired"]


def test_nothing_is_claimed_where_no_mapping_is_fixed_or_no_layer_is_chosen():
    assert claims({"attend_dot": 1, "kd": 2}, {"attend_dot": 50.0, "kd": 51.0}) == {}
    assert claims({"proportional": 1, "kd": 2}, {"proportional": 50.0, "kd": 51.0}) == {}


def test_the_largest_teacher_is_held_against_the_one_before_it():
    told = Told()
    accuracy = {"kd from s": 60.0, "kd from m": 52.0, "kd from l": 51.5, "at from m": 50.0}  # at diverged from l
    claim_size(cast(Run, told), accuracy, ["s", "m", "l"], ["kd", "at"], True)
    ((name, claim),) = told.claims.items()
    assert name == "kd: m makes a better student than l" and claim["measured"] == 0.5 and claim["paired"]


def test_a_sum_is_of_the_family_that_all_its_methods_are_of():
    assert family(method("0.1*attend_dot")) == "attention" and family(method("at+0.5*hint")) == "feature"
    assert family(method("kd+at")) == "combined"
    assert family(partial(attention.attend_dot)) == "attention"  # somebody's own, with settings
