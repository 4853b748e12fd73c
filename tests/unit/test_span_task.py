"""Finding answers in texts: windows that hold them, answers read back from tokens, and a recipe that does both."""

import json
from pathlib import Path

import pytest
import torch

from tutelage.data.questions import Question, drawn_questions
from tutelage.data.span_windows import BEGINS, ENDS, MAY, span_windows
from tutelage.data.synthetic_sentences import known_pieces
from tutelage.data.wordpiece import SPECIAL, WordPieces
from tutelage.losses.spans import span_labels, span_targets
from tutelage.models.span_network import SpanNetwork
from tutelage.recipes.text.spans import spans as recipe
from tutelage.run import Run
from tutelage.tasks import spans as tasks
from tutelage.tasks.spans import EXACT, F1, answered, best_spans, span_loss, spans

PIECES = WordPieces((*SPECIAL, *"abcdefghij?", "##x"))
ONE = Question("one", "a?", "B c D e f g h", (("D e", 4),))


def windows(*questions, longest=12, stride=2, longest_question=2):
    sizes = {"longest": longest, "stride": stride, "longest_question": longest_question}
    return span_windows("mine", questions, PIECES, **sizes)


class TestWindows:
    def test_a_context_that_fits_is_one_window_with_its_answer(self):
        data, asked = windows(ONE, longest=20)
        words = [PIECES.pieces[n] for n in data.inputs[0].tolist()]
        assert words == ["[CLS]", "a", "?", "[SEP]", "b", "c", "d", "e", "f", "g", "h", "[SEP]"]
        marks = data.targets[0].tolist()
        assert [n for n, x in enumerate(marks) if x & MAY] == [0, 4, 5, 6, 7, 8, 9, 10]
        assert marks.index(MAY | BEGINS) == 6 and marks.index(MAY | ENDS) == 7
        (first, _), (_, behind) = asked.places[0, 6], asked.places[0, 7]
        assert ONE.context[first:behind] == "D e"

    def test_a_longer_context_is_several_and_those_without_the_answer_say_nothing(self):
        data, asked = windows(ONE, longest=8, stride=2)  # three tokens of the context each
        parts = [[PIECES.pieces[n] for n in row[4:7].tolist()] for row in data.inputs]
        assert parts == [["b", "c", "d"], ["d", "e", "f"], ["f", "g", "h"]]
        begins = [[n for n, x in enumerate(row) if x & BEGINS] for row in data.targets.tolist()]
        ends = [[n for n, x in enumerate(row) if x & ENDS] for row in data.targets.tolist()]
        assert begins == [[0], [4], [0]] and ends == [[0], [5], [0]] and asked.number.tolist() == [0, 0, 0]

    def test_every_token_of_a_context_is_in_a_window(self):
        for longest, stride in ((8, 3), (8, 1), (9, 2)):
            _, asked = windows(ONE, longest=longest, stride=stride)
            assert {tuple(x) for row in asked.places.tolist() for x in row if x[0] >= 0} == {
                (n, n + 1) for n in range(0, 13, 2)
            }

    def test_an_answer_that_is_a_part_of_a_piece_is_that_piece(self):
        data, _ = windows(Question("q", "a", "b cx d", (("x", 3),)))
        assert PIECES.pieces[int(data.inputs[0, data.targets[0].tolist().index(MAY | BEGINS | ENDS)])] == "##x"

    def test_a_question_without_an_answer_says_nothing(self):
        data, _ = windows(Question("q", "a", "b c", ()))
        assert data.targets[0, 0] == MAY | BEGINS | ENDS and int((data.targets & ENDS > 0).sum()) == 1

    @pytest.mark.parametrize(
        ("questions", "sizes", "words"),
        [
            ([], {}, "One question or more"),
            ([ONE], {"longest": 5}, "windows of 5"),
            ([Question("q", "?", " \u200b", ())], {}, "'q' or its context has no word"),
        ],
    )
    def test_what_makes_none_is_refused(self, questions, sizes, words):
        with pytest.raises(ValueError, match=words):
            windows(*questions, **sizes)


def perfect(data):
    """Logits of whoever knows all answers."""
    return torch.stack([(data.targets & mark > 0).double() for mark in (BEGINS, ENDS)], 2) * 20


