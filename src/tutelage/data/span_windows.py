"""Questions with their texts as windows of tokens, of which some may be where an answer begins or ends.

Devlin et al., "BERT", 2019, arXiv:1810.04805, §4.2; google-research/bert, run_squad.py.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from hashlib import sha256
from typing import TypedDict

import torch
from torch import Tensor

from tutelage.data.labelled import Labelled, labelled
from tutelage.data.library_pieces import LibraryPieces
from tutelage.data.pieces import framing, padded
from tutelage.data.questions import Question
from tutelage.data.word_places import Place, placed
from tutelage.data.wordpiece import WordPieces

MAY, BEGINS, ENDS = 1, 2, 4
"""Of a token, as a sum: whether it may be an end of an answer, whether the true one begins there, and ends there."""
LONGEST, STRIDE, LONGEST_QUESTION = 384, 128, 64
"""Tokens of a window, from where one begins to where the next does, and of a question, as published."""
NOWHERE = (-1, -1)
KEPT = 256
"""Contexts of which is remembered how they are cut: questions about one mostly follow each other."""


class Sizes(TypedDict):
    """The same by the names that ``span_windows`` has for them."""

    longest: int
    stride: int
    longest_question: int


def sizes_of_windows(longest: int, pieces: WordPieces | LibraryPieces) -> Sizes:
    """Windows of ``longest`` tokens: a quarter of them may be of a question, and at most as many as published; from one
    window to the next is half of what is left for the context, and at most the published stride.

    >>> from tutelage.data.wordpiece import SPECIAL
    >>> sizes_of_windows(384, WordPieces(SPECIAL)), sizes_of_windows(20, WordPieces(SPECIAL))["stride"]
    ({'longest': 384, 'stride': 128, 'longest_question': 64}, 6)
    """
    most = min(LONGEST_QUESTION, longest // 4)
    room = longest - framing(pieces, 2) - most
    return {"longest": longest, "stride": max(1, min(STRIDE, room // 2)), "longest_question": most}


@dataclass(frozen=True, eq=False)
class Asked:
    """What windows are about, by their index: ``number`` (W,) of the question, ``places`` (W, T, 2) of tokens in its
    context, −1 for tokens of none; and the ``questions``."""

    number: Tensor
    places: Tensor
    questions: tuple[Question, ...]

    @cached_property
    def checksum(self) -> str:
        """The sha-256 over all of it: part of the key of every stage that is validated by it."""
        digest = sha256(repr(self.questions).encode("utf-8", "replace"))
        for part in (self.number, self.places):
            digest.update(f"{part.dtype} {list(part.shape)}".encode())
            digest.update(part.contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()


def span_windows(
    name: str,
    questions: Sequence[Question],
    pieces: WordPieces | LibraryPieces,
    *,
    longest: int = LONGEST,
    stride: int = STRIDE,
    longest_question: int = LONGEST_QUESTION,
) -> tuple[Labelled, Asked]:
    """``[CLS] question [SEP] context [SEP]``, a long context as several windows: tokens and sums of marks, (W, T) each.

    Marks say, of each token, whether it ``MAY`` be an end of an answer, and whether the first answer ``BEGINS`` or
    ``ENDS`` there. The first token, which stands for no answer, may; it is the true one where a window does not hold
    the whole answer, or there is none. Questions of more tokens are cut. Raises ``ValueError`` for no questions, for
    windows without room, and for a question or context without a word.
    """
    room = longest - framing(pieces, 2) - longest_question
    if not questions or room < 1 or stride < 1:
        raise ValueError(
            f"One question or more, in windows with room for {framing(pieces, 2)} tokens around it, "
            f"{longest_question} of a question and one of a context, each at 1 or more from the last; got "
            f"{len(questions)} questions, windows of {longest} and {stride} between them."
        )
    where = lru_cache(KEPT)(partial(placed, pieces=pieces))
    rows: list[list[int]] = []
    marks: list[list[int]] = []
    places: list[list[Place]] = []
    numbers: list[int] = []
    for number, one in enumerate(questions):
        for row, mark, place in _windows(one, pieces, where, longest, stride, longest_question):
            rows.append(row)
            marks.append(mark)
            places.append(place)
            numbers.append(number)
    width = max(map(len, rows))
    filled = torch.tensor([[*place, *[NOWHERE] * (width - len(place))] for place in places], dtype=torch.int32)
    data = labelled(name, padded(rows, width, pieces.padding), padded(marks, width, 0))
    return data, Asked(torch.tensor(numbers), filled, tuple(questions))


def _windows(
    one: Question,
    pieces: WordPieces | LibraryPieces,
    placed_in: Callable[[str], tuple[list[int], list[Place]]],
    longest: int,
    stride: int,
    longest_question: int,
) -> Iterator[tuple[list[int], list[int], list[Place]]]:
    question = pieces.of_text(one.question)[:longest_question]
    context, where = placed_in(one.context)
    if not question or not context:
        raise ValueError(f"The question {one.name or one.question[:40]!r} or its context has no word; leave it out.")
    before, between, behind = pieces.frame
    front = [*before, *question, *between]
    size = longest - len(front) - len(behind)
    answer = _tokens_of_answer(one, where)
    for begin in range(0, len(context), stride):
        part = context[begin : begin + size]
        row = [*front, *part, *behind]
        mark = [0] * len(row)
        mark[0] = MAY
        for place in range(len(front), len(front) + len(part)):
            mark[place] = MAY
        first, last = (x - begin + len(front) for x in answer) if answer else (0, 0)
        if first < len(front) or last >= len(front) + len(part):
            first = last = 0
        mark[first] |= BEGINS
        mark[last] |= ENDS
        yield row, mark, [*[NOWHERE] * len(front), *where[begin : begin + size], *[NOWHERE] * len(behind)]
        if begin + size >= len(context):
            return


def _tokens_of_answer(one: Question, where: Sequence[Place]) -> tuple[int, int] | None:
    """The first and the last token that a character of the first answer stands in."""
    if not one.answers:
        return None
    text, begin = one.answers[0]
    inside = [n for n, (first, behind) in enumerate(where) if first < begin + len(text) and behind > begin]
    return (inside[0], inside[-1]) if inside else None
