"""Students that become sparse in several ways: what each is, and what the tables say of it."""

import json
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from tutelage.compress.footprint import footprint
from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.delivery import load
from tutelage.methods.response import softened
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import adam
from tutelage.results import Network, Score
from tutelage.run import Run
from tutelage.schemes.by_method import Teaching
from tutelage.schemes.plan import Plan
from tutelage.schemes.supervised import supervised
from tutelage.study.experiments.certainty_tables import asked, certainty_table, reliability_table, strangers_tables
from tutelage.study.experiments.sparse_comparison import headline, leader_of, rival_of, strangers, train_students, words
from tutelage.study.experiments.sparse_students import Ways, counted, pruned_by_magnitude, student
from tutelage.study.experiments.sparse_tables import layers_table, removal_table, sizes_table
from tutelage.study.sets import Sets
from tutelage.tasks.classification import ERRORS


def drawn(count, seed):
    g = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, 1, 4, 4), dtype=torch.uint8, generator=g)
    return labelled("synthetic/drawn", pictures, torch.randint(3, (count,), generator=g), tuple("abc"))


NET = partial(mlp, (16, 12, 3))
PLAN = Plan(Lesson(drawn(60, 0), drawn(20, 1), batch_size=20, seed=3), partial(adam, lr=0.01), 2)
DATA = Sets(drawn(60, 0), drawn(20, 1), drawn(40, 2))


def measured(errors):
    return {name: Network(name, "student", "", 10, {"errors": Score(x)}) for name, x in errors.items()}


@pytest.fixture
def run(tmp_path):
    with Run("lab:test", root=tmp_path, device="cpu", exact=True) as run:
        yield run


@pytest.fixture
def ways(run):
    teacher = run.stage("teacher", partial(mlp, (16, 20, 3)), partial(supervised, plan=PLAN)).last
    method = partial(softened, temperature=2.0, label=1.0, soft=2.0)
    return Ways(NET, PLAN, Teaching(method, teacher, ("teacher", "student")), 1.0, -4.0, 1.0, 0.01)


def test_each_way_is_what_it_is_called(run, ways):
    found = {way: student(run, way, ways) for way in ("plain", "kd", "svd", "kd+vbd", "kd+svd+blocks")}
    terms = {way: set(one.trained.records[-1]["losses"]["student"]) for way, one in found.items()}
    assert terms == {
        "plain": {"label"},
        "kd": {"label", "soft"},
        "svd": {"label", "kl"},
        "kd+vbd": {"label", "soft", "kl"},
        "kd+svd+blocks": {"label", "soft", "kl", "blocks"},
    }
    assert [one.is_random for one in found.values()] == [False, False, True, True, True]
    assert all(type(one.plain.last.hidden1) is nn.Linear for one in found.values())
    assert footprint(found["svd"].plain.last).nonzero < footprint(found["plain"].plain.last).nonzero


def test_the_rival_keeps_as_many_weights(run, ways):
    start = student(run, "kd", ways).trained
    pruned = pruned_by_magnitude(run, "rival", start, 0.75, ways)
    own = footprint(pruned.plain.last)
    assert own.nonzero == own.weights - round(0.75 * own.weights)
    assert all(bool(layer.bias.all()) for layer in pruned.plain.last if isinstance(layer, nn.Linear))


def test_one_of_which_nothing_is_left_is_told_and_not_measured(run, ways):
    gone = student(run, "kd+svd", replace(ways, log_variance=9.0))
    assert gone.plain is None and gone.empty == ("hidden1", "output")
    students = {"kd": student(run, "kd", ways), "kd+svd": gone}
    found = counted(students)
    table = sizes_table(students, found, measured({"kd": 5}), ERRORS, ways.teaching.teacher)
    assert table.rows[1] == ("kd+svd", *[None] * 8, "nothing is left of hidden1, output (β = 1)")
    assert leader_of(students) == "kd" and rival_of(students) is None
    assert list(asked(students, DATA, [], 2)) == ["kd", "kd+svd, 2 draws"]
    assert removal_table(students, DATA.example).rows == ()
    assert "keeps 228, 1 times fewer" in headline("small", found, measured({"kd": 5}), "kd", ERRORS)