class TestTask:
    def test_losses_are_those_of_spans_over_what_may_be_an_answer(self):
        data, asked = windows(ONE, ONE, longest=8, stride=3)
        g = torch.Generator().manual_seed(0)
        ours, theirs = torch.randn(2, *data.inputs.shape, 2, generator=g, dtype=torch.float64)
        places = torch.tensor([[next(n for n, x in enumerate(row) if x & m) for m in (BEGINS, ENDS)]
                               for row in data.targets.tolist()])  # fmt: skip
        mask = data.targets & MAY
        assert span_loss(ours, data.targets) == span_labels(ours, places, mask)
        soft = spans(asked).soft(3.0)(ours, theirs, data.targets)
        assert soft == span_targets(ours, theirs, mask, 3.0)

    def test_whoever_knows_all_scores_all_and_is_read_back_from_the_text(self):
        questions = (*drawn_questions(12), Question("none", "bal", "kin ken", ()))
        data, asked = span_windows("mine", questions, known_pieces(), longest=20, stride=4, longest_question=4)
        said = answered(perfect(data), data, asked)
        assert [said[n] for n in range(13)] == [one.references[0] for one in questions]
        found = spans(asked).score(perfect(data), data)
        assert found[F1.name].value == found[EXACT.name].value == 100

    def test_of_several_windows_the_likeliest_answer_counts(self):
        data, asked = windows(ONE, longest=8, stride=2)
        logits = torch.zeros(3, data.inputs.shape[1], 2)
        logits[0, 5], logits[2, 6] = 3.0, 4.0  # "c" in the first window, "h" in the last
        assert answered(logits, data, asked) == {0: "h"}
        assert answered(logits[:2], data[torch.tensor([0, 1])], asked) == {0: "c"}

    @pytest.mark.parametrize(("null", "said"), [(5.0, "h"), (9.0, "")])
    def test_nothing_is_said_where_no_window_finds_more_than_nothing(self, null, said):
        data, asked = windows(ONE, Question("none", "a", "b", ()), longest=8, stride=2)
        logits = torch.zeros(len(data), data.inputs.shape[1], 2)
        logits[:, 0] = null / 2
        logits[2, 6] = 4.0
        assert answered(logits, data, asked)[0] == said

    def test_the_best_reference_counts_for_each_figure(self):
        one = Question("q", "a", "b c d e", (("b c", 0), ("d", 4)))
        data, asked = windows(one)
        logits = perfect(data)
        assert spans(asked).score(logits, data)[EXACT.name].value == 100
        logits.zero_()
        logits[0, 5, 0] = logits[0, 6, 1] = 9.0  # "d e" or so: shares a word with the second
        assert 0 < spans(asked).score(logits, data)[F1.name].value < 100

    def test_a_span_does_not_end_before_it_begins_and_is_no_longer_than_may_be(self, monkeypatch):
        logits = torch.randn(5, 9, 2, generator=torch.Generator().manual_seed(1))
        for longest in (1, 3, 30):
            monkeypatch.setattr(tasks, "LONGEST", longest)
            values, begins, lasts = best_spans(logits)
            for row in range(5):
                every = {(b, e): float(logits[row, b, 0] + logits[row, e, 1])
                         for b in range(9) for e in range(b, min(9, b + longest))}  # fmt: skip
                best = max(every, key=every.__getitem__)
                assert (int(begins[row]), int(lasts[row])) == best and values[row] == pytest.approx(every[best])


def test_a_network_answers_for_every_token_whatever_is_padding():
    network = SpanNetwork(vocabulary=20, separator=3).eval()
    tokens = torch.tensor([[2, 5, 3, 6, 3, 0, 0], [2, 7, 3, 8, 9, 3, 0]])
    assert network(tokens).shape == (2, 7, 2)
    torch.testing.assert_close(network(tokens)[:, :6], network(tokens[:, :6]))
    with pytest.raises(ValueError, match="nothing but padding"):
        network(torch.zeros(1, 4, dtype=torch.int64))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"questions": Path("mine.json")}, "A teacher is needed"),
        ({"teacher_file": Path("model.onnx")}, "give two files in SQuAD's form"),
    ],
)
def test_what_lacks_is_said_before_anything_is_read(tmp_path, monkeypatch, settings, words):
    monkeypatch.chdir(tmp_path)
    Path("mine.json").write_text(json.dumps({"data": []}))
    Path("model.onnx").write_bytes(b"")
    with Run("toy:spans", root=tmp_path, device="cpu") as run, pytest.raises(ValueError, match=words):
        recipe(run, **settings)
