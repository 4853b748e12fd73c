"""BERT's way from a text to the numbers of its pieces: words in lower case without accents, cut by a vocabulary.

The pieces of ``transformers``' uncased ``BertTokenizer``, without it: Devlin et al., "BERT", 2019, arXiv:1810.04805,
and github.com/google-research/bert, tokenization.py. Text is text: ``[SEP]`` in it is a bracket and a word.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor

from tutelage.data.contents import content_of

PAD, UNKNOWN, START, END, HIDDEN = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PAD, UNKNOWN, START, END, HIDDEN)
LONGEST_WORD = 100
"""Characters; a longer word is unknown."""
LARGEST = 2**24
"""Bytes of a vocabulary that is read; the largest in use takes 2 million."""
IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
"""Each of which is a word: Chinese is written without spaces."""
ASCII = re.compile(r"[a-z0-9]+|[^a-z0-9\s]")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class WordPieces:
    """A vocabulary: the number of a piece is its place in ``pieces``; ``##`` marks one that continues a word.

    Raises ``ValueError`` for a piece that is there twice, and without one of ``SPECIAL``.
    """

    pieces: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.numbers) < len(self.pieces):
            twice = next(x for place, x in enumerate(self.pieces) if self.numbers[x] != place)
            raise ValueError(f"A vocabulary has each piece once; {twice!r} is there again.")
        if missing := [x for x in SPECIAL if x not in self.numbers]:
            raise ValueError(f"A vocabulary of word pieces has {', '.join(SPECIAL)}; this one lacks {missing[0]}.")

    def __len__(self) -> int:
        return len(self.pieces)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of each piece."""
        return {piece: number for number, piece in enumerate(self.pieces)}

    @property
    def checksum(self) -> str:
        """The sha-256 of the pieces in their order."""
        return sha256("\n".join(self.pieces).encode()).hexdigest()

    @property
    def special(self) -> tuple[int, ...]:
        """The numbers of ``SPECIAL``: padding, unknown, start, end, hidden."""
        return tuple(self.numbers[x] for x in SPECIAL)

    def of_text(self, text: str) -> list[int]:
        """The numbers of the pieces of ``text``, without start and end.

        >>> WordPieces((*SPECIAL, "un", "##know", "##n", "!")).of_text("Unknown!")
        [5, 6, 7, 8]
        """
        return [number for word in words(text) for number in self._of_word(word)]

    def _of_word(self, word: str) -> tuple[int, ...]:
        known: dict[str, tuple[int, ...]] = self._known
        if (found := known.get(word)) is None:
            found = known[word] = self._cut(word)
        return found

    @cached_property
    def _known(self) -> dict[str, tuple[int, ...]]:
        return {}

    def _cut(self, word: str) -> tuple[int, ...]:
        """Always the longest piece that fits, from the left; a word with a rest that nothing fits is unknown."""
        unknown = (self.numbers[UNKNOWN],)
        if len(word) > LONGEST_WORD:
            return unknown
        found, begin = [], 0
        while begin < len(word):
            prefix = "##" if begin else ""
            ends = range(len(word), begin, -1)
            end = next((end for end in ends if prefix + word[begin:end] in self.numbers), None)
            if end is None:
                return unknown
            found.append(self.numbers[prefix + word[begin:end]])
            begin = end
        return tuple(found)


def fewer(pieces: WordPieces, ids: Tensor, size: int) -> WordPieces:
    """``size`` of ``pieces``, the most frequent among ``ids``, which still spell every word that is there.

    Kept in any case are the special ones, single characters of ASCII and those that are in ``ids``. A word whose piece
    is gone is cut into shorter ones. Raises ``ValueError`` for a ``size`` that leaves no room for others.

    >>> fewer(WordPieces((*SPECIAL, "a", "##b", "ab", "abab", "##ab")), torch.tensor([7, 7, 8]), 8).pieces[5:]
    ('a', '##b', 'ab')
    """
    counts = torch.bincount(ids.flatten(), minlength=len(pieces)).double()
    letters = {number: x.removeprefix("##") for number, x in enumerate(pieces.pieces) if x not in SPECIAL}
    single = {number for number, x in letters.items() if len(x) == 1 and (x.isascii() or counts[number])}
    kept = {*pieces.special, *single}
    if size <= len(kept):
        raise ValueError(f"{len(kept)} pieces are needed to spell every word; got {size}: take more.")
    counts[list(kept)] = -1
    kept |= {*counts.argsort(descending=True, stable=True)[: size - len(kept)].tolist()}
    return WordPieces(tuple(x for number, x in enumerate(pieces.pieces) if number in kept))


