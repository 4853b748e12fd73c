"""What an experiment on sentences trains on, chooses by and is judged by; the recipe's refusals."""

from dataclasses import replace

import pytest
import torch

from tutelage.data.synthetic_sentences import known_pieces, pairs, spoken
from tutelage.data.wordpiece import SPECIAL, WordPieces, fewer
from tutelage.recipes.text.embeddings import embeddings, embeddings_smoke
from tutelage.recipes.text.glue import HALF, Given, glue, glue_smoke
from tutelage.recipes.text.published import other_file
from tutelage.recipes.text.settings import DRAWN, TEXTS, Deep
from tutelage.run import Run
from tutelage.study.experiments.sentences import TEACHERS, corpus


@pytest.fixture
def run(tmp_path):
    return Run("lab:texts", root=tmp_path, device="cpu")


def made(run, texts=None, most=0, validation=20, pieces=None):
    chosen_by, judged_by = pairs(40, seed=5), pairs(30, seed=9)
    texts = spoken(100) if texts is None else texts
    return corpus(
        run, texts, pieces or known_pieces(), chosen_by, judged_by, most=most, validation=validation, longest=16
    )


def test_no_sentence_of_a_pair_that_chooses_or_judges_is_trained_on(run):
    chosen_by, judged_by = pairs(40, seed=5), pairs(30, seed=9)
    found = made(run, [*spoken(50), *judged_by.firsts, *(chosen_by.seconds or ())])
    held = {chosen_by.seconds[x] for x in found.sets.validation.index.tolist()}
    assert not {*found.texts} & {*judged_by.firsts, *held} and {*spoken(50)} <= {*found.texts}
    assert len(found.texts) == len(found.sets.train) == 50 + 20 and len(held) == 20


def test_a_part_of_the_sentences_is_the_same_for_everybody(run):
    some, whole = made(run, most=30), made(run)
    assert len(some.texts) == len(some.sets.train) == 30
    assert some.texts == tuple(whole.texts[x] for x in some.sets.train.index.tolist())
    assert torch.equal(
        some.sets.train.inputs, whole.sets.train.inputs[some.sets.train.index][:, : some.sets.train.inputs.shape[1]]
    )


def test_a_student_of_another_vocabulary_sees_the_same_sentences_and_the_teacher_its_own_tokens(run):
    found = made(run)
    pieces = fewer(found.pieces, found.sets.train.inputs, 100)
    sets = found.cut_by(pieces)
    assert torch.equal(sets.train.others[TEACHERS], found.sets.train.inputs)
    assert torch.equal(sets.validation.index, found.sets.validation.index)
    assert torch.equal(sets.test.targets, found.sets.test.targets) and int(sets.test.inputs.max()) < 100
    spelt = ["".join(pieces.pieces[x].removeprefix("##") for x in row.tolist() if x > 4) for row in sets.train.inputs]
    assert all(text.replace(" ", "").startswith(x) for x, text in zip(spelt, found.texts, strict=True))
    assert not (sets.train.inputs == pieces.numbers["[UNK]"]).any()


def test_texts_of_which_nothing_is_left_or_known_are_refused(run):
    with pytest.raises(ValueError, match="No sentence is left to train on"):
        made(run, pairs(30, seed=9).firsts)
    with pytest.raises(ValueError, match="of pieces that the vocabulary does not know"):
        made(run, ["всё это не то"])


def test_without_validation_pairs_none_choose(run):
    assert made(run, validation=0).sets.validation is None


@pytest.mark.parametrize(
    ("recipe", "settings", "said"),
    [
        (
            embeddings,
            {"texts": TEXTS},
            "A teacher is needed: give the ONNX file of an encoder with --teacher-file",
        ),
        (embeddings, {"texts": DRAWN, "teacher_file": "x.onnx"}, "x.onnx has no place"),
        (embeddings_smoke, {"deep": Deep(layers=5)}, "--deep.layers must be at most 4, which is what the teacher has"),
        (glue, {"task": Given(name="RTE")}, "A teacher is needed"),
        (
            glue_smoke,
            {"student": replace(HALF, layers=9)},
            "--student.layers must be at most 2",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_trained(tmp_path, recipe, settings, said):
    with Run("text:x", root=tmp_path, device="cpu") as run, pytest.raises(ValueError, match=said):
        recipe(run, **settings)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with Run("text:x", root=tmp_path, device="cpu") as run, pytest.raises(FileNotFoundError, match="There is no file"):
        embeddings(run, teacher_file=tmp_path / "none.onnx")


def test_a_vocabulary_that_lacks_a_letter_makes_words_unknown():
    pieces = WordPieces((*SPECIAL, "a", "##b"))
    assert pieces.of_text("ab ac") == [5, 6, 1]


def test_claims_are_about_one_file_alone(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"x")
    assert other_file(tmp_path / "x.onnx") == other_file(None) == "the teacher is another file"


def test_a_rival_that_is_not_there_is_named_before_anything_is_read(tmp_path):
    with Run("text:x", root=tmp_path, device="cpu") as run, pytest.raises(FileNotFoundError, match="There is no file"):
        embeddings_smoke(run, rival_file=tmp_path / "none.onnx")
