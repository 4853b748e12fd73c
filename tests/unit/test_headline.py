"""What came out of a distillation, in a sentence or two, for every kind of metric."""

from dataclasses import replace

import pytest

from tutelage.results import Latency, Metric, Network, Score
from tutelage.study.planning.headline import headline
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.regression import REGRESSION

ERROR = REGRESSION.metrics


def network(role, value, metric, reach=0.0, **more):
    return Network(role, role, "", 100, {metric: Score(value, (value - reach, value + reach))}, **more)


def said(student, alone, metrics, metric, reach):
    networks = {"teacher": network("teacher", 0.5, metric), "student": network("student", student, metric, reach)}
    networks["baseline"] = network("baseline", alone, metric, reach)
    return headline(networks, ("wide", "narrow"), metrics).partition("Without a teacher ")[2]


@pytest.mark.parametrize(
    ("student", "alone", "reach", "words"),
    [
        (90.0, 85.0, 1.0, "it has 85.0 %, 5.0 points worse; chance alone does not explain that."),
        (90.0, 88.0, 2.0, "it has 88.0 %, 2.0 points worse; that may be chance."),
        (90.0, 90.0, 2.0, "it has 90.0 %, too: nothing was gained from one."),
        (88.0, 90.0, 2.0, "it has 90.0 %, 2.0 points better; that may be chance: no gain from its teacher is seen."),
        (
            80.0,
            90.0,
            2.0,
            "it has 90.0 %, 10.0 points better; chance alone does not explain that: its teacher made it worse.",
        ),
    ],
)
def test_what_the_teacher_gave_is_told_from_chance(student, alone, reach, words):
    assert said(student, alone, CLASSIFICATION.metrics, "accuracy", reach) == words


def test_numbers_of_which_less_is_better_have_few_digits():
    words = said(0.123456, 0.234567, ERROR, "mean squared error", 0.01)
    assert words == "it has 0.2346, 0.11 worse; chance alone does not explain that."
    assert "better" in said(0.234567, 0.123456, ERROR, "mean squared error", 0.01)


def test_a_network_without_a_finite_score_loses_nothing():
    lost = Network("student", "student", "", 900, {})
    networks = {"teacher": network("teacher", 0.5, "accuracy"), "student": lost, "baseline": lost}
    words = headline(networks, ("wide", "narrow"), CLASSIFICATION.metrics)
    assert words == "narrow has no accuracy; its teacher wide has 0.5 %. Without a teacher it has no accuracy."


def test_what_is_the_same_to_a_digit_is_not_called_slower():
    clock = {"1": Latency(1.0, 0.9, 1.1)}
    large = network("teacher", 99.0, "accuracy", parameters=1000, latency_ms=clock)
    small = replace(large, parameters=100, latency_ms={"1": Latency(0.98, 0.9, 1.0)})
    accuracy = [Metric("accuracy", "%", "higher")]
    words = headline({"teacher": large, "student": small}, ("wide", "narrow"), accuracy)
    assert words == "narrow has 99.0 % accuracy; its teacher wide, 10.0 × larger and as fast, has 99.0 %."
    turned = headline({"teacher": small, "student": large}, ("wide", "narrow"), accuracy)
    assert "its teacher wide, 10.0 × smaller and as fast, has" in turned
