"""A corpus that no memory holds: the windows of the whole, shuffled within a buffer, gone back to at any batch."""

import gzip
from functools import partial
from itertools import chain

import pytest
import torch
from torch import nn

from same_bits import same_bits
from tutelage import Learner, Objective, train
from tutelage.data import corpus
from tutelage.data.corpus import lines_of, rows_of
from tutelage.data.synthetic_sentences import known_pieces, spoken
from tutelage.data.token_stream import next_token_stream, streamed, text_stream
from tutelage.data.token_windows import token_row, token_windows
from tutelage.data.wordpiece import SPECIAL, WordPieces
from tutelage.learn import never
from tutelage.tasks.language import LANGUAGE

LINES = spoken(40)
PIECES = known_pieces()


def numbers(count):
    return lambda _epoch: ({"input": torch.tensor(n)} for n in range(count))


def told(batches, epoch=0, first=0):
    return [batch["index"].tolist() for batch in batches(epoch, first)]


class TestWindows:
    @pytest.mark.parametrize("length", [3, 8, 31])
    def test_they_are_those_of_the_whole_text(self, length):
        found = list(next_token_stream(lambda _: LINES, PIECES, length)(0))
        inputs, targets = token_windows(token_row(LINES, PIECES), length)
        assert torch.equal(torch.stack([x["input"] for x in found]), inputs)
        assert torch.equal(torch.stack([x["target"] for x in found]), targets)

    def test_texts_by_themselves_are_cut_in_their_frame(self):
        pieces = WordPieces((*SPECIAL, "a", "b"))
        found = [x["input"].tolist() for x in text_stream(lambda _: ["a b", "\u200b", "b b a b"], pieces, 5)(0)]
        assert found == [[2, 5, 6, 3, 0], [2, 6, 6, 5, 3]]

    @pytest.mark.parametrize(
        ("texts", "make", "words"),
        [
            (["bal kin"], partial(next_token_stream, length=90), "fewer than a window of 90"),
            ([], partial(next_token_stream, length=3), "The corpus has 0 tokens"),
            (["Это очень хорошо"] * 9, partial(next_token_stream, length=3), "pieces that the vocabulary does not"),
            (["\u200b"], partial(text_stream, longest=9), "no text with a word in it"),
        ],
    )
    def test_what_makes_none_is_refused(self, texts, make, words):
        with pytest.raises(ValueError, match=words):
            list(make(lambda _: texts, PIECES)(0))


class TestShuffling:
    @pytest.mark.parametrize(("count", "size", "buffer"), [(50, 4, 7), (5, 4, 9), (9, 4, 1), (33, 16, 33)])
    def test_each_sample_comes_once_and_none_before_the_buffer_reaches_it(self, count, size, buffer):
        batches = told(streamed(numbers(count), batch_size=size, buffer=buffer, seed=3))
        order = [*chain(*batches)]
        assert sorted(order) == list(range(count)) and all(n < place + buffer for place, n in enumerate(order))
        assert min(map(len, batches)) > 1 and {len(x) for x in batches[:-1]} <= {size}
        assert (order == list(range(count))) == (buffer == 1)

    def test_the_order_follows_from_seed_and_epoch(self):
        batches = streamed(numbers(40), batch_size=5, buffer=10, seed=1)
        assert told(batches) == told(batches) != told(batches, epoch=1)
        assert told(batches) != told(streamed(numbers(40), batch_size=5, buffer=10, seed=2))

    @pytest.mark.parametrize("count", [40, 41, 43])
    def test_whoever_enters_in_the_middle_sees_the_rest(self, count):
        batches = streamed(numbers(count), batch_size=5, buffer=10)
        whole = told(batches)
        assert all(told(batches, first=first) == whole[first:] for first in range(len(whole) + 1))

    def test_every_place_of_the_buffer_is_as_likely(self):
        """Of 1000 draws from a buffer of 4, a share of a quarter lies within 4 standard deviations, 0.055."""
        order = [*chain(*told(streamed(numbers(1004), batch_size=100, buffer=4)))]
        waits = torch.tensor([place - n for place, n in enumerate(order)])[:1000]
        assert abs(float((waits == -3).double().mean()) - 1 / 4) < 0.055  # out as soon as it is in

    def test_sizes_below_one_are_refused(self):
        with pytest.raises(ValueError, match="1 sample or more; got 0 and 5"):
            streamed(numbers(3), batch_size=0, buffer=5)


