"""The likeliest tokens of a teacher, kept: what comes back, what a token takes, and that a student learns from it."""

from functools import partial

import pytest
import torch
from torch import nn

from tutelage import Learner, Objective, Term, frozen, train
from tutelage.losses.chunked import chunked
from tutelage.losses.masked import masked
from tutelage.losses.top_targets import against_top, top_answers, top_targets
from tutelage.teachers.cache_layout import CacheLayout
from tutelage.teachers.cached import cached
from tutelage.teachers.forms import SMALLEST, sparse
from tutelage.teachers.stores import in_folder, in_memory

OUTPUT = frozenset({"output"})


def batch(rows=6, tokens=5):
    g = torch.Generator().manual_seed(1)
    ids = torch.randint(40, (rows, tokens), generator=g)
    mask = torch.ones(rows, tokens).long().index_fill(1, torch.tensor([tokens - 1]), 0)
    return {"input": ids, "mask": mask, "index": torch.arange(rows), "view": torch.zeros(rows).long()}


def words(seed, width=6):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Embedding(40, width), nn.Linear(width, 40))


@pytest.mark.parametrize(
    ("classes", "count", "size"), [(300, 50, 202), (2**16, 50, 202), (2**16 + 1, 50, 302), (9, 1, 6)]
)
def test_a_token_takes_the_bytes_that_are_stated(classes, count, size):
    tokens, samples = 7, 100
    layout = CacheLayout(samples, 1, sparse(count))
    marks = samples  # a byte each
    assert 0 <= layout.num_bytes((tokens, classes)) - marks - size * tokens * samples < 3 * 64


@pytest.mark.parametrize("classes", [5, 2**15, 2**15 + 1, 2**16, 2**16 + 1])
def test_what_comes_back_is_what_was_likeliest_to_half_precision(classes):
    logits = torch.randn(3, classes).index_fill(1, torch.tensor([classes - 1, 0]), 12.0)
    form = sparse(2)
    back = form.decode(form.encode(logits), (classes,))
    exact = top_answers(logits, 2)
    assert torch.equal(back[:, 3:].sort().values, torch.tensor([[0.0, classes - 1]] * 3))
    torch.testing.assert_close(back[:, :3], exact[:, :3], rtol=2**-11, atol=1e-7)


def test_what_is_ruled_out_stays_so_and_what_is_next_to_that_does_not_become_it():
    inf = torch.inf
    form, logits = sparse(2), torch.tensor([[0.0, -inf, -inf, -inf], [0.0, -1e5, -2e5, -3e5]])
    kept = form.decode(form.encode(logits), (4,))[:, :3]
    assert kept.tolist() == [[0, -inf, -inf], [0, SMALLEST, SMALLEST]]


@pytest.mark.parametrize("place", ["memory", "folder"])
def test_a_student_learns_from_kept_answers_as_from_live_ones_to_half_precision(place, tmp_path):
    at = in_memory if place == "memory" else in_folder(tmp_path / "cache", {"weights": "mine"})
    teacher = frozen(words(2, 9))
    kept = cached(teacher, samples=6, views=1, form=sparse(8), place=at)
    seen = {"batch": batch()}
    first, again = kept(seen, OUTPUT)["output"], cached(None, samples=6, views=1, form=sparse(8), place=at)
    assert first.shape == (6, 5, 17) and torch.equal(kept(seen, OUTPUT)["output"], first)
    if place == "folder":
        assert torch.equal(again(seen, OUTPUT)["output"], first)

    def learnt(loss, taught):
        student = words(1)
        objective = Objective(soft=Term(masked(loss), "student.output", "teacher.output", "batch.mask"))
        one = Learner(student, objective, partial(torch.optim.SGD, lr=1.0), teachers={"teacher": taught})
        list(train({"student": one}, [batch()], 5))
        return student[1].weight.detach()

    ours, live = learnt(against_top, kept), learnt(partial(top_targets, count=8), teacher)
    assert (ours - live).abs().max() < 2e-3 * (live - words(1)[1].weight).abs().max()


def test_kept_answers_and_slabs_of_logits_go_together():
    student, taught = words(1), top_answers(words(2)(batch()["input"]), 8).detach()
    hidden, whole = student[0](batch()["input"]), student(batch()["input"])
    value = chunked(against_top, student[1], at_once=4)(hidden, taught)
    torch.testing.assert_close(value, against_top(whole, taught))


@pytest.mark.parametrize("row", [(8,), (3, 8), (), (2**24 + 1,)])
def test_what_cannot_be_kept_is_refused_in_a_sentence(row):
    with pytest.raises(ValueError, match=r"8 likeliest classes needs logits \(…, C\) with more than 8 classes"):
        sparse(8).layout(row)


def test_fewer_than_one_class_is_refused():
    with pytest.raises(ValueError, match="At least the 1 likeliest class is kept; got 0"):
        sparse(0)
