"""What is said of ways down through assistants, and of what stops early: all of it from made-up scores."""

from dataclasses import replace
from functools import partial
from typing import cast

import pytest

from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.models.plain_cnn import wide_cnn
from tutelage.optimizers.usual import sgd
from tutelage.recipes.assistants import claim_directions
from tutelage.recipes.cifar100 import assistants as recipe
from tutelage.recipes.cifar100.fitnets import DEEPER, claim_hints
from tutelage.recipes.efficacy import claim_size, claim_stops
from tutelage.results import Claim, Network, Score
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.study.experiments.assistants import refuse_disorder, refuse_no_growth, sizes_of
from tutelage.study.experiments.capacity import best_teachers_in_words
from tutelage.study.experiments.choice import beside_alone, picked, refuse_no_choice
from tutelage.study.experiments.efficacy import (
    COMPLETE,
    CUT_OFF,
    early_teachers,
    refuse_late,
    stopped_early,
    switched_off,
)
from tutelage.study.experiments.efficacy import (
    in_words as efficacy_in_words,
)
from tutelage.study.experiments.ways import Ways, in_words, tables_of
from tutelage.tasks.classification import ACCURACY, ERRORS

PLAN = Plan(Lesson(digits(10, seed=0)), partial(sgd, lr=0.1), 40)
NAMES = ("a", "b", "c", "d")
TEST = {"a": 80, "b": 71, "c": 66, "baseline": 50, "a → d": 54, "a → b → d": 56, "a → c → d": 57, "a → b → c → d": 59,
        "a → b": 75, "a → c": 70, "a → b → c": 72}  # fmt: skip
VALIDATION = {**TEST, "a → d": 61, "a → c → d": 60.5, "c": 67}


def networks(test, validation, metric="accuracy"):
    return {
        name: Network(name, "student", "", 100, {metric: Score(float(x), (x - 1.0, x + 1.0))}, parameters=10,
                      validation={metric: float(validation[name])})
        for name, x in test.items()
    }  # fmt: skip


WAYS = Ways(NAMES, networks(TEST, VALIDATION), ACCURACY)


EARLY = stopped_early("t", PLAN, (10, 20))
SCORES = {"baseline": 50, "kd from s": 58, "kd from t": 55, "kd for 9 epochs from t": 57, "kd for 30 epochs from t": 56,
          "kd for 9 epochs from s": 51, "kd for 30 epochs from s": 52, "teacher s": 70, "teacher t": 80,
          "kd from t, 10 epochs": 59, "kd from t, 20 epochs": 60, "kd from t, 10 of 40 epochs": 54,
          "kd from t, 20 of 40 epochs": 53, "teacher t, 10 epochs": 71, "teacher t, 20 epochs": 75,
          "teacher t, 10 of 40 epochs": 61, "teacher t, 20 of 40 epochs": 65}  # fmt: skip
ALL = networks(SCORES, SCORES | {"kd from t, 10 epochs": 99})


class Listening:
    """Keeps what a run is told to claim, by name."""

    def __init__(self):
        self.claims: dict[str, Claim] = {}
        self.preset = "paper"

    def claim(self, claim):
        self.claims[claim.name] = claim


def claims(say, *arguments):
    run = Listening()
    say(cast(Run, run), *arguments)
    return run.claims


