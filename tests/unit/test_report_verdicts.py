"""Whether a claim holds: decided by intervals, never by where a mean happens to lie."""

import io
import json
import math
from dataclasses import replace
from importlib import import_module

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Console

import report_sample
from tutelage.report.groups import group_runs
from tutelage.report.markdown import markdown
from tutelage.report.paired import mean_interval, paired_t
from tutelage.report.read import read_run
from tutelage.report.story import story_of, tally
from tutelage.report.terminal import print_story
from tutelage.report.verdicts import verdict_on
from tutelage.results import Claim

pytestmark = pytest.mark.slow

NUMBER = st.floats(-100, 100).map(lambda x: round(x, 3))
SEVERAL = st.lists(NUMBER, min_size=2, max_size=6)
INTERVAL = st.tuples(NUMBER, NUMBER).map(lambda pair: (min(pair), max(pair)))
BOUNDS = st.one_of(INTERVAL, st.tuples(NUMBER, st.none()), st.tuples(st.none(), NUMBER))


def claim(measured, low=None, high=None, **options):
    return Claim("it works", 74, measured, "points", "a paper", low, high, **options)


def verdict(values, low=None, high=None, **options):
    return verdict_on((seed, claim(x, low, high, **options)) for seed, x in enumerate(values))


def place(interval, bounds):
    low, high = (-math.inf if bounds[0] is None else bounds[0]), (math.inf if bounds[1] is None else bounds[1])
    if low <= interval[0] and interval[1] <= high:
        return "holds"
    return "does not hold" if interval[1] < low or interval[0] > high else "undecided"


@given(SEVERAL, BOUNDS, st.booleans())
def test_over_seeds_students_interval_of_the_mean_decides_paired_or_not(values, bounds, paired):
    interval = mean_interval(values)
    assert verdict(values, *bounds, paired=paired).word == place(interval, bounds)


@given(SEVERAL, NUMBER)
def test_the_interval_is_that_of_the_t_test(values, bound):
    assume(len(set(values)) > 1)
    p = float(import_module("scipy.stats").ttest_1samp(values, bound).pvalue)
    assume(abs(p - 0.05) > 1e-6)
    low, high = mean_interval(values)
    assert (low <= bound <= high) == (p > 0.05)
    zero, chance = verdict(values, low=0.0, paired=True), paired_t(values)
    assert (zero.word == "undecided") == (chance > 0.05) or abs(chance - 0.05) < 1e-6


@given(SEVERAL, BOUNDS, st.floats(0, 50))
def test_wider_bounds_never_make_a_claim_fail_that_held(values, bounds, room):
    low, high = bounds
    wider = (None if low is None else low - room, None if high is None else high + room)
    before, after = verdict(values, *bounds).word, verdict(values, *wider).word
    order = ("does not hold", "undecided", "holds")
    assert order.index(after) >= order.index(before)


@given(SEVERAL, BOUNDS, st.booleans(), st.integers(1, 9), st.one_of(st.none(), INTERVAL))
def test_what_has_a_reason_is_never_judged(values, bounds, paired, seeds, interval):
    options = {"paired": paired, "seeds": seeds, "interval": interval, "reason": "the paper preset decides"}
    told = verdict(values, *bounds, **options)
    assert (told.word, told.sign, told.reason) == ("not judged", "○", "the paper preset decides")


@given(st.lists(INTERVAL, min_size=1, max_size=4), BOUNDS)
def test_with_too_few_seeds_each_ones_own_interval_must_say_the_same(intervals, bounds):
    pairs = [(seed, claim(sum(i) / 2, *bounds, interval=i, seeds=5)) for seed, i in enumerate(intervals)]
    words = {place(interval, bounds) for interval in intervals}
    assert verdict_on(pairs).word == (words.pop() if len(words) == 1 else "undecided")


