"""Questions in SQuAD's form, where pieces stand in a text, and answers as SQuAD's own script counts them."""

import json
import string
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutelage.data.questions import Question, drawn_questions, read_questions
from tutelage.data.word_places import placed
from tutelage.data.wordpiece import SPECIAL, WordPieces
from tutelage.measures.spans import plain_words, same_words, shared_words

ODD = WordPieces(
    (*SPECIAL, *"abcdefgzéÉA漢字ßσς!?.,-'", *(f"##{x}" for x in "abcdefgAEÉé漢ßσς"), "[", "]", "sep", "ab", "##bc")
)
CONTEXT = "The café opened in May 1999, in Paris."


def saved(path, qas, context=CONTEXT):
    path.write_text(json.dumps({"version": "2.0", "data": [{"paragraphs": [{"context": context, "qas": qas}]}]}))
    return path


def asked(**changes):
    return {"id": "q1", "question": "When?", "answers": [{"text": "May 1999", "answer_start": 19}], **changes}


class TestReading:
    def test_questions_come_with_their_context_and_answers(self, tmp_path):
        none = asked(id="q2", question="Who?", answers=[], is_impossible=True)
        found = read_questions(saved(tmp_path / "mine.json", [asked(), none]))
        assert found == (
            Question("q1", "When?", CONTEXT, (("May 1999", 19),)),
            Question("q2", "Who?", CONTEXT, ()),
        )
        assert found[1].references == ("",)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("{", "is damaged"),
            ("[]", "no list 'data'"),
            (json.dumps({"data": []}), "has no questions"),
            (json.dumps({"data": [{"paragraphs": [{"context": 3, "qas": []}]}]}), "no text 'context'"),
        ],
    )
    def test_another_form_is_one_sentence(self, tmp_path, content, words):
        (tmp_path / "mine.json").write_text(content)
        with pytest.raises(ValueError, match=rf"^{tmp_path / 'mine.json'}.*{words}"):
            read_questions(tmp_path / "mine.json")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (
                {"answers": [{"text": "May 1999", "answer_start": 18}]},
                "stand at 18 .*, it stands at 19; mend",
            ),
            ({"answers": [{"text": "May 1999", "answer_start": -19}]}, "stand at -19 .*, it stands at 19"),
            ({"answers": [{"text": "May 1999"}]}, "stand at None .*, it stands at 19"),
            ({"answers": [{"text": "May 99", "answer_start": 19}]}, "stand at 19 .*, and nowhere else"),
            ({"answers": [{"text": " ", "answer_start": 3}]}, "an answer of the question 'q1' has no text"),
            ({"is_impossible": True}, "has answers, and is_impossible says True"),
            ({"answers": [], "is_impossible": False}, "has no answers, and is_impossible says False"),
            ({"is_impossible": "no"}, "has answers, and is_impossible says no"),
            ({"answers": {"text": []}}, "no list 'answers'"),
        ],
    )
    def test_answers_that_cannot_be_meant_are_refused(self, tmp_path, changes, words):
        file = saved(tmp_path / "mine.json", [asked(**changes)])
        with pytest.raises(ValueError, match=rf"^{file}.*{words}"):
            read_questions(file)

    def test_drawn_ones_have_their_answer_where_it_is_said_to_be(self):
        for one in drawn_questions(20, seed=3):
            ((text, begin),) = one.answers
            assert one.context[begin : begin + len(text)] == text and one.question in one.context.split()


class TestPlaces:
    @given(
        st.text() | st.text(alphabet="abcdefgAÉé漢字 !?.,-'[]\u0301\u200b\u3000ßİΣσ\t\n"), st.booleans(), st.booleans()
    )
    def test_numbers_are_those_of_the_text_and_places_are_in_order(self, text, lowercase, accents):
        pieces = WordPieces(ODD.pieces, lowercase, accents)
        numbers, places = placed(text, pieces)
        assert numbers == pieces.of_text(text)
        assert all(0 <= begin < end <= len(text) for begin, end in places)
        assert all(a[1] <= b[0] or a[0] <= b[0] for a, b in pairwise(places))

    def test_a_place_is_what_the_piece_was_made_of(self):
        text = "  Café\u200b: ab-ABC 漢字 unknowable"
        numbers, places = placed(text, WordPieces((*SPECIAL, "cafe", ":", "ab", "-", "##c", "漢", "字")))
        assert [text[a:b] for a, b in places] == ["Café", ":", "ab", "-", "AB", "C", "漢", "字", "unknowable"]
        assert numbers[-1] == 1


class TestCounting:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("The cat, a dog and an owl.", ["cat", "dog", "and", "owl"]),
            ("theatre anthem", ["theatre", "anthem"]),
            ("  A  \t b\n", ["b"]),
            ("$5.00", ["500"]),
            (string.punctuation, []),
            ("« été »", ["«", "été", "»"]),  # marks beyond ASCII stay, as in the published script
        ],
    )
    def test_words_are_those_of_the_published_normalisation(self, text, words):
        assert plain_words(text) == words

    @pytest.mark.parametrize(
        ("text", "reference", "exact", "f1"),
        [
            ("in May 1999", "May 1999.", 0, 2 * 1 * (2 / 3) / (1 + 2 / 3)),
            ("The May 1999", "may, 1999", 1, 1),
            ("1999", "May", 0, 0),
            ("May May", "May", 0, 2 / 3),
            ("", "", 1, 1),
            ("the", "", 1, 1),
            ("May", "", 0, 0),
        ],
    )
    def test_exact_match_and_f1(self, text, reference, exact, f1):
        assert same_words(text, reference) == exact and shared_words(text, reference) == pytest.approx(f1)