class TestWays:
    def test_the_best_is_picked_on_validation_not_on_the_test_set(self):
        assert WAYS.best == "a → d" and WAYS.chosen == "a → c → d" and WAYS.full == "a → b → c → d"

    def test_the_rule_takes_the_assistant_that_alone_is_nearest_to_the_mean(self):
        assert WAYS.nearest == "c"  # 67 is 2 from (80 + 50) / 2, 71 is 6
        assert WAYS.distance("c") == 2 and WAYS.distance("b") == 6

    def test_the_rule_never_looks_at_the_test_set(self):
        lucky = Ways(NAMES, networks(TEST | {"b": 65, "a": 99}, VALIDATION), ACCURACY)
        assert lucky.nearest == "c" and lucky.distance("b") == 6

    def test_the_rule_leaves_out_what_has_no_number_on_validation(self):
        found = networks(TEST, VALIDATION)
        ways = Ways(NAMES, found | {"c": replace(found["c"], validation=None)}, ACCURACY)
        assert ways.nearest == "b" and tables_of(ways)[2].rows[2][2:5] == (None, 66, None)

    def test_tables_have_every_way_and_every_size(self):
        steps, ways, sizes = tables_of(WAYS)
        assert [row[:3] for row in steps.rows] == [
            ("NOKD", "d", 50), ("BLKD", "a → d", 54), ("TAKD", "a → c → d", 57),
            ("all assistants", "a → b → c → d", 59), ("nearest to the mean", "a → c → d", 57),
        ]  # fmt: skip
        assert [row[0] for row in ways.rows] == ["a → d", "a → b → d", "a → c → d", "a → b → c → d"]
        assert [row[4:6] for row in ways.rows] == [(4, 0), (6, 2), (7, 3), (9, 5)]
        remarks = ["best on validation", "", "best of those through assistants", ""]
        assert [row[6] for row in ways.rows] == remarks
        assert [row[2:7] for row in sizes.rows] == [
            (80, 80, 15, None, None),
            (71, 71, 6, 56, 2),
            (67, 66, 2, 57, 3),
            (50, 50, 15, None, None),
        ]

    def test_every_table_explains_the_names_of_the_paper(self):
        for table in tables_of(WAYS)[:2]:
            assert "NOKD, no distillation: labels alone; BLKD, baseline distillation: taught by" in table.note

    def test_two_points_are_no_curve(self):
        *_, sizes = tables_of(WAYS)
        assert sizes.curve is None
        names = ("a", "b", "c", "c2", "d")
        test = TEST | {"c2": 60, "a → c2 → d": 55, "a → b → c → c2 → d": 58}
        assert tables_of(Ways(names, networks(test, test), ACCURACY))[2].curve is not None

    def test_fewer_errors_are_better(self):
        errors = {name: 100 - x for name, x in TEST.items()}
        ways = Ways(NAMES, networks(errors, {name: 100 - x for name, x in VALIDATION.items()}, "errors"), ERRORS)
        assert (ways.best, ways.chosen, ways.nearest) == (WAYS.best, WAYS.chosen, WAYS.nearest)
        assert ways.gain(ways.full, ways.direct) == 5
        assert in_words(ways).startswith("d alone: 50 errors; taught by a: 46 errors; by way of c, the best")

    def test_the_headline_says_which_way_is_best_and_among_whom(self):
        assert in_words(WAYS) == (
            "d alone: 50.0 % accuracy; taught by a: 54.0 %; by way of c, the best on validation of the 3 ways through "
            "assistants, where the direct way is not worse: 57.0 %. By way of c, which alone is nearest to the "
            "mean of both on validation: 57.0 %."
        )
        best = Ways(NAMES, networks(TEST, VALIDATION | {"a → d": 3}), ACCURACY)
        assert best.best == best.chosen and "direct way" not in in_words(best)

    def test_of_a_single_assistant_the_rule_has_nothing_to_choose(self):
        few = ("a", "baseline", "c", "a → d", "a → c", "a → c → d")
        ways = Ways(("a", "c", "d"), networks({name: TEST[name] for name in few}, VALIDATION), ACCURACY)
        assert in_words(ways) == "d alone: 50.0 % accuracy; taught by a: 54.0 %; by way of c: 57.0 %."

    def test_without_assistants_there_are_two_rows(self):
        ways = Ways(("a", "d"), networks({x: TEST[x] for x in ("a", "baseline", "a → d")}, VALIDATION), ACCURACY)
        assert ways.chosen == ways.full == "a → d" and ways.nearest == ""
        assert in_words(ways) == "d alone: 50.0 % accuracy; taught by a: 54.0 %."
        steps, every, _ = tables_of(ways)
        assert len(every.rows) == 1 and [row[0] for row in steps.rows] == ["NOKD", "BLKD", "TAKD"]
        assert list(claims(claim_directions, ways, {}, "")) == ["BLKD beats NOKD"]

    def test_claims_have_the_published_gain_where_there_is_one(self):
        made = claims(claim_directions, WAYS, {"NOKD": 41.0, "BLKD": 44.5, "c": 44.9}, "")
        gains = {name: (claim.published, claim.measured) for name, claim in made.items()}
        assert gains == {
            "BLKD beats NOKD": (3.5, 4),
            "TAKD by the assistant nearest to the mean beats BLKD": (0.4, 3),
            "TAKD through all assistants beats BLKD": (0.0, 5),
        }
        assert all(claim.paired and claim.low == 0.01 for claim in made.values())
        assert "only the direction is published" in made["TAKD through all assistants beats BLKD"].note

    @pytest.mark.parametrize("figure", [44.5, 44.2])
    def test_where_the_paper_gains_nothing_no_direction_is_claimed(self, figure):
        made = claims(claim_directions, WAYS, {"NOKD": 41.0, "BLKD": 44.5, "c": figure}, "")
        assert list(made) == ["BLKD beats NOKD", "TAKD through all assistants beats BLKD"]
        assert "only the direction" not in made["BLKD beats NOKD"].note

    def test_figures_are_decided_by_the_paper_alone(self):
        names = recipe.WIDE
        score = dict.fromkeys((*names, "baseline"), 50)
        between = [(), *((x,) for x in names[1:-1]), names[1:-1]]
        score |= {" → ".join((names[0], *some, names[-1])): 50 for some in between}
        ways = Ways(names, networks(score, score), ACCURACY)
        published = recipe.PUBLISHED["cifar100", names]
        made = claims(recipe.claim_assistants, ways, published, "")
        figures = [name for name in made if name.endswith(": accuracy")]
        assert len(figures) == 5 and all(made[name].reason == "" for name in figures)
        unknown = claims(recipe.claim_assistants, ways, {}, "")
        assert {claim.reason for claim in unknown.values()} == {"published for other networks"}