@given(INTERVAL, BOUNDS)
def test_what_the_test_samples_leave_never_decides_a_paired_claim(interval, bounds):
    told = verdict([sum(interval) / 2], *bounds, interval=interval, paired=True)
    assert told.word == "undecided" and told.interval is None and told.reason == "takes 2 seeds or more"


@given(NUMBER, BOUNDS, st.integers(2, 5))
def test_one_seed_without_an_interval_decides_nothing_however_often_it_is_run(value, bounds, times):
    again = [(7, claim(value, *bounds))] * times
    assert verdict_on(again).word == verdict([value], *bounds).word == "undecided"
    assert verdict_on(again).measured.n == 1


@given(NUMBER, BOUNDS, st.integers(2, 5))
def test_seeds_that_agree_to_the_digit_are_a_point(value, bounds, seeds):
    assert verdict([value] * seeds, *bounds).word == place((value, value), bounds)


def test_a_claim_may_ask_for_more_seeds():
    values = [1.0, 1.1, 1.2]
    assert verdict(values, low=0.5).word == verdict(values, low=0.5, seeds=3).word == "holds"
    few = verdict(values, low=0.5, seeds=5)
    assert few.word == "undecided" and few.reason == "takes 5 seeds or more"


def test_a_mean_on_the_right_side_is_not_enough():
    assert verdict([90.0, 99.0], high=95.0).word == "undecided"
    assert verdict([84.0, 84.5, 84.2], high=95.0).word == "holds"
    assert verdict([103.0, 104.0, 103.5], high=95.0).word == "does not hold"


def rows(tmp_path, *claims):
    folder = report_sample.make(tmp_path / "run", epochs=1)
    results = json.loads((folder / "results.json").read_text())
    base = {"published": 70, "unit": "test errors", "source": "us"}
    results["claims"] = [base | {"name": f"claim {i}"} | some for i, some in enumerate(claims)]
    report_sample.write(folder / "results.json", results)
    return story_of(group_runs([read_run(folder)]))


HELD = {"measured": 67, "interval": [52, 85], "high": 90}
OPEN = {"measured": 67, "interval": [52, 85], "high": 80}
MISSED = {"measured": 103, "interval": [84, 125], "high": 80}
ELSEWHERE = {"measured": 3, "high": 2, "reason": "the paper preset decides"}


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ([HELD], "The claim holds."),
        ([OPEN], "The claim is undecided by these seeds."),
        ([ELSEWHERE], "The claim is not judged: the paper preset decides."),
        (
            [HELD, OPEN, HELD, ELSEWHERE],
            "2 of 4 claims hold; 1 is undecided; 1 is not judged: the paper preset decides.",
        ),
        ([MISSED, HELD, MISSED], "1 of 3 claims holds; 2 do not hold."),
        ([ELSEWHERE, ELSEWHERE | {"reason": "other nets"}], "0 of 2 claims hold; 2 are not judged."),
    ],
)
def test_the_tally_counts_every_verdict(tmp_path, claims, words):
    assert rows(tmp_path, *claims).tally == words
    assert tally(()) == ""


def test_the_interval_stands_beside_the_measured_figure_everywhere(tmp_path):
    told = rows(tmp_path, HELD, {"measured": 0.31, "interval": [0.2871, 0.3312], "low": 0.25, "unit": "1"})
    assert [row.interval for row in told.claims] == ["52 to 85", "0.287 to 0.331"]
    assert "| 67 (52 to 85) |" in markdown(told)
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    print_story(told, console)
    assert "52 to 85" in console.file.getvalue().replace("\u00a0", " ")


def test_a_network_that_all_seeds_share_is_no_surer_for_being_counted_often():
    claim = Claim("teacher", 67, 80, "test errors", "src", high=85, interval=(64, 100))
    assert verdict_on((seed, claim) for seed in range(3)).word == "undecided"
    assert verdict_on((seed, replace(claim, interval=(64, 84))) for seed in range(3)).word == "holds"
