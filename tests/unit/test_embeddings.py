"""Vectors that a teacher gives: how near a student's are, who may answer all alike, and texts asked by their length."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tutelage.data.labelled import labelled
from tutelage.data.lesson import Lesson
from tutelage.data.synthetic_sentences import known_pieces, spoken
from tutelage.measures.predict import predict
from tutelage.methods.by_name import method
from tutelage.methods.pair import Pair
from tutelage.methods.transfer import as_labels_allow
from tutelage.models.small_texts import static_texts
from tutelage.own_data.tokenisation import Tokenisation
from tutelage.study.own.teacher_inputs import told_by
from tutelage.study.sets import Sets
from tutelage.tasks.embeddings import EMBEDDINGS, cosine_and_order, cosine_of_the_mean
from tutelage.tasks.texts import of_texts, predict_by_length

HOW = Tokenisation(known_pieces(), 16)


def texts(count=40, seed=0):
    tokens = HOW.tokens([(x,) for x in spoken(count, seed)])
    return labelled("texts", tokens, torch.zeros(count, 0))


def vectors(count=30, width=6):
    return labelled("vectors", torch.zeros(count, 1), torch.randn(count, width))


def test_the_teachers_own_vectors_of_any_length_score_all():
    data = vectors()
    scores = cosine_and_order(3 * data.targets, data)
    assert {name: round(x.value, 4) for name, x in scores.items()} == {"cosine": 100.0, "order of pairs": 100.0}


def test_vectors_the_other_way_round_are_in_order_and_score_nothing():
    data = vectors()
    scores = cosine_and_order(-data.targets, data)
    assert scores["cosine"].value == pytest.approx(-100) and scores["order of pairs"].value == pytest.approx(100)


def test_no_constant_vector_does_better_than_the_constant():
    data = replace(vectors(), targets=torch.randn(30, 6) + 0.5)
    best = cosine_of_the_mean(data)
    for vector in (*torch.randn(50, 6), data.targets.mean(0), torch.nn.functional.normalize(data.targets).mean(0)):
        assert cosine_and_order(vector.expand(30, 6), data)["cosine"].value <= best + 1e-4
    assert best > 10


def test_samples_are_answered_in_their_order_whatever_is_asked_together():
    network, data = static_texts(3, len(HOW.pieces), 8).double().eval(), texts(150)
    torch.testing.assert_close(predict_by_length(network, data, padding=0), predict(network, data))
    task = of_texts(EMBEDDINGS, HOW.padding)
    assert task.name == "embeddings" and torch.equal(
        task.predict(network, data), predict_by_length(network, data, padding=0)
    )


RELATIONS = ["rkd", "cosines", "cc", "pkt", "direction", "kd + 0.5*cosines", "cosines + rkd"]


@pytest.mark.parametrize("name", RELATIONS)
def test_methods_of_embeddings_are_about_the_vectors_themselves(name):
    """A teacher that only answers, as a file does, shows no layer; what it answers is what such methods are about."""
    vector, student = static_texts(6, len(HOW.pieces), 8).double().eval(), static_texts(6, len(HOW.pieces), 4).double()
    data = replace(texts(), targets=vector(texts().inputs).detach())
    given = Pair(Answering(vector), student, Lesson(data, batch_size=8), 1, task=EMBEDDINGS)
    unlabelled = as_labels_allow(method(name)(given), texts())
    assert unlabelled.reads(list(unlabelled.terms)) == {("student", "output"), ("teacher", "output")}
    assert {"label", "soft"} & unlabelled.terms.keys()  # where a vector is, no relation says
    objective = method(name)(given)
    tokens, wanted = data.inputs[:8], data.targets[:8]
    scene = {"student": {"output": student(tokens)}, "teacher": {"output": wanted}, "batch": {"target": wanted}}
    losses = objective(scene, list(objective.terms))
    perfect = objective({**scene, "student": {"output": wanted}}, list(objective.terms))
    assert all(loss > 0 for loss in losses.values())
    assert all(perfect[term].abs() < 1e-9 for term in perfect)


class Answering(nn.Module):
    """What answers and shows nothing else, as an ONNX file."""

    def __init__(self, network):
        super().__init__()
        self.answer = [network]  # no module of this one

    def forward(self, tokens):
        return self.answer[0](tokens)


def test_what_a_teacher_answers_is_what_is_chosen_and_measured_by():
    teacher = static_texts(5, len(HOW.pieces), 8).eval()
    parts = [texts(12, seed) for seed in range(3)]
    sets = Sets(*parts, task=of_texts(EMBEDDINGS, HOW.padding), tokenisation=HOW)
    told = told_by(teacher, sets, "teacher")
    assert not told.train.has_targets and told.validation.targets.shape == told.test.targets.shape == (12, 5)
    assert told.task.judge(teacher, told.test).scores["cosine"].value == pytest.approx(100)


def test_a_teacher_of_no_finite_vectors_is_refused():
    class Nothing(nn.Module):
        def forward(self, tokens):
            return torch.full((len(tokens), 2), torch.nan)

    sets = Sets(*(texts(6, seed) for seed in range(3)), task=of_texts(EMBEDDINGS, HOW.padding), tokenisation=HOW)
    with pytest.raises(ValueError, match=r"teacher answers texts with .* where finite vectors are wanted"):
        told_by(Nothing(), sets, "teacher")