@pytest.mark.parametrize("sizes", [{"a": 5, "b": 5}, {"a": 6, "b": 5}, {"a": 5, "b": 9, "c": 7}])
def test_teachers_that_do_not_get_larger_are_refused(sizes):
    with pytest.raises(ValueError, match=r"^--names goes .*; . has . units, and . before it .\.$"):
        refuse_no_growth(sizes.items(), "--names", "units")


@pytest.mark.parametrize("sizes", [{"a": 5, "b": 5}, {"a": 5, "b": 6}, {"a": 9, "b": 5, "c": 7}])
def test_networks_that_do_not_get_smaller_are_refused(sizes):
    with pytest.raises(ValueError, match=r"smaller than the one before it; . has . parameters, and . before it .\."):
        refuse_disorder(sizes.items(), "--names")


def test_the_networks_of_the_paper_get_smaller_from_one_to_the_next():
    sizes = sizes_of({str(depth): partial(wide_cnn, depth) for depth in (10, 8, 6, 4, 2)})
    assert sizes["2"] == 215_172
    refuse_disorder(sizes.items(), "--names")


class TestEarly:
    def test_each_length_is_tried_as_a_complete_schedule_and_cut_off(self):
        assert {name: (how, plan.epochs) for name, (how, plan) in EARLY.items()} == {
            "t, 10 epochs": (COMPLETE, 10), "t, 10 of 40 epochs": (CUT_OFF, 10),
            "t, 20 epochs": (COMPLETE, 20), "t, 20 of 40 epochs": (CUT_OFF, 20),
        }  # fmt: skip
        with pytest.raises(ValueError, match="after fewer epochs than its 40; got 40"):
            stopped_early("t", PLAN, (40,))

    def test_the_table_of_teachers_picks_by_the_student_on_validation(self):
        table = early_teachers(ALL, "t", PLAN, EARLY, ACCURACY)
        rows = {row[0]: row for row in table.rows}
        assert rows["t, 10 epochs"][1:] == (COMPLETE, 10, 71, 99, 59, 9, 4, "best on validation")
        assert rows["t, 20 of 40 epochs"][1:] == (CUT_OFF, 20, 65, 53, 53, 3, -2, "")
        assert rows["t"][1:4] == ("full", 40, 80) and rows["t"][7] == 0 and len(rows) == 5

    def test_the_table_of_switches_has_kd_throughout_beside_them(self):
        table = switched_off(ALL, ["s", "t"], (9, 30), 40, ACCURACY)
        assert [row[:2] for row in table.rows] == [("s", 9), ("s", 30), ("s", 40), ("t", 9), ("t", 30), ("t", 40)]
        assert [row[3:6] for row in table.rows[3:]] == [(57, 7, 2), (56, 6, 1), (55, 5, 0)]
        assert [row[6] for row in table.rows] == ["", "", "best on validation", "best on validation", "", ""]

    def test_a_student_that_diverged_is_left_out(self):
        few = {name: one for name, one in ALL.items() if name not in ("kd from t", "kd for 9 epochs from t")}
        assert len(switched_off(few, ["t"], (9, 30), 40, ACCURACY).rows) == 1
        assert [row[7] for row in early_teachers(few, "t", PLAN, EARLY, ACCURACY).rows] == [None] * 4
        assert picked(["kd from t"], few, ACCURACY) == "" and claims(claim_size, few, ["s", "t"], ACCURACY, "") == {}

    def test_each_stop_is_claimed_alone_and_none_because_it_is_best(self):
        complete = [name for name, (how, _) in EARLY.items() if how == COMPLETE]
        made = claims(claim_stops, ALL, "t", (9, 30), complete, ACCURACY, "")
        assert {name: claim.measured for name, claim in made.items()} == {
            "kd for 9 epochs beats kd throughout": 2,
            "kd for 30 epochs beats kd throughout": 1,
            "t, 10 epochs makes a better student than t after all of its epochs": 4,
            "t, 20 epochs makes a better student than t after all of its epochs": 5,
        }
        assert all(claim.paired and "kd " in claim.note for claim in made.values())
        (size,) = claims(claim_size, ALL, ["r", "s", "t"], ACCURACY, "why").values()
        assert size.measured == 3 and size.reason == "why" and size.name == "s makes a better student than t"

    def test_the_headline_names_who_is_delivered_and_what_stopping_early_did(self):
        words = efficacy_in_words(ALL, ["s", "t"], EARLY, "u", "kd for 9 epochs from t", ACCURACY)
        assert words == (
            "u alone: 50.0 % accuracy; by kd, the best of 2 teachers on validation is s (58.0 %, 8.0 points more than "
            "alone). Of t stopped early, the best of 4 on validation is t, 10 epochs (59.0 %, 9.0 points more than "
            "alone). Delivered is the best of all students on validation, kd for 9 epochs from t (57.0 %, 7.0 points "
            "more than alone)."
        )

    @pytest.mark.parametrize("stop", [0, 4, 5])
    def test_a_stop_that_is_not_within_the_training_names_its_flag(self, stop):
        with pytest.raises(ValueError, match=rf"stops must be from 1 to 3, less than --student\.epochs 4; got {stop}"):
            refuse_late((2, stop), "--stops", 4, "--student.epochs")

    def test_a_single_epoch_has_no_place_for_a_stop(self):
        with pytest.raises(ValueError, match=r"and --student\.epochs 1 has none; train for 2 or more"):
            refuse_late((1,), "--stops", 1, "--student.epochs")

    def test_one_epoch_is_one(self):
        assert list(stopped_early("t", PLAN, (1,))) == ["t, 1 epoch", "t, 1 of 40 epochs"]

    def test_nothing_can_be_picked_without_validation_images(self):
        refuse_no_choice(1, "--images.validation")
        with pytest.raises(ValueError, match=r"picked on validation images; keep some with --images\.validation"):
            refuse_no_choice(0, "--images.validation")


