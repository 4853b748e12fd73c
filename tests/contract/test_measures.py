"""What every measure of answers must satisfy, checked for whatever in ``tutelage.measures`` takes logits."""

import inspect
import json
from dataclasses import asdict
from typing import get_type_hints

import pytest
import torch

import tutelage.measures
from contract.find import modules, own
from tutelage.data.labelled import Labelled, labelled
from tutelage.measures.agreement import agreement
from tutelage.measures.disagreements import disagreements
from tutelage.shapes import Logits

COUNT, CLASSES = 60, 5


def takes_logits(member):
    required = [p for p in inspect.signature(member).parameters.values() if p.default is p.empty]
    hints = get_type_hints(member, include_extras=True)
    gives_numbers = hints["return"] is not type(None)
    return bool(required) and gives_numbers and hints.get(required[0].name) == Logits


MEASURES = [
    pytest.param(member, id=f"{module.__name__.rpartition('.')[2]}.{name}")
    for module in modules(tutelage.measures)
    for name, member in own(module)
    if inspect.isfunction(member) and takes_logits(member)
]


class Case:
    """A measure with drawn arguments; ``measure(samples, scale)`` applies it to some samples, with scaled logits."""

    def __init__(self, measure):
        self.measure = measure
        self.names = {n: h for n, h in get_type_hints(measure, include_extras=True).items() if self._needed(n)}
        self.target = torch.randint(CLASSES, (COUNT,))
        self.logits = {name: 2 * torch.randn(COUNT, CLASSES) for name, hint in self.names.items() if hint == Logits}
        images = torch.randint(256, (COUNT, 1, 2, 2), dtype=torch.uint8)
        self.data = labelled("drawn", images, self.target, tuple("abcde"))

    def _needed(self, name):
        return name != "return" and inspect.signature(self.measure).parameters[name].default is inspect.Parameter.empty

    def __call__(self, samples=slice(None), shift=0.0):
        given = {name: (logits + shift)[samples] for name, logits in self.logits.items()}
        given |= {name: self.data[samples] for name, hint in self.names.items() if hint is Labelled}
        given |= {name: self.target[samples] for name, hint in self.names.items() if name == "target"}
        return json.loads(json.dumps(self.measure(**given), default=asdict))


def same(left, right):
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == pytest.approx(right, abs=5e-6) if isinstance(left, float) else left == right


@pytest.mark.parametrize("measure", MEASURES)
class TestEveryMeasure:
    def test_is_blind_to_the_order_of_the_samples(self, measure):
        case = Case(measure)
        assert same(case(torch.randperm(COUNT)), case())

    def test_sees_probabilities_and_not_the_height_of_the_logits(self, measure):
        case = Case(measure)
        assert same(case(shift=torch.randn(COUNT, 1)), case())

    def test_works_for_a_single_sample(self, measure):
        Case(measure)(torch.tensor([3]))

    def test_refuses_an_empty_set_in_one_sentence(self, measure):
        with pytest.raises(ValueError, match=r"(got|has) "):
            Case(measure)(torch.tensor([], dtype=torch.long))

    def test_changes_nothing_and_draws_nothing(self, measure):
        case, state = Case(measure), torch.get_rng_state()
        before = {name: x.clone() for name, x in case.logits.items()}
        case()
        assert all(torch.equal(x, case.logits[name]) for name, x in before.items())
        assert torch.equal(state, torch.get_rng_state())


def test_the_family_is_found():
    found = [case.values[0] for case in MEASURES]
    assert {agreement, disagreements} <= set(found) and len(found) >= 5


def first_is_wrong(logits: Logits, target: torch.Tensor) -> bool:
    return bool(logits[0].argmax() != target[0])


def mean_logit(logits: Logits) -> float:
    return logits.mean().item()


def test_a_measure_that_looks_at_the_order_is_caught():
    torch.manual_seed(1)
    with pytest.raises(AssertionError):
        for _ in range(9):
            TestEveryMeasure().test_is_blind_to_the_order_of_the_samples(first_is_wrong)


def test_a_measure_that_sees_more_than_probabilities_is_caught():
    with pytest.raises(AssertionError):
        TestEveryMeasure().test_sees_probabilities_and_not_the_height_of_the_logits(mean_logit)


def test_a_measure_of_nothing_is_caught():
    with pytest.raises(pytest.fail.Exception):
        TestEveryMeasure().test_refuses_an_empty_set_in_one_sentence(mean_logit)