def test_a_training_that_goes_on_in_the_middle_of_an_epoch_ends_in_the_same_bits():
    batches = streamed(next_token_stream(lambda _: LINES, PIECES, 8), batch_size=4, buffer=16, seed=2)

    def begun(pause):
        torch.manual_seed(0)
        student = nn.Sequential(nn.Embedding(len(PIECES), 6), nn.Dropout(0.2), nn.Linear(6, len(PIECES)))
        optimizer = partial(torch.optim.AdamW, lr=1e-2)
        learner = Learner(student, Objective(label=LANGUAGE.labels()), optimizer)
        return student, train({"student": learner}, batches, epochs=2, pause=pause)

    whole, training = begun(never)
    assert len([*training]) == 2 and training.step == 20
    student, training = begun(lambda clock: clock.step in (3, 14))  # in the middle of either epoch
    for finished in (False, True, False):
        assert next(iter(training)).finished == finished
        kept = training.state_dict()
        student, training = begun(lambda clock, before=kept["position"]["step"]: before < clock.step == 14)
        training.load_state_dict(kept)
    assert [epoch.finished for epoch in training] == [True]
    assert same_bits(student, whole)


class TestTexts:
    @pytest.mark.parametrize("packed", [False, True])
    def test_lines_with_a_word_come_file_after_file(self, tmp_path, packed):
        for name, content in (("a.txt", "\ufeffone\r\n\n two \n"), ("b.txt", "three")):
            raw = content.encode()
            (tmp_path / name).write_bytes(gzip.compress(raw) if packed else raw)
        texts = lines_of(tmp_path / "a.txt", tmp_path / "b.txt")
        assert list(texts(0)) == list(texts(1)) == ["one", "two", "three"]

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"good\n\xff\xfe\n", r"is no text in UTF-8 \(.* in line 2\)"),
            (gzip.compress(b"a line\n" * 999)[:-9], "is truncated"),
            (gzip.compress(b"a line\n" * 999)[:30] + b"\0" * 30, "is not a sound gzip file"),
            (b"good\n" + b"x" * 40, "more than 32 bytes in line 2"),
        ],
    )
    def test_a_damaged_file_is_one_sentence(self, tmp_path, monkeypatch, content, words):
        monkeypatch.setattr(corpus, "LONGEST_LINE", 32)
        (tmp_path / "a.txt").write_bytes(content)
        with pytest.raises(ValueError, match=rf"^{tmp_path / 'a.txt'} .*{words}"):
            list(lines_of(tmp_path / "a.txt")(0))

    def test_files_that_are_not_there_are_refused_before_anything_is_read(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no text file"):
            lines_of(tmp_path / "a.txt")
        with pytest.raises(ValueError, match="one text file or more"):
            lines_of()

    def test_a_data_set_is_told_the_epoch_by_which_it_shuffles(self):
        class Streaming:  # as datasets.IterableDataset
            def set_epoch(self, epoch):
                self.epoch = epoch

            def __iter__(self):
                yield from ({"text": f"{self.epoch} {n}"} for n in range(2))

        assert list(rows_of(Streaming())(3)) == ["3 0", "3 1"]

    @pytest.mark.parametrize(
        ("data", "words"),
        [([{"body": "x"}], r"Row 0 .* no text 'text'; it has \['body'\]"), (["x"], "Row 0"), (iter([]), "used up")],
    )
    def test_rows_without_a_text_are_refused(self, data, words):
        with pytest.raises(ValueError, match=words):
            list(rows_of(data)(0))
