"""Own texts: which columns they stand in, how they are cut, and what is refused in a sentence."""

import json
from pathlib import Path

import pytest
import torch

from text_files import labelled, write_lines, write_pairs, write_table, write_vocabulary
from tutelage.cli.check import said
from tutelage.data.pieces import token_ids
from tutelage.data.synthetic_sentences import known_pieces
from tutelage.data.tokenizer_file import read_vocabulary
from tutelage.own_data.check import look
from tutelage.own_data.read import read
from tutelage.own_data.tokenisation import Tokenisation, read_tokenisation
from tutelage.own_data.wanted import Wanted
from tutelage.study.own.sets import own_sets
from tutelage.study.own.settings import DataSettings

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(*rows, file="texts.csv"):
    Path(file).write_text("\n".join(rows) + "\n")
    return file


def sets(where, **settings):
    notes = []
    return own_sets("cpu", where, DataSettings(vocabulary=write_vocabulary(), **settings), notes.append), notes


class TestReading:
    def test_a_column_of_sentences_is_a_column_of_texts(self):
        write_table()
        source = read("texts.tsv")
        texts, labels = labelled()
        assert source.task == "classification" and source.classes == ("dull", "fine")
        assert source.parts["train"].texts == tuple((x,) for x in texts)
        assert [source.classes[n] for n in source.parts["train"].targets.tolist()] == labels

    @pytest.mark.parametrize(
        ("file", "rows"),
        [
            ("texts.csv", ["text|label", "a good one|fine", "a bad one|dull"]),
            ("texts.tsv", ["text,label", "a good one,fine", "a bad one,dull"]),
            ("texts.csv", ['"text, as it was";label', "a good one;fine", "a bad one;dull"]),
            ("texts.csv", ["text,label", f"{'a' * 140_000} one,fine", "a bad one,dull"]),
        ],
    )
    def test_what_separates_columns_is_seen_in_the_first_line(self, file, rows):
        source = read(table(*rows, file=file), Wanted("text"))
        assert source.classes == ("dull", "fine") and source.parts["train"].texts[1] == ("a bad one",)

    def test_parts_that_some_rows_name_and_others_do_not_are_no_parts(self):
        where = table("text,label,split", "a good one,fine,train", "a bad one,dull,test", "so so,dull,fold 2")
        with pytest.raises(
            ValueError, match=r"'fold 2' in row 3 of 'split', which is no part; write train, validation"
        ):
            read(where)

    def test_two_columns_of_texts_are_a_pair(self):
        write_pairs()
        source = read("pairs.tsv")
        assert source.task == "classification" and {len(row) for row in source.parts["train"].texts} == {2}

    def test_fractions_are_numbers_to_be_predicted(self):
        where = table("review,stars", "a good one,4.5", "a bad one,1.5", "so so it is,3.0")
        source = read(where, Wanted("text"))
        assert source.task == "regression" and source.parts["train"].targets.tolist() == [[4.5], [1.5], [3.0]]

    def test_texts_without_labels_are_for_vectors(self):
        write_lines()
        source = read("lines.txt")
        assert source.task == "embeddings" and len(source.parts["train"]) == 120
        assert source.parts["train"].targets.shape == (120, 0)

    def test_labels_are_left_out_where_vectors_are_wanted(self):
        write_table()
        assert read("texts.tsv", Wanted("embeddings")).parts["train"].targets.shape == (120, 0)

    def test_parquet_is_read_too(self):
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        texts, labels = labelled(20)
        parquet.write_table(arrow.table({"text": texts, "label": labels}), "texts.parquet")
        assert read("texts.parquet").parts["train"].texts == tuple((x,) for x in texts)

    def test_files_called_like_parts_are_these_parts(self):
        Path("data").mkdir()
        write_lines("data/train.txt", 30)
        write_lines("data/valid.txt", 10, seed=1)
        found = read("data")
        assert {part: len(x) for part, x in found.parts.items()} == {"train": 30, "validation": 10}
        assert found.parts["validation"].names[0] == "valid/row 1"

    def test_a_quote_in_a_tsv_file_may_be_a_quote(self):
        where = table("text\tlabel", '"Not bad" she said\tgood', 'a 5" disk it is\tbad', '"never closed it\tbad',
                      file="texts.tsv")  # fmt: skip
        assert read(where).parts["train"].texts[0] == ('"Not bad" she said',)

    def test_quotes_around_a_tab_still_hold_a_value_together(self):
        where = table("text\tlabel", '"one\ttwo"\tgood', "three or four\tbad", file="texts.tsv")
        assert read(where).parts["train"].texts[0] == ("one\ttwo",)

    def test_a_row_without_a_text_is_left_out_and_counted(self):
        where = table("text,label", "a good one,x", ",y", "a bad one,y")
        source = read(where)
        assert len(source.parts["train"]) == 2 and any("1 row was left out, without a text" in x for x in source.notes)
        with pytest.raises(ValueError, match="1 row without a text"):
            read(where, Wanted(strict=True))

    @pytest.mark.parametrize(
        ("rows", "wanted", "words"),
        [
            (["text,label", "a good one,x", "a bad one,x"], Wanted(), "only the class 'x'"),
            (["text,label", "a good one,x"], Wanted(text_columns=("body",)), "no column 'body'"),
            (["a,b", "1,2", "3,4"], Wanted("text"), "has no column of texts"),
            (["text,label", "a good one,x"], Wanted(label_columns=("class",)), "no column 'class'"),
            (["text", "a good one"], Wanted("text"), "no column of labels beside 'text'"),
            (["text,label"], Wanted(), "has no rows"),
            (["text,body,review,label", "a b,c d,e f,x"], Wanted(), "name one or two with --text-columns"),
            (["text,a,b", "a good one,x,y"], Wanted(), "which of them are labels is not clear"),
            (["a good one,x", "a bad one,y", "so so it is,x"], Wanted(), "no names of columns: its first line, with"),
            (["text,label", "a good one,1.5", "a bad one,high", "so so,2.5"], Wanted("regression"), "no number"),
        ],
    )
    def test_what_is_wrong_is_one_sentence(self, rows, wanted, words):
        with pytest.raises(ValueError, match=words):
            read(table(*rows), wanted)

    def test_a_column_may_be_called_like_one_of_its_labels(self):
        assert read(table("message,spam", "a good one,ham", "a bad one,spam")).classes == ("ham", "spam")

    def test_a_text_of_a_line_may_hold_what_python_takes_for_an_end_of_lines(self):
        odd = "bal\u2028kin\x0cken\x85gal"
        Path("odd.txt").write_bytes(f"{odd}\r\n\nkur\rgim\n".encode())
        assert read("odd.txt").parts["train"].texts == ((odd,), ("kur",), ("gim",))
        Path("odd.tsv").write_text(f'text\tlabel\n"{odd} she said\tx\nb\ty\nb"c\tx\n')
        assert read("odd.tsv").parts["train"].texts[0] == (f'"{odd} she said',)

    def test_an_empty_file_of_texts_is_refused(self):
        Path("empty.txt").write_text("\n \n")
        with pytest.raises(ValueError, match=r"empty.txt is empty: it needs a text on each line"):
            read("empty.txt")

    def test_pictures_are_no_texts(self):
        where = table("file,label", "a.png,x", "b.png,y")
        with pytest.raises(ValueError, match="no column of texts"):
            read(where, Wanted("embeddings", text_columns=()))

    def test_numbers_in_arrays_are_no_texts(self):
        import numpy as np

        np.savez("numbers.npz", inputs=np.ones((4, 2)), labels=np.array([0, 1, 0, 1]))
        with pytest.raises(ValueError, match=r"numbers.npz holds no texts"):
            read("numbers.npz", Wanted("text"))


