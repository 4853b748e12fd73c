"""Targets in people's words, and the tools that reach them at the least loss."""

import math
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from tutelage.checkpoint import write_json
from tutelage.checksums import summed
from tutelage.compress.budget import Budget
from tutelage.compress.importance import filters
from tutelage.compress.structure.channels import channels_of
from tutelage.compress.target import target
from tutelage.integrity import findings
from tutelage.results import Metric, Network, Score
from tutelage.study.planning.compressed_words import _as_target, sentence_of
from tutelage.study.planning.layers_tried import LayerTried, by_layer, layers_tried, worths
from tutelage.study.planning.tools import FLOAT32, INT8, Choice, Tried, best_within, choices, not_chosen, whole_of
from tutelage.study.planning.tools_tried import Tools, read_tools

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

    def test_int8_is_no_choice_where_something_is_counted_that_it_leaves_alone(self):
        tried = [*rows(FLOAT32, (100, 50), (90.0, 80.0)), *rows(INT8, (100, 50), (90.0, 85.0))]
        (only,) = choices(tried, target("half of the parameters"), ACCURACY, 1.0)
        assert (only.precision, only.share) == (FLOAT32, 0.5)

    def test_where_int8_is_slower_it_is_said(self):
        tried = [*rows(FLOAT32, (1.2, 0.6, 0.4), (90.0, 80.0, 60.0), "ms"), *rows(INT8, (1.9, 1.0), (90.0, 80.0), "ms")]
        wanted = target("2x faster")
        first, *others = choices(tried, wanted, ACCURACY, 1.0)
        assert first.precision == FLOAT32
        said = not_chosen(tried, first, others, wanted, ACCURACY)
        assert said == ["int8 is smaller but slower here: 1.9 ms against 1.2 ms"]

    def test_what_int8_would_lose_is_said_where_it_counts_and_is_called_more_only_where_it_is(self):
        chosen, even, worse = Choice(FLOAT32, 0.5, 0.0), Choice(INT8, 0.4, 0.0), Choice(INT8, 0.4, 2.0)
        tried = [*PRUNED, *SMALLER]
        assert not_chosen(tried, chosen, [even], target("2x smaller"), ACCURACY)[-1].endswith(
            "0 points before any recovery, which is as much, and have less left"
        )
        assert not_chosen(tried, chosen, [worse], target("2x smaller"), ACCURACY)[-1].endswith(
            "recovery, which is more"
        )
        assert len(not_chosen(tried, chosen, [even], target("90 %"), ACCURACY)) == 1

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


class TestLayers:
    NETWORK = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))

    def test_half_of_each_width_is_taken_out_alone(self):
        channels = channels_of(self.NETWORK, torch.zeros(1, 3))
        seen = []

        def lost(shut):
            seen.append({name: int(x.sum()) for name, x in shut.inputs.items() if bool(x.any())})
            return float(len(seen)), 0.5

        found = layers_tried(channels, filters(self.NETWORK, channels), lost, math.inf)
        assert seen == [{"2": 2}, {"4": 3}]
        assert found == (LayerTried("0", 1.0, 0.5), LayerTried("2", 2.0, 0.5))
        assert layers_tried(channels, filters(self.NETWORK, channels), lost, -math.inf) == ()

    def test_what_a_layer_is_worth_decides_between_layers_and_norms_within_one(self):
        channels = channels_of(self.NETWORK, torch.zeros(1, 3))
        plain = filters(self.NETWORK, channels)
        scores = by_layer(self.NETWORK, channels, worth={"0": 9.0, "2": 1.0})
        first, second = (torch.tensor(channels.layers[name].makes) for name in ("0", "2"))
        assert scores[first].min() > scores[second].max()
        for makes in (first, second):
            assert torch.equal(scores[makes].argsort(), plain[makes].argsort())

    def test_a_layer_that_costs_nothing_is_worth_a_little(self):
        found = worths([LayerTried("a", -1.0, 0.2), LayerTried("b", 4.0, 0.2)])
        assert 0 < found["a"] < 0.01 * found["b"] and sum(found.values()) == pytest.approx(2.0)


def test_what_was_found_is_read_back_and_damage_is_noticed(tmp_path):
    tools = Tools((*PRUNED, *SMALLER), "magnitude", Choice(INT8, 0.5, 1.0), (), (LayerTried("0", 1.0, 0.1),), "", 2.5)
    write_json(tmp_path / "plan.json", summed(asdict(tools)))
    assert read_tools(tmp_path / "plan.json") == tools
    for damage in ({"tried": []}, {**asdict(tools), "chosen": {}}):
        write_json(tmp_path / "plan.json", summed(damage))
        with pytest.raises(ValueError, match="remove it, and the tools are tried again"):
            read_tools(tmp_path / "plan.json")


def test_what_was_tried_is_verified_where_plans_lie(tmp_path):
    tools = Tools((*PRUNED, *SMALLER), "magnitude", Choice(INT8, 0.5, 1.0))
    place = tmp_path / "plans" / f"{16 * 'a'}-{8 * '1'}.json"
    place.parent.mkdir()
    for content, verdict in ((asdict(tools), "whole"), ({"tried": []}, "damaged")):
        write_json(place, summed(content))
        assert [(x.kind, x.verdict) for x in findings(tmp_path)] == [("plans", verdict)]


@pytest.mark.parametrize(("ms", "is_missed"), [(1.49, False), (1.5, False), (1.7, True)])
def test_a_target_in_milliseconds_that_the_clock_missed_is_a_warning(ms, is_missed):
    """Between the plan and the last clock a machine may have become slower: the file is there, and that is said."""
    whole, final = Tried(1.0, FLOAT32, 90.0, 1000, 3.0, 100), Tried(0.4, FLOAT32, 89.0, 400, ms, 40)
    tools = Tools((whole,), "magnitude", Choice(FLOAT32, 0.4, 1.0))
    told = SimpleNamespace(names=("net", "net"), data=SimpleNamespace(task=SimpleNamespace(told=ACCURACY)))
    bench: Any = SimpleNamespace(wanted=Budget(0.5, "ms", True), participants=told)
    networks = {name: Network(name, "other", "", 10_000, {"accuracy": Score(89.0)}) for name in ("teacher", "student")}
    said = sentence_of(bench, tools, networks, final)
    assert ("WARNING: the target, 1.5 ms, was missed by the clock." in said) == is_missed
    assert f"{ms:.3g} ms instead of 3 ms" in said
