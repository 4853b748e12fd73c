"""BERT's way from a text to the numbers of its pieces: words, in lower case without accents or as they are, cut by a
vocabulary.

The pieces of ``transformers``' ``BertTokenizer``, without it: Devlin et al., "BERT", 2019, arXiv:1810.04805, and
github.com/google-research/bert, tokenization.py. Text is text: ``[SEP]`` in it is a bracket and a word.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tutelage.data.contents import content_of
from tutelage.data.pieces import Frame

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
ASCII = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9\s]")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class WordPieces:
    """A vocabulary: the number of a piece is its place in ``pieces``; ``##`` marks one that continues a word.

    Words are cut in ``lowercase``, and without ``accents``, unless it says otherwise. Raises ``ValueError`` for a piece
    that is there twice, and without one of ``SPECIAL``.
    """

    pieces: tuple[str, ...]
    lowercase: bool = True
    accents: bool = False

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
        """The sha-256 of the pieces in their order, and of how words are written where that is not the usual way."""
        spelt = "" if self.lowercase and not self.accents else f"\n\n{self.lowercase} {self.accents}"
        return sha256(("\n".join(self.pieces) + spelt).encode()).hexdigest()

    @property
    def padding(self) -> int:
        return self.numbers[PAD]

    @property
    def unknown(self) -> int:
        return self.numbers[UNKNOWN]

    @property
    def frame(self) -> Frame:
        """``[CLS] text [SEP]`` and ``[CLS] text [SEP] second [SEP]``."""
        end = (self.numbers[END],)
        return (self.numbers[START],), end, end

    @property
    def tells_seconds(self) -> bool:
        """Whether the tokens of a second text are marked as such: BERT's are."""
        return True

    @property
    def special(self) -> tuple[int, ...]:
        """The numbers of ``SPECIAL``: padding, unknown, start, end, hidden."""
        return tuple(self.numbers[x] for x in SPECIAL)

    def name(self, number: int) -> str:
        """The piece that has the number."""
        return self.pieces[number]

    def as_json(self) -> dict[str, object]:
        """For the files of a student; how words are written stands there where that is not the usual way."""
        usual = self.lowercase and not self.accents
        return {"pieces": [*self.pieces], **({} if usual else {"lowercase": self.lowercase, "accents": self.accents})}

    def of_text(self, text: str) -> list[int]:
        """The numbers of the pieces of ``text``, without start and end.

        >>> WordPieces((*SPECIAL, "un", "##know", "##n", "!")).of_text("Unknown!")
        [5, 6, 7, 8]
        """
        spelt = words(text, lowercase=self.lowercase, accents=self.accents)
        return [number for word in spelt for number in self.of_word(word)]

    def of_word(self, word: str) -> tuple[int, ...]:
        """The numbers of the pieces of one of ``words``."""
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
    return replace(pieces, pieces=tuple(x for number, x in enumerate(pieces.pieces) if number in kept))


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


def kept_pieces(said: Mapping[str, Any]) -> WordPieces | None:
    """What ``as_json`` gave; ``None`` for what it never gives. Raises as ``WordPieces``."""
    pieces, lowercase, accents = said.get("pieces"), said.get("lowercase", True), said.get("accents", False)
    if not isinstance(pieces, list) or not all(isinstance(x, str) for x in pieces):
        return None
    if not isinstance(lowercase, bool) or not isinstance(accents, bool):
        return None
    return WordPieces(tuple(pieces), lowercase, accents)


def words(text: str, *, lowercase: bool = True, accents: bool = False) -> list[str]:
    """The words of ``text`` in lower case, without accents and control characters; a mark or ideograph is a word.

    >>> words("Ça va, déjà?")
    ['ca', 'va', ',', 'deja', '?']
    >>> words("Ça va, déjà?", lowercase=False, accents=True)
    ['Ça', 'va', ',', 'déjà', '?']
    """
    if text.isascii():
        return ASCII.findall(CONTROL.sub("", text.lower() if lowercase else text))
    cleaned = "".join(" " if is_space(x) else x for x in text if not is_control(x))
    cleaned = cleaned.lower() if lowercase else cleaned
    if not accents:
        cleaned = "".join(x for x in unicodedata.normalize("NFD", cleaned) if unicodedata.category(x) != "Mn")
    return "".join(f" {x} " if is_alone(x) else x for x in cleaned).split()


def is_space(character: str) -> bool:
    """Whether words end at it."""
    return character in " \t\n\r" or unicodedata.category(character) == "Zs"


def is_control(character: str) -> bool:
    """Whether it is left out."""
    if character in "\t\n\r":
        return False
    return character in "\0\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Co")


def is_alone(character: str) -> bool:
    """Whether it is a word by itself: a mark, or an ideograph."""
    code = ord(character)
    if code < 128:
        return not character.isalnum() and not character.isspace()
    return any(low <= code <= high for low, high in IDEOGRAPHS) or unicodedata.category(character).startswith("P")
