"""Students of few labels: who learns from what, and what the table says."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.models.mlp import mlp
from tutelage.optimizers.usual import adam
from tutelage.run import Run
from tutelage.schemes.plan import Plan
from tutelage.study.experiments.few_labels import few_in_words, few_labels_table, with_few
from tutelage.study.experiments.sparse_settings import SPARSE
from tutelage.study.experiments.sparse_students import ways_of
from tutelage.study.sets import Sets


def drawn(count, seed):
    g = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, 1, 4, 4), dtype=torch.uint8, generator=g)
    return labelled("synthetic/drawn", pictures, torch.arange(count) % 3, tuple("abc"))


DATA = Sets(drawn(60, 0), None, drawn(40, 2))
NET = partial(mlp, (16, 12, 3))


def ways(few, times, deviation=0.1):
    plan = Plan(Lesson(few.train, None, batch_size=20, seed=3), partial(adam, lr=0.01), round(times))
    settings = replace(SPARSE, warm_up=1, deviation=deviation, threshold=1.0)
    return ways_of(NET, plan, mlp((16, 20, 3)), ("teacher", "student"), settings)


@pytest.fixture
def run(tmp_path):
    with Run("lab:test", root=tmp_path, device="cpu", exact=True) as run:
        yield run


def test_each_set_has_its_share_of_each_class_and_as_many_steps(run):
    found = with_few(run, DATA, (100.0, 20.0), ("plain", "svd"), ways)
    assert [(few.share, few.samples, few.epochs) for few in found] == [(20, 12, 5), (100, 60, 1)]
    assert all(list(few.students) == ["plain", "svd"] for few in found)
    assert {few.students["svd"].trained.name for few in found} == {"svd, 20 %", "svd, 100 %"}


def test_the_table_has_a_line_for_everybody(run):
    found = with_few(run, DATA, (20.0, 100.0), ("plain", "svd"), ways)
    table = few_labels_table(found, DATA)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [(row["student"], row["labels, %"]) for row in rows] == [
        ("plain", 20), ("svd", 20), ("plain", 100), ("svd", 100)
    ]  # fmt: skip
    assert all(row["error, %"] == 100 * row["test errors"] / 40 for row in rows)
    assert rows[0]["× fewer weights"] == 1 < rows[1]["× fewer weights"]
    assert few_in_words(found[0], table) == (
        f"With the labels of 12 samples, test errors are: {rows[0]['test errors']} by labels only; "
        f"{rows[1]['test errors']} by sparse variational dropout."
    )


def test_one_of_which_nothing_is_left_has_a_remark(run):
    found = with_few(run, DATA, (100.0,), ("svd",), partial(ways, deviation=1.0))
    (row,) = few_labels_table(found, DATA).rows
    assert row[4:] == (*[None] * 4, "nothing is left of hidden1, output (β = 0)")
    assert few_in_words(found[0], few_labels_table(found, DATA)).endswith("none measured.")
