"""Students of texts: fewer layers of their teacher, small networks of its vocabulary, and who is refused."""

from dataclasses import replace

import pytest
import torch

from tutelage.data.labelled import labelled
from tutelage.data.synthetic_sentences import known_pieces, spoken
from tutelage.models.small_texts import TextAnswers
from tutelage.models.text_classifier import text_classifier
from tutelage.own_data.tokenisation import Tokenisation
from tutelage.study.own.participants import refuse_unknown_text_student
from tutelage.study.own.settings import DataSettings
from tutelage.study.own.text_students import fewer_layers, fresh_text_network
from tutelage.study.own.text_teachers import as_cut, as_long_as, refuse_smaller_vocabulary
from tutelage.study.sets import Sets

HOW = Tokenisation(known_pieces(), 16)
TOKENS = HOW.tokens([(x,) for x in spoken(12)])
SIZES = {"width": 16, "heads": 2, "inner": 24, "vocabulary": len(HOW.pieces), "positions": 16, "separator": 3}


def sets(texts=1):
    data = labelled("texts", TOKENS, torch.arange(12) % 3, ("a", "b", "c"))
    return Sets(data, data, data, tokenisation=replace(HOW, texts=texts))


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_a_student_of_fewer_layers_has_those_of_its_teacher_and_its_head(layers):
    teacher = text_classifier(3, layers=4, **SIZES, activation="relu").eval()
    student = fewer_layers(teacher, layers=layers).eval()
    assert student.encoder.depth == layers and student.activation == "relu"
    assert torch.equal(student.output.weight, teacher.output.weight)
    assert torch.equal(student.encoder.layer1.widen.weight, teacher.encoder.layer1.widen.weight)
    if layers == 4:
        torch.testing.assert_close(student(TOKENS), teacher(TOKENS))


@pytest.mark.parametrize("name", ["tiny", "static", "tiny(width=32, inner=64)", "static(width=8)"])
def test_fresh_ones_take_the_vocabulary_and_answer_for_each_class(name):
    student = fresh_text_network(name, sets())()
    assert isinstance(student, TextAnswers) and student(TOKENS).shape == (12, 3)
    assert student.body.get_parameter("encoder.embeddings.tokens.weight" if "tiny" in name else "vectors.weight").shape[
        0
    ] == len(HOW.pieces)


def test_of_pairs_tokens_have_types():
    student = fresh_text_network("tiny", sets(texts=2))()
    assert student.body.encoder.embeddings.types is not None
    assert fresh_text_network("tiny", sets())().body.encoder.embeddings.types is None


@pytest.mark.parametrize(
    ("student", "words"),
    [
        ("9 MACs", "A student of texts is half, quarter, tiny, static or a dotted path"),
        ("tinny", "no network 'tinny'"),
        ("tiny(depth=3)", "takes"),
        ("'tiny'", "is not"),
    ],
)
def test_who_is_no_student_is_refused_before_anything_is_measured(student, words):
    with pytest.raises(ValueError, match=words):
        refuse_unknown_text_student(student, sets()) or fresh_text_network(student, sets())


def test_a_vocabulary_of_more_pieces_than_the_network_knows_is_refused():
    with pytest.raises(ValueError, match="net knows 100 pieces, and the vocabulary has 145"):
        refuse_smaller_vocabulary(text_classifier(3, **{**SIZES, "vocabulary": 100}), sets(), "net")


def test_a_network_is_tried_on_the_longest_text_and_the_largest_number_of_all_parts():
    data = sets()
    rare = labelled(
        "rare", torch.tensor([[2, len(HOW.pieces) - 1, 3, *[0] * (TOKENS.shape[1] - 3)]]), torch.zeros(1, 1)
    )
    tried = replace(data, test=rare).example
    assert torch.equal(tried[1], rare.inputs[0]) and (tried[0] != 0).sum() == (TOKENS != 0).sum(1).max()


def test_texts_that_are_longer_than_the_network_takes_are_refused_with_what_helps():
    short = text_classifier(3, **{**SIZES, "positions": 8})
    with pytest.raises(ValueError, match="say --longest 8, and they are cut"):
        refuse_smaller_vocabulary(short, sets(), "net")


def test_what_is_said_of_the_longest_is_what_the_network_takes():
    short = text_classifier(3, **{**SIZES, "positions": 12})
    assert as_long_as(short, sets()).tokenisation.longest == 12
    assert as_long_as(text_classifier(3, **SIZES), sets()).tokenisation.longest == 16


def test_a_folder_says_how_long_texts_may_be(tmp_path):
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 32}')
    said = []
    assert as_cut(DataSettings(), f"hf:{tmp_path}", said.append).longest == 32 and "at most 32 tokens" in said[0]
    assert as_cut(DataSettings(longest=20), f"hf:{tmp_path}", said.append).longest == 20 and len(said) == 1
