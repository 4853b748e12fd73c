"""What few test samples leave open is said wherever a figure or a gain is told, and decides nothing."""

from dataclasses import replace

import pytest

from tutelage.deployment.about import About
from tutelage.deployment.card import Made, model_card
from tutelage.measures.chance import FEW, FEWEST, left_open, noise_of
from tutelage.measures.wilson import wilson
from tutelage.report.figures import key_figures
from tutelage.report.groups import Group
from tutelage.report.read import FinishedRun
from tutelage.report.story import run_headline
from tutelage.results import Arguments, Network, Results, Score
from tutelage.study.planning.headline import headline
from tutelage.tasks.classification import CLASSIFICATION

ACCURACY = CLASSIFICATION.told


def network(role, wrong, count):
    low, high = wilson(wrong, count)
    shares = 100 * (1 - wrong / count), (100 * (1 - high / count), 100 * (1 - low / count))
    return Network(role, role, "", count, {"errors": Score(wrong, (low, high)), "accuracy": Score(*shares)})


def three(count):
    """A student that is always right, taught by one that is, too, and that is always wrong without."""
    wrong = {"teacher": 0, "student": 0, "baseline": count}
    return {role: network(role, number, count) for role, number in wrong.items()}


def told(count):
    """Every text that tells of a result: of the run, of its card, and of a report on it."""
    people = three(count)
    words = headline(people, ("wide", "narrow"), CLASSIFICATION.metrics)
    results = Results(words, CLASSIFICATION.metrics, networks=tuple(people.values()))
    card = model_card(About("classification", ("ant", "bee"), None, "narrow"), Made(results), None, {})
    request = Arguments("own:distill", "", "tutelage distill", {}, {})
    run = FinishedRun(request, {}, (), (), replace(results, headline=""), {})
    group = Group({}, (run,))
    figures = " ".join(words for figure in key_figures(group) for words in figure.detail)
    card = card.partition("## Evaluation")[2]
    return {"headline": words, "card": card, "figures": figures, "page": run_headline(group)}


@pytest.mark.parametrize("count", [1, 2, 3, FEWEST - 1])
def test_a_handful_of_samples_is_no_verdict_wherever_it_is_told_of(count):
    for where, words in told(count).items():
        assert "too few for a verdict" in words, where
        assert "does not explain" not in words, where
    assert "may be chance" in told(count)["headline"] and "may be chance" in told(count)["figures"]


def test_more_samples_leave_an_interval_that_is_told_and_does_decide():
    words = told(FEWEST)
    assert words["headline"].endswith(
        "chance alone does not explain that. 30 test samples leave narrow's accuracy anywhere from 86.67 to 100 %."
    )
    assert "30 test samples leave the student's accuracy anywhere from 86.67 to 100 %." in words["card"]
    assert not any("too few" in text for text in words.values())


def test_of_many_samples_nothing_more_is_said():
    assert not any("test samples leave" in text or "too few" in text for text in told(FEW).values())


def test_no_difference_of_a_handful_is_more_than_noise_however_narrow_its_intervals():
    narrow = Score(1.0, (0.99, 1.01))
    assert noise_of(narrow, narrow, FEWEST - 1) == float("inf") and noise_of(narrow, narrow, FEWEST) < 0.02


def test_a_figure_without_an_interval_is_told_to_be_open_as_well():
    assert left_open(Score(1.0), ACCURACY, 1) == "1 test sample is too few for a verdict"
    assert left_open(None, ACCURACY, FEWEST) == ""
