"""Texts to numbers of word pieces: as the library does it, and refused where there is nothing to cut."""

from dataclasses import replace

import pytest

from tutelage.data.pieces import refuse_unknown, token_ids
from tutelage.data.wordpiece import SPECIAL, WordPieces, fewer, kept_pieces, read_pieces, words

PIECES = WordPieces(
    ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "un", "##aff", "##able", "run", "##ning", "cafe", "naive",
     "is", "'", "s", ",", ".", "!", "?", "-", "中", "文", "##文", "3", "##5", "5", "$", "<", ">", "k", "##k", "strasse",
     "straße", "##ß", "i", "##̇", "istanbul", "a", "b", "##b", "e", "fi", "##n", "ﬁ", "d", "##e", "`", "_", "¿", "x"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("The unaffable CAFÉ is running!", "the un ##aff ##able cafe is run ##ning !"),
        ("naïve's  3.5$, 5", "naive ' s 3 . 5 $ , 5"),
        ("中文 is 中x", "中 文 is 中 x"),
        ("<unk> un-k", "< un ##k > un - k"),
        ("Straße İstanbul", "straße istanbul"),
        ("a\u200bb\tb\u00a0e\x00", "a ##b b e"),
        ("ﬁn de`x_ ¿x?", "ﬁ ##n d ##e ` x _ ¿ x ?"),
        ("unaffableness the", "[UNK] the"),
    ],
)
def test_pieces_are_those_of_the_library(text, pieces):
    """tokenizers 0.23.3, BertWordPieceTokenizer(lowercase=True) with this vocabulary.

    With BERT's own vocabulary all 83,767 different sentences and lines of GLUE and WikiText-2 were cut alike as well.
    """
    assert [PIECES.pieces[number] for number in PIECES.of_text(text)] == pieces.split()


SPELT = WordPieces((*PIECES.pieces, "The", "CAFÉ", "café", "Un", "##Aff", "İ", "##stanbul"))


@pytest.mark.parametrize(
    ("lowercase", "accents", "text", "pieces"),
    [
        (False, True, "The unaffable CAFÉ café Is", "The un ##aff ##able CAFÉ café [UNK]"),
        (False, True, "İstanbul the ﬁn", "İ ##stanbul the ﬁ ##n"),
        (False, True, "UnAff\u200b cafe 中x", "Un ##Aff cafe 中 x"),
        (True, True, "The unaffable CAFÉ café Is", "the un ##aff ##able café café is"),
        (True, True, "İstanbul the ﬁn", "i ##̇ ##stanbul the ﬁ ##n"),
        (False, False, "The unaffable CAFÉ café Is", "The un ##aff ##able [UNK] cafe [UNK]"),
    ],
)
def test_capital_letters_and_accents_are_kept_where_a_vocabulary_has_them(lowercase, accents, text, pieces):
    """tokenizers 0.23.3, BertNormalizer(lowercase=…, strip_accents=…) with this vocabulary."""
    how = replace(SPELT, lowercase=lowercase, accents=accents)
    assert [how.pieces[number] for number in how.of_text(text)] == pieces.split()
    assert how.checksum != SPELT.checksum and kept_pieces(how.as_json()) == how


def test_a_text_cannot_write_special_pieces():
    assert not {2, 3, 0} & {*PIECES.of_text("[SEP] [CLS] [PAD]")}


def test_a_word_of_more_than_a_hundred_characters_is_unknown():
    assert PIECES.of_text("k" * 100) == [30, *[31] * 99] and PIECES.of_text("k" * 101) == [1]


def test_texts_are_padded_behind_and_cut_at_their_end():
    ids = token_ids(["the cafe is a", "is"], PIECES, longest=5)
    assert ids.tolist() == [[2, 5, 11, 13, 3], [2, 13, 3, 0, 0]]


def test_of_a_pair_the_longer_one_is_cut():
    ids = token_ids(["a b e d"], PIECES, 7, seconds=["is x"])
    assert ids.tolist() == [[2, 38, 39, 3, 13, 50, 3]]


@pytest.mark.parametrize(
    ("texts", "longest", "said"),
    [
        ([], 9, "one text or more"),
        (["a", " \t "], 9, "Text 2 of 2 has no word in it"),
        (["a"], 2, "3 tokens are the fewest"),
    ],
)
def test_what_cannot_be_cut_is_refused(texts, longest, said):
    with pytest.raises(ValueError, match=said):
        token_ids(texts, PIECES, longest)


def test_a_corpus_of_unknown_pieces_is_refused_and_one_with_some_is_not():
    refuse_unknown(token_ids(["the q cafe", "a b"], PIECES), PIECES)
    with pytest.raises(ValueError, match="to 75 % of pieces that the vocabulary does not know"):
        refuse_unknown(token_ids(["q w z a", "в г д b"], PIECES), PIECES)


def test_a_smaller_vocabulary_still_spells_what_it_spelt():
    letters = "abcdef"
    pieces = WordPieces((*SPECIAL, *letters, *(f"##{x}" for x in letters), "fa", "##ce", "face", "deaf", "bad"))
    ids = token_ids(["face face deaf", "bad face"], pieces)
    less = fewer(pieces, ids, 19)
    assert less.pieces == (*pieces.pieces[:17], "face", "deaf")  # of those that are there once, the first
    assert [less.pieces[x] for x in less.of_text("bad face")] == ["b", "##a", "##d", "face"]
    assert fewer(pieces, ids, 99).pieces == pieces.pieces
    with pytest.raises(ValueError, match="17 pieces are needed"):
        fewer(pieces, ids, 17)


def test_a_vocabulary_is_read_in_the_order_of_its_lines(tmp_path):
    for newline in ("\n", "\r\n"):
        (tmp_path / "vocab.txt").write_bytes((newline.join(PIECES.pieces) + newline).encode())
        assert read_pieces(tmp_path / "vocab.txt") == PIECES


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "lacks"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\na\n", "'a' is there again"),
        (b"[PAD]\n[UNK]\n", r"lacks \[CLS\]"),
        (b"\xff\xfe\x00", r"is no text in UTF-8 \(.* at byte 0\)\.$"),
    ],
)
def test_what_is_no_vocabulary_is_refused_with_its_path(tmp_path, content, said):
    file = tmp_path / "vocab.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{file}.*{said}"):
        read_pieces(file)


def test_ascii_and_other_text_are_split_by_the_same_rules():
    plain = "It's 3.5-fold:\t[x]\x07_y^"
    assert (
        words(plain)
        == words(plain + "\u00a0")
        == ["it", "'", "s", "3", ".", "5", "-", "fold", ":", "[", "x", "]", "_", "y", "^"]
    )