class TestCutting:
    def test_tokens_are_those_of_the_vocabulary_in_parts_of_one_length(self):
        write_table()
        data, notes = sets("texts.tsv")
        texts = dict(zip((f"row {n + 1}" for n in range(120)), labelled()[0], strict=True))
        for part in (data.train, data.validation, data.test):
            assert part.inputs.dtype == torch.int64 and part.inputs.shape[1] == data.train.inputs.shape[1]
            ids = token_ids([texts[data.names[n]] for n in part.index.tolist()], known_pieces())
            assert torch.equal(part.inputs[:, : ids.shape[1]], ids) and not part.inputs[:, ids.shape[1] :].any()
        assert data.tokenisation == Tokenisation(known_pieces(), 128)
        assert not any("normalised" in note for note in notes)

    def test_longer_texts_are_cut_and_counted(self):
        write_table()
        data, notes = sets("texts.tsv", longest=8)
        assert data.train.inputs.shape[1] == 8 and (data.train.inputs[:, -1] != 0).any()
        assert any("texts were cut to 8 tokens, of 120 (--longest)" in note for note in notes)

    def test_a_text_of_no_word_is_left_out_so_that_no_row_is_padding_alone(self):
        where = table("text,label", *["bal kin,x", "gal ken,y"] * 8, "\u200b,x")
        data, notes = sets(where)
        assert (data.train.inputs != 0).any(1).all() and any("with the padding token: row 17" in note for note in notes)
        with pytest.raises(ValueError, match="has texts without a word, or with the padding token in row 17"):
            sets(where, strict=True)

    def test_another_language_than_the_vocabularys_is_refused(self):
        where = table("text,label", *["Это очень хорошо,x", "А это плохо,y"] * 8)
        with pytest.raises(ValueError, match="of pieces that the vocabulary does not know"):
            sets(where)

    def test_without_a_vocabulary_the_flag_is_named(self):
        write_table()
        with pytest.raises(ValueError, match=r"name its tokenizer.json or vocab.txt with --vocabulary"):
            own_sets("cpu", "texts.tsv")

    def test_the_same_text_in_two_parts_is_said(self):
        where = table("text,label,split", "bal kin,x,train", "gal ken,y,train", "Gal  ken,y,test", "kur ken,x,valid")
        _, notes = sets(where)
        assert any("1 text of the test part is in the train part as well" in note for note in notes)

    def test_further_texts_without_labels_are_taken_along(self):
        write_table()
        write_lines(count=30, seed=4)
        data, notes = sets("texts.tsv", unlabelled="lines.txt")
        assert len(data.unlabelled) == 30 and data.unlabelled.inputs.shape[1] == data.train.inputs.shape[1]
        assert any("30 texts without labels taken from lines.txt" in note for note in notes)


