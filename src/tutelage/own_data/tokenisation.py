"""How a text becomes what a network sees, in values that a file can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tutelage.data.library_pieces import LibraryPieces, kept_library_pieces
from tutelage.data.pieces import token_ids
from tutelage.data.wordpiece import WordPieces, kept_pieces

SHORTEST, MOST = 5, 2**16
"""Tokens that a text, or a pair of them, is cut to at least, and at most."""


@dataclass(frozen=True)
class Tokenisation:
    """Cut into ``pieces``, in their frame, such as ``[CLS] text [SEP]``, or of ``texts`` (2) a pair ``[CLS] text [SEP]
    second [SEP]``; of more than ``longest`` tokens the end, of pairs always that of the longer one, is left out.

    >>> from tutelage.data.wordpiece import SPECIAL
    >>> how = Tokenisation(WordPieces((*SPECIAL, "good", "bad")), longest=8)
    >>> how.tokens([("Good, good",), ("bad",)]).tolist()
    [[2, 5, 1, 5, 3], [2, 6, 3, 0, 0]]
    """

    pieces: WordPieces | LibraryPieces
    longest: int
    texts: int = 1

    @property
    def padding(self) -> int:
        """The number that stands behind a text where others are longer."""
        return self.pieces.padding

    def tokens(self, texts: Sequence[Sequence[str]]) -> Tensor:
        """Of each text, or pair, the numbers of its tokens: int64 (N, T). Raises as ``token_ids``."""
        firsts, *seconds = zip(*texts, strict=True)
        return token_ids(firsts, self.pieces, self.longest, seconds[0] if seconds else None)

    def as_json(self) -> dict[str, object]:
        """For ``student.json`` and the metadata of a file, which the script that runs the student reads."""
        return {**self.pieces.as_json(), "longest": self.longest, "texts": self.texts}

    @property
    def words(self) -> str:
        """How a row of tokens looks, such as ``[CLS] text [SEP]``."""
        first, between, behind = (" ".join(map(self.pieces.name, part)) for part in self.pieces.frame)
        return " ".join(filter(None, (first, "text", *((between, "second") if self.texts == 2 else ()), behind)))


def read_tokenisation(said: Any, where: str) -> Tokenisation:
    """What ``as_json`` gave, which may be somebody else's. Raises ``ValueError``, beginning with ``where``."""
    said = said if isinstance(said, Mapping) else {}
    longest, texts = said.get("longest"), said.get("texts")
    try:
        pieces = kept_library_pieces(said) if "tokenizer" in said else kept_pieces(said)
    except ValueError as error:
        raise ValueError(f"{where} holds no vocabulary: {str(error).rstrip('.')}; restore it from a copy.") from None
    if pieces is None or type(longest) is not int or not SHORTEST <= longest <= MOST or texts not in (1, 2):
        raise ValueError(f"{where} does not say how a text becomes an input (tokenisation); restore it from a copy.")
    return Tokenisation(pieces, longest, texts)
