"""The share of a gain that a student has, where there is a gain."""

from math import nan

import pytest

from tutelage.study.experiments.shares import share_of_gain


def test_the_share_is_what_the_student_has_of_the_gain():
    assert share_of_gain(58.9, 61.1, 60.8) == pytest.approx(1.9 / 2.2)
    assert share_of_gain(-10.9, -10.7, -10.7) == 1.0  # of errors, negated
    assert share_of_gain(60.0, 64.0, 59.0) == -0.25


@pytest.mark.parametrize(
    ("together", "chance"), [(60.0, 0.0), (59.0, 0.0), (60.4, 0.5), (60.5, 0.5), (59.0, -2.0), (nan, 0.0)]
)
def test_there_is_no_share_of_what_may_be_chance(together, chance):
    assert share_of_gain(60.0, together, 61.0, chance) is None


def test_a_gain_that_is_more_than_chance_is_shared():
    assert share_of_gain(60.0, 61.0, 60.5, chance=0.5) == 0.5