class TestTeachersInWords:
    def test_the_best_is_picked_on_validation_not_on_the_test_set(self):
        found = networks(SCORES, SCORES | {"kd from t": 90})
        words = best_teachers_in_words(found, ["s", "t"], ["kd"], "u", ACCURACY)
        assert "best of 2 teachers on validation is t (55.0 %, 5.0 points more than alone)." in words

    def test_what_is_worse_than_alone_is_said_to_be(self):
        errors = networks({"baseline": 234, "kd from s": 393, "kd from t": 405}, SCORES, "errors")
        assert beside_alone("kd from s", errors, ERRORS) == "393 errors, 159 more than alone"
        words = best_teachers_in_words(errors, ["t"], ["kd"], "u", ERRORS)
        assert words == "u alone: 234 errors; kd from t: 405 errors, 171 more than alone."

    def test_without_validation_nothing_is_picked(self):
        blind = {name: replace(one, validation=None) for name, one in ALL.items()}
        words = best_teachers_in_words(blind, ["s", "t"], ["kd"], "u", ACCURACY)
        assert "best" not in words and "kd from s: 58.0 %" in words and "kd from t: 55.0 %" in words


def test_fitnets_are_held_against_the_paper_only_where_it_has_a_figure():
    scores = dict.fromkeys(("teacher", "fitnet", "soft", "baseline"), 60)
    found = networks(scores, scores)
    made = claims(claim_hints, found, ("cifar100", "fitnet4"), DEEPER)
    assert made["hints help over soft targets alone"].reason == DEEPER
    assert made["fitnet4: accuracy on cifar100"].published == 64.96
    assert len(claims(claim_hints, found, ("cifar100", "resnet20"), "")) == 2
