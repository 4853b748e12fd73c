"""Targets in people's words, and the tools that reach them at the least loss."""

import pytest

from tutelage.compress.budget import Budget
from tutelage.compress.target import target
from tutelage.results import Metric
from tutelage.study.compressed_words import _as_target
from tutelage.study.tools import FLOAT32, INT8, Tried, best_within, choices, not_chosen, whole_of

ACCURACY = Metric("accuracy", "%", "higher")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("4x smaller", Budget(0.25, "bytes", True)),
        ("2.5 × smaller", Budget(0.4, "bytes", True)),
        ("2 times faster", Budget(0.5, "ms", True)),
        ("1 MB", Budget(1e6, "bytes")),
        ("250kB", Budget(250e3, "bytes")),
        ("900 bytes", Budget(900.0, "bytes")),
        ("3 ms", Budget(3.0, "ms")),
        ("quarter", Budget(0.25, "MACs", True)),
        ("90 MMACs", Budget(90e6, "MACs")),
        ("half of the parameters", Budget(0.5, "parameters", True)),
    ],
)
def test_what_people_say_of_a_target(words, meant):
    assert target(words) == meant and target(f" {words.upper()} ") == meant


@pytest.mark.parametrize("words", ["", "4x", "smaller", "1x smaller", "0.5x faster", "0 MB", "-1 MB", "4x cheaper"])
def test_what_is_no_target(words):
    with pytest.raises(ValueError, match=r"as in '"):
        target(words)


def rows(precision, costs, figures, unit="bytes", ms=1.0):
    return [
        Tried(
            share, precision, figure, int(cost) if unit == "bytes" else 100, cost if unit == "ms" else ms, 100 * share
        )
        for share, cost, figure in zip((1.0, 0.5, 0.25), costs, figures, strict=False)
    ]


PRUNED = rows(FLOAT32, (1000, 500, 250), (90.0, 80.0, 60.0))
SMALLER = rows(INT8, (300, 160), (89.5, 78.0), ms=2.0)


class TestChoice:
    def test_one_tool_that_loses_less_is_enough(self):
        first, second = choices([*PRUNED, *SMALLER], target("3x smaller"), ACCURACY, 1.0)
        assert (first.precision, first.share, first.lost) == (INT8, 1.0, 0.5)
        assert second.precision == FLOAT32 and 0.25 < second.share < 0.35 and 20 < second.lost < 30

    def test_between_two_that_were_tried_it_lies_on_a_line_a_little_on_the_safe_side(self):
        (only,) = choices(PRUNED, Budget(0.375, "bytes", True), ACCURACY, 1.0)
        assert 0.365 < only.share < 0.375 and 20 < only.lost < 21
        exact = [Tried(x.share, FLOAT32, x.figure, 100, 1.0, x.count) for x in PRUNED]
        assert choices(exact, target("30 MACs"), ACCURACY, 1.0)[0].share == pytest.approx(0.3)

    def test_int8_that_alone_loses_too_much_is_no_choice(self):
        found = choices([*PRUNED, *rows(INT8, (300, 160), (85.0, 70.0))], target("3x smaller"), ACCURACY, 1.0)
        assert [x.precision for x in found] == [FLOAT32]
        assert choices(PRUNED, target("9x smaller"), ACCURACY, 1.0) == []

    def test_where_int8_is_slower_it_is_said(self):
        tried = [*rows(FLOAT32, (1.2, 0.6, 0.4), (90.0, 80.0, 60.0), "ms"), *rows(INT8, (1.9, 1.0), (90.0, 80.0), "ms")]
        wanted = target("2x faster")
        first, *others = choices(tried, wanted, ACCURACY, 1.0)
        assert first.precision == FLOAT32
        said = not_chosen(tried, first, others, wanted, ACCURACY)
        assert said == ["int8 is smaller but slower here: 1.9 ms against 1.2 ms"]

    @pytest.mark.parametrize("better", ["higher", "lower"])
    def test_a_figure_of_either_direction(self, better):
        metric = Metric("figure", "", better)
        sign = 1 if better == "higher" else -1
        tried = [
            Tried(s, FLOAT32, 100.0 - sign * worse, size, 1.0, 1.0) for s, worse, size in ((1.0, 0, 9), (0.5, 5, 4))
        ]
        assert choices(tried, target("2x smaller"), metric, 1.0)[0].lost == pytest.approx(5.0, abs=0.6)


def test_what_can_be_had_is_the_least_that_loses_little_enough_and_its_words_ask_for_it():
    tried = [*PRUNED, *SMALLER]
    whole = whole_of(tried)
    found = best_within(tried, "bytes", ACCURACY, whole, 1.0)
    assert found is not None and (found.precision, found.bytes) == (INT8, 300)
    assert best_within(tried, "bytes", ACCURACY, whole, 100.0) == SMALLER[1]
    for unit in ("bytes", "ms", "MACs"):
        for cost in (0.0123, 7.0, 612.34, *([] if unit == "ms" else [1234567.0])):
            wanted = target(_as_target(cost, unit))
            assert wanted.unit == unit and cost <= wanted.limit(1.0) <= 1.25 * cost