def read_pieces(path: Path) -> WordPieces:
    """The vocabulary in a ``vocab.txt``: a piece a line, in the order of their numbers.

    Raises ``FileNotFoundError``, and ``ValueError`` for a file that is no such vocabulary.
    """
    try:
        lines = content_of(path, LARGEST).decode("utf-8").split("\n")
        return WordPieces(tuple(line.rstrip("\r") for line in (lines[:-1] if not lines[-1] else lines)))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error.reason} at byte {error.start}).") from None
    except ValueError as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} is no vocabulary of word pieces: {str(error).rstrip('.')}.") from None


def token_ids(
    texts: Sequence[str], pieces: WordPieces, longest: int = 128, seconds: Sequence[str] | None = None
) -> Tensor:
    """Each text as ``[CLS] text [SEP]``, with padding behind it, int64 (N, T); T is the longest one's.

    With ``seconds``, ``[CLS] text [SEP] second [SEP]``. What is longer than ``longest`` tokens is cut at its end; of
    pairs, always the longer of both. Raises ``ValueError`` for no texts, for a ``longest`` that leaves no room for a
    token of each, and for a text without any piece.

    >>> pieces = WordPieces((*SPECIAL, "a", "b"))
    >>> token_ids(["a b", "b"], pieces).tolist()
    [[2, 5, 6, 3], [2, 6, 3, 0]]
    """
    parts = [texts] if seconds is None else [texts, seconds]
    if not len(texts) or {len(part) for part in parts} != {len(texts)}:
        raise ValueError(f"There is one text or more, and a second one for each; got {[len(part) for part in parts]}.")
    if longest < 1 + 2 * len(parts):
        raise ValueError(f"{1 + 2 * len(parts)} tokens are the fewest that a text can be cut to; got {longest}.")
    rows = []
    for number, together in enumerate(zip(*parts, strict=True)):
        found = [pieces.of_text(text) for text in together]
        if not all(found):
            raise ValueError(f"Text {number + 1} of {len(texts)} has no word in it, {together!r}; leave it out.")
        rows.append(row_of(found, pieces, longest))
    return padded(rows, max(map(len, rows)), pieces.numbers[PAD])


def row_of(parts: Sequence[Sequence[int]], pieces: WordPieces, longest: int) -> list[int]:
    """The numbers of a text, or of a pair, as a network gets them: cut to ``longest``, with start and ends."""
    cut = _cut_to([[*part] for part in parts], longest - 1 - len(parts))
    end = pieces.numbers[END]
    return [pieces.numbers[START], *(number for part in cut for number in (*part, end))]


def padded(rows: Sequence[Sequence[int]], width: int, padding: int) -> Tensor:
    """Rows of any length as int64 (N, ``width``), with ``padding`` behind each.

    >>> padded([[5], [6, 7]], 3, 0).tolist()
    [[5, 0, 0], [6, 7, 0]]
    """
    ids = torch.full((len(rows), width), padding)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return ids


def refuse_unknown(ids: Tensor, pieces: WordPieces, most: float = 0.5, name: str = "The corpus") -> None:
    """Raise ``ValueError`` for a corpus of which more than the share ``most`` of the pieces is unknown.

    So it is for a corpus in another alphabet than the vocabulary's, or one that was cut for another vocabulary.
    """
    padding, unknown, start, end, _ = pieces.special
    said = ~torch.isin(ids, torch.tensor([padding, start, end]))
    share = float((ids == unknown).sum() / said.sum().clamp_min(1))
    if share > most:
        raise ValueError(
            f"{name} is to {100 * share:.0f} % of pieces that the vocabulary does not know, and at most "
            f"{100 * most:.0f} % may be; take the vocabulary that is made for this language and spelling."
        )


def words(text: str) -> list[str]:
    """The words of ``text`` in lower case, without accents and control characters; a mark or ideograph is a word.

    >>> words("Ça va, déjà?")
    ['ca', 'va', ',', 'deja', '?']
    """
    if text.isascii():
        return ASCII.findall(CONTROL.sub("", text.lower()))
    cleaned = "".join(" " if _is_space(x) else x for x in text if not _is_control(x))
    plain = (x for x in unicodedata.normalize("NFD", cleaned.lower()) if unicodedata.category(x) != "Mn")
    return "".join(f" {x} " if _alone(x) else x for x in plain).split()


def _is_space(character: str) -> bool:
    return character in " \t\n\r" or unicodedata.category(character) == "Zs"


def _is_control(character: str) -> bool:
    if character in "\t\n\r":
        return False
    return character in "\0\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Co")


def _alone(character: str) -> bool:
    code = ord(character)
    if code < 128:
        return not character.isalnum() and not character.isspace()
    return any(low <= code <= high for low, high in IDEOGRAPHS) or unicodedata.category(character).startswith("P")


def _cut_to(parts: list[list[int]], most: int) -> list[list[int]]:
    """Without the last pieces of the longer part, one by one, until all are ``most`` or fewer."""
    while sum(map(len, parts)) > most:
        max(reversed(parts), key=len).pop()
    return parts