def test_tables_have_a_line_for_everybody(run, ways):
    students = {way: student(run, way, ways) for way in ("plain", "kd", "svd")}
    found = counted(students)
    sizes = sizes_table(students, found, measured(dict.fromkeys(found, 7)), ERRORS, ways.teaching.teacher)
    by_name = {row[0]: dict(zip(sizes.columns, row, strict=True)) for row in sizes.rows}
    assert by_name["plain"]["× fewer weights"] == by_name["plain"]["× fewer bits"] == 1
    assert by_name["kd"]["× narrower"] == pytest.approx(380 / 228, abs=0.01)
    svd = by_name["svd"]
    product = svd["× narrower"] * svd["× fewer bits"]
    assert svd["× less memory than the teacher"] == pytest.approx(product, abs=0.02)
    assert [row[:3] for row in layers_table(found).rows] == [("svd", "hidden1", 1), ("svd", "output", 2)]
    answers = asked(students, DATA, strangers(DATA.test), passes=3)
    sure = certainty_table(answers, DATA.test.targets)
    assert [row[0] for row in sure.rows] == ["plain", "kd", "svd", "svd, 3 draws"]
    assert all(len(row) == len(sure.columns) == 8 for row in sure.rows)


def test_curves_rise_and_go_through_all_answers(run, ways):
    answers = asked({"svd": student(run, "svd", ways)}, DATA, strangers(DATA.test), passes=3)
    right = reliability_table(answers, DATA.test.targets)
    assert sum(row[2] for row in right.rows if row[0] == "svd") == pytest.approx(100, abs=0.1)
    wrong = 100 * (answers["svd"].own.argmax(-1) != DATA.test.targets).double().mean().item()
    known = [(share, accuracy) for name, _, share, accuracy in right.rows if name == "svd" and accuracy is not None]
    assert sum(share * (100 - accuracy) for share, accuracy in known) / 100 <= wrong + 0.1
    tables = strangers_tables(answers)
    assert [table.title for table in tables] == [f"Strangers noticed: {x.name}" for x in strangers(DATA.test)]
    for table in tables:
        for who in answers:
            shares = [row[2] for row in table.rows if row[0] == who]
            assert len(shares) > 1
            assert shares == sorted(shares)
            assert shares[0] >= 0
            assert shares[-1] <= 100


def test_what_is_removed_answers_the_same_and_is_loaded_without_what_was_random(run, ways):
    one = student(run, "svd", ways)
    x = torch.rand(5, 16)
    assert torch.allclose(one.plain.last(x), one.small.last(x), atol=1e-5)
    whole, small = removal_table({"svd": one}, DATA.example).rows
    assert small[0] == "svd, removed" and all(a <= b for a, b in zip(small[1:4], whole[1:4], strict=True))
    run.deliver(one.small.last)
    told = (run.place / "student.json").read_text()
    assert "variational" not in told and "compact" not in told
    assert torch.equal(load(run.place)(x), one.small.last(x))


def test_strangers_are_the_same_grey_levels_in_other_places():
    shuffled, negatives = strangers(DATA.test)
    assert torch.equal(shuffled.inputs.flatten(1).sort(1).values, DATA.test.inputs.flatten(1).sort(1).values)
    assert not torch.equal(shuffled.inputs, DATA.test.inputs)
    assert torch.equal(255 - negatives.inputs, DATA.test.inputs)


def test_students_are_told_in_words():
    assert words("kd+svd+blocks") == "soft targets, sparse variational dropout, block-sparse"
    assert words("kd, by magnitude") == "soft targets, then pruned by magnitude"
    assert headline("small", {}, {}, None, ERRORS) == "Nothing is left of any small student."


def test_those_with_whose_weights_others_begin_come_first(run, ways):
    students = train_students(run, ("svd", "kd+svd"), replace(ways, goes_on=True))
    assert list(students) == ["plain", "kd", "svd", "kd+svd", "kd, by magnitude"]
    uses = {stage["name"]: stage["uses"] for stage in json.loads((run.place / "stages.json").read_text())}
    assert uses["svd"] == ["plain"] and uses["kd+svd"] == ["teacher", "kd"] and uses["kd"] == ["teacher"]
