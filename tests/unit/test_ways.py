"""What is said of ways down through assistants, and of what stops early: all of it from made-up scores."""

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
from tutelage.study.assistants import refuse_disorder, sizes_of
from tutelage.study.efficacy import (
    COMPLETE,
    CUT_OFF,
    early_teachers,
    picked,
    refuse_no_choice,
    stopped_early,
    switched_off,
)
from tutelage.study.ways import Ways, in_words, tables_of
from tutelage.tasks.classification import ACCURACY, ERRORS

PLAN = Plan(Lesson(digits(10, seed=0)), partial(sgd, lr=0.1), 40)
NAMES = ("a", "b", "c", "d")
TEST = {"a": 80, "b": 71, "c": 66, "baseline": 50, "a → d": 54, "a → b → d": 56, "a → c → d": 57, "a → b → c → d": 59,
        "a → b": 75, "a → c": 70, "a → b → c": 72}  # fmt: skip
VALIDATION = {**TEST, "a → d": 61, "a → c → d": 60.5}


def networks(test, validation, metric="accuracy"):
    return {
        name: Network(name, "student", "", 100, {metric: Score(float(x), (x - 1.0, x + 1.0))}, parameters=10,
                      validation={metric: float(validation[name])})
        for name, x in test.items()
    }  # fmt: skip


WAYS = Ways(NAMES, networks(TEST, VALIDATION), ACCURACY)


EARLY = stopped_early("t", PLAN, (10, 20))
SCORES = {"baseline": 50, "kd from s": 58, "kd from t": 55, "kd until 9 from t": 57, "kd until 30 from t": 56,
          "kd until 9 from s": 51, "kd until 30 from s": 52, "teacher s": 70, "teacher t": 80,
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
        assert WAYS.nearest == "c"  # 66 is 1 from (80 + 50) / 2, 71 is 6
        assert WAYS.distance("c") == 1 and WAYS.distance("b") == 6

    def test_tables_have_every_way_and_every_size(self):
        steps, ways, sizes = tables_of(WAYS)
        assert [row[:3] for row in steps.rows] == [
            ("NOKD", "d", 50), ("BLKD", "a → d", 54), ("TAKD", "a → c → d", 57),
            ("all assistants", "a → b → c → d", 59), ("nearest to the mean", "a → c → d", 57),
        ]  # fmt: skip
        assert [row[0] for row in ways.rows] == ["a → d", "a → b → d", "a → c → d", "a → b → c → d"]
        assert [row[4:6] for row in ways.rows] == [(4, 0), (6, 2), (7, 3), (9, 5)]
        assert [row[6] for row in ways.rows] == ["best on validation", "", "", ""]
        assert [row[2:6] for row in sizes.rows] == [
            (80, 15, None, None),
            (71, 6, 56, 2),
            (66, 1, 57, 3),
            (50, 15, None, None),
        ]

    def test_fewer_errors_are_better(self):
        errors = {name: 100 - x for name, x in TEST.items()}
        ways = Ways(NAMES, networks(errors, {name: 100 - x for name, x in VALIDATION.items()}, "errors"), ERRORS)
        assert (ways.best, ways.chosen, ways.nearest) == (WAYS.best, WAYS.chosen, WAYS.nearest)
        assert ways.gain(ways.full, ways.direct) == 5
        assert in_words(ways).startswith("d alone: 50 errors; taught by a: 46 errors; by way of c, the best")

    def test_without_assistants_there_are_two_rows(self):
        ways = Ways(("a", "d"), networks({x: TEST[x] for x in ("a", "baseline", "a → d")}, VALIDATION), ACCURACY)
        assert ways.chosen == ways.full == "a → d" and ways.nearest == ""
        assert in_words(ways) == "d alone: 50 %; taught by a: 54 %."
        steps, every, _ = tables_of(ways)
        assert len(every.rows) == 1 and [row[0] for row in steps.rows] == ["NOKD", "BLKD", "TAKD"]
        assert list(claims(claim_directions, ways, {}, "")) == ["BLKD beats NOKD"]

    def test_claims_have_the_published_gain_where_there_is_one(self):
        made = claims(claim_directions, WAYS, {"NOKD": 41.0, "BLKD": 44.5, "c": 44.9}, "")
        gains = {name: (claim.published, claim.measured) for name, claim in made.items()}
        assert gains == {
            "BLKD beats NOKD": (3.5, 4),
            "TAKD by the assistant nearest to the mean beats BLKD": (0.4, 3),
            "TAKD by the way that is best on validation beats BLKD": (0.0, 3),
            "TAKD through all assistants beats BLKD": (0.0, 5),
        }
        assert all(claim.paired and claim.low == 0.01 for claim in made.values())
        assert "only the direction is published" in made["TAKD through all assistants beats BLKD"].note

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


@pytest.mark.parametrize("sizes", [{"a": 5, "b": 5}, {"a": 5, "b": 6}, {"a": 9, "b": 5, "c": 7}])
def test_networks_that_do_not_get_smaller_are_refused(sizes):
    with pytest.raises(ValueError, match=r"smaller than the one before it; . has . parameters, and . before it .\."):
        refuse_disorder(sizes)


def test_the_networks_of_the_paper_get_smaller_from_one_to_the_next():
    sizes = sizes_of({str(depth): partial(wide_cnn, depth) for depth in (10, 8, 6, 4, 2)})
    assert sizes["2"] == 215_172
    refuse_disorder(sizes)


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
        few = {name: one for name, one in ALL.items() if name not in ("kd from t", "kd until 9 from t")}
        assert len(switched_off(few, ["t"], (9, 30), 40, ACCURACY).rows) == 1
        assert [row[7] for row in early_teachers(few, "t", PLAN, EARLY, ACCURACY).rows] == [None] * 4
        assert picked(["kd from t"], few, ACCURACY) == "" and claims(claim_size, few, ["s", "t"], ACCURACY, "") == {}

    def test_claims_compare_what_validation_picked_with_what_goes_on_to_the_end(self):
        complete = [name for name, (how, _) in EARLY.items() if how == COMPLETE]
        made = claims(claim_stops, ALL, "t", (9, 30), complete, ACCURACY, "")
        assert [claim.measured for claim in made.values()] == [2, 4]
        assert all(claim.paired and "kd " in claim.note for claim in made.values())
        (size,) = claims(claim_size, ALL, ["r", "s", "t"], ACCURACY, "why").values()
        assert size.measured == 3 and size.reason == "why" and size.name == "s makes a better student than t"

    def test_nothing_can_be_picked_without_validation_images(self):
        refuse_no_choice(1, "--images.validation")
        with pytest.raises(ValueError, match=r"picked on validation images; keep some with --images\.validation"):
            refuse_no_choice(0, "--images.validation")


def test_fitnets_are_held_against_the_paper_only_where_it_has_a_figure():
    scores = dict.fromkeys(("teacher", "fitnet", "soft", "baseline"), 60)
    found = networks(scores, scores)
    made = claims(claim_hints, found, ("cifar100", "fitnet4"), DEEPER)
    assert made["hints help over soft targets alone"].reason == DEEPER
    assert made["fitnet4: accuracy on cifar100"].published == 64.96
    assert len(claims(claim_hints, found, ("cifar100", "resnet20"), "")) == 2
