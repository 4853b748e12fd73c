"""What is said of several searches, and of students that were ranked before they were trained."""

from functools import partial
from types import SimpleNamespace

import pytest

from tutelage.data.lesson import Lesson
from tutelage.data.synthetic import digits
from tutelage.models.mlp import mlp
from tutelage.recipes.search import claim_blocks, claim_kl0, claim_losses, claim_strength
from tutelage.results import Metric, Network, Score
from tutelage.run import Run
from tutelage.study.experiments.one_cost import distilled, in_words
from tutelage.study.experiments.searches import Searched, errors_by, pearson
from tutelage.study.experiments.untrained import rank_correlation, ranked_untrained

ERRORS = Metric("errors")


def network(name, errors):
    return Network(name, "student", "", 1000, {} if errors is None else {"errors": Score(errors)})


def students(errors, epochs=(3, 2), reached=True):
    """Of each search the errors of its student distilled; ten more on labels."""
    found = {
        name: SimpleNamespace(epochs=n, cost=90.0, unit="MACs", limit=100.0, reached=reached)
        for name, n in zip(errors, epochs, strict=False)
    }
    networks = {name: network(name, None if x is None else x + 10) for name, x in errors.items()}
    networks |= {distilled(name): network(name, x) for name, x in errors.items()}
    return Searched(found, networks, ERRORS)


class Claims:
    def __init__(self):
        self.made = {}

    def claim(self, claim):
        self.made[claim.name] = claim


def test_a_table_has_a_row_a_search_and_says_which_never_reached_the_budget():
    table = errors_by(students({"a": 5, "b": 7}), "λ₂", {"a": 0.1, "b": 0.3}.__getitem__, is_number=True, log_x=True)
    assert table.rows == ((0.1, 3, 90.0, 15, 5), (0.3, 2, 90.0, 17, 7))
    assert (table.curve.x, table.curve.y, table.curve.log_x) == ("λ₂", "errors, distilled", True)
    late = errors_by(students({"a": 5, "b": None}, reached=False), "search", str)
    assert late.note.endswith("Of a, b no epoch ended within it: the smallest gates were closed after the last.")
    assert late.curve is None and late.rows[1][3:] == (None, None)
    assert students({"b": None}).told("b") == "no figure"


def test_who_diverged_is_said_to_have():
    one = SimpleNamespace(cost=90.0, unit="MACs", whole=400.0, epochs=2, reached=True)
    errors = {"teacher": 3, "baseline": 8, "uniform, distilled": 7, "found": 6, "found, distilled": None}
    said = in_words({name: network(name, x) for name, x in errors.items()}, one, ERRORS)
    assert said == (
        "Test errors of a student with 90 of 400 MACs, found in 2 epochs: diverged when distilled, 6 on labels. "
        "Uniform width: 7 distilled, 8 on labels. The teacher: 3."
    )


def test_losses_are_claimed_by_who_is_no_worse():
    run = Claims()
    errors = {"KD, α": 50, "KD, all alike": 52, "NP, α": 49, "NP, all alike": 49}
    claim_losses(run, students(errors, (1, 1, 1, 1)), "", "")
    held = {name: (claim.measured, claim.measured >= claim.low) for name, claim in run.made.items()}
    assert list(held.values()) == [(-1, False), (2, True), (0, True), (10, True), (10, True)]
    assert next(iter(held)) == "a search by the divergence is no worse than pruning, both with α"


@pytest.mark.parametrize(("drops", "holds"), [([0.9, 0.5, 0.1], True), ([0.2, 0.1, 0.5], False)])
def test_later_blocks_are_claimed_to_lose_less(drops, holds):
    run = Claims()
    claim_blocks(run, drops, "")
    (claim,) = run.made.values()
    assert (claim.measured <= claim.high) == holds
    one_block, nothing_gone = Claims(), Claims()
    claim_blocks(one_block, [0.5], "")
    claim_blocks(nothing_gone, [0.0, 0.0, 0.0], "")
    assert one_block.made == nothing_gone.made == {}


def test_a_divergence_that_is_held_is_claimed_to_go_with_the_errors():
    run = Claims()
    claim_kl0(run, students({"0": 50, "1": 60, "2": 70}), {"0": 0.0, "1": 0.1, "2": 0.2}, "", "")
    (claim,) = run.made.values()
    assert (claim.measured, claim.published) == (1.0, 0.88)
    few = Claims()
    claim_kl0(few, students({"0": 50, "1": None, "2": 70}), {"0": 0.0, "1": 0.1, "2": 0.2}, "", "")
    assert few.made == {}


def test_a_stronger_penalty_is_claimed_to_be_faster_and_worse():
    run = Claims()
    claim_strength(run, students({"a": 50, "b": 40, "c": 60}, (9, 4, 4)), {"a": 0.1, "b": 0.3, "c": 1.0}, "", "")
    faster, worse = run.made.values()
    assert faster.measured == pytest.approx(-0.87) and worse.measured == 0.5


@pytest.mark.parametrize(("xs", "ys", "found"), [
    ([1, 2, 3, 4], [10, 20, 30, 400], 1.0), ([1, 2, 3], [3, 2, 1], -1.0), ([1, 1, 2], [5, 5, 9], 1.0),
    ([1, 2, 3, 4], [1, 3, 2, 4], 0.8),
])  # fmt: skip
def test_ranks_agree(xs, ys, found):
    assert rank_correlation(xs, ys) == pytest.approx(found)


def test_what_cannot_be_correlated_is_not():
    assert pearson([1, 2], [1, 2]) is None and pearson([1, 1, 1], [1, 2, 3]) is None


def test_students_are_ranked_before_they_are_trained(tmp_path):
    """A wider net lets more through; what it learnt is held against that."""
    builds = {f"{n} units": partial(mlp, (784, n, 10)) for n in (4, 16, 64)}
    learnt = {name: network(name, errors) for name, errors in zip(builds, (90, 50, 20), strict=True)}
    with Run("toy:ranked", root=tmp_path, device="cpu", exact=True) as run:
        table = ranked_untrained(run, builds, mlp((784, 80, 10)).eval(), Lesson(digits(80, seed=0)), learnt, ERRORS)
    flows = [row[1] for row in table.rows]
    assert flows == sorted(flows) and [row[3] for row in table.rows] == [90, 50, 20]
    assert all(row[2] > 0 for row in table.rows) and "as they turned out: 1.00 of the flow, " in table.note