class TestVocabulary:
    @pytest.mark.parametrize("file", ["vocab.txt", "tokenizer.json"])
    def test_both_forms_are_the_same(self, file):
        write_vocabulary(file)
        assert read_vocabulary(Path(file)) == known_pieces() == read_vocabulary(Path())

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ({"model": {"type": "WordPiece"}}, "no tokenizer with a vocabulary"),
            ({"model": {"type": "WordPiece", "vocab": {"[PAD]": 0, "a": 2}}}, "number its pieces from 0"),
            ({"model": {"type": "WordPiece", "vocab": {"a": 0}}}, "lacks"),
            ([], "no tokenizer"),
        ],
    )
    def test_damaged_tokenizers_are_refused(self, said, words):
        Path("tokenizer.json").write_text(json.dumps(said))
        with pytest.raises(ValueError, match=words):
            read_vocabulary(Path("tokenizer.json"))

    @pytest.mark.parametrize("file", ["vocab.txt", "tokenizer.json"])
    @pytest.mark.parametrize(
        ("said", "lowercase", "accents"),
        [
            ({"do_lower_case": False}, False, True),
            ({"do_lower_case": True, "strip_accents": False}, True, True),
            ({"do_lower_case": False, "strip_accents": True}, False, False),
            ({"strip_accents": None}, True, False),
        ],
    )
    def test_what_lies_beside_says_how_words_are_written(self, file, said, lowercase, accents):
        write_vocabulary(file)
        Path("tokenizer_config.json").write_text(json.dumps(said))
        pieces = read_vocabulary(Path())
        assert (pieces.lowercase, pieces.accents, pieces.pieces) == (lowercase, accents, known_pieces().pieces)

    @pytest.mark.parametrize(
        ("file", "said", "words"),
        [
            ("tokenizer_config.json", {"cls_token": "<s>"}, r"calls \[CLS\] '<s>'"),
            ("tokenizer_config.json", {"tokenize_chinese_chars": False}, "says tokenize_chinese_chars 'False'"),
            ("tokenizer_config.json", {"do_basic_tokenize": False}, "says do_basic_tokenize 'False'"),
            ("tokenizer_config.json", {"word_tokenizer_type": "mecab"}, "says word_tokenizer_type 'mecab'"),
            ("tokenizer_config.json", {"added_tokens_decoder": {"9": {"content": "<e>"}}}, "adds the token '<e>'"),
            ("added_tokens.json", {"<e>": 900}, "adds the token '<e>'"),
        ],
    )
    def test_a_list_of_pieces_that_others_cut_by_is_refused(self, file, said, words):
        """As Japanese BERT's, whose words are found by MeCab."""
        write_vocabulary()
        Path(file).write_text(json.dumps(said))
        with pytest.raises(ValueError, match=rf"{words}, as a file beside it says; save that as tokenizer.json"):
            read_vocabulary(Path())

    def test_a_list_of_pieces_cut_as_usual_is_read_whatever_lies_beside(self):
        usual = {"do_basic_tokenize": True, "word_tokenizer_type": "basic", "tokenize_chinese_chars": None}
        tokens = {"added_tokens_decoder": {"0": {"content": "[PAD]"}}, "never_split": None}
        Path("tokenizer_config.json").write_text(json.dumps({**usual, **tokens}))
        write_vocabulary()
        assert read_vocabulary(Path()) == known_pieces()

    def test_a_folder_without_one_is_refused(self):
        with pytest.raises(FileNotFoundError, match=r"has no tokenizer.json or vocab.txt"):
            read_vocabulary(Path())

    def test_how_texts_are_cut_comes_back_from_json(self):
        how = Tokenisation(known_pieces(), 12, 2)
        assert read_tokenisation(json.loads(json.dumps(how.as_json())), "student.json") == how
        for other in ({}, {**how.as_json(), "longest": 0}, {**how.as_json(), "pieces": ["a"]}):
            with pytest.raises(ValueError, match=r"student.json"):
                read_tokenisation(other, "student.json")


class TestLooking:
    def test_words_are_counted_and_classes(self):
        write_table()
        found = look("texts.tsv")
        assert found.task == "classification" and set(found.parts["train"].sizes) == {"words"}
        assert "120 samples; words 4 to 10" in said(found) and not found.errors

    def test_a_text_twice_with_two_labels_is_said(self):
        found = look(table("text,label", "a good one,x", "A good  one,y", "a bad one,x"))
        assert any("the same text is there twice" in x for x in found.warnings)
        assert any("1 of them have two labels" in x for x in found.warnings)
