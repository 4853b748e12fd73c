"""How a text becomes what a network sees, in values that a file can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tutelage.data.wordpiece import PAD, WordPieces, token_ids

SHORTEST, MOST = 5, 2**16
"""Tokens that a text, or a pair of them, is cut to at least, and at most."""


@dataclass(frozen=True)
class Tokenisation:
    """Cut into ``pieces``, ``[CLS] text [SEP]`` or of ``texts`` (2) a pair ``[CLS] text [SEP] second [SEP]``; of more
    than ``longest`` tokens the end, of pairs always that of the longer one, is left out.

    >>> from tutelage.data.wordpiece import SPECIAL
    >>> how = Tokenisation(WordPieces((*SPECIAL, "good", "bad")), longest=8)
    >>> how.tokens([("Good, good",), ("bad",)]).tolist()
    [[2, 5, 1, 5, 3], [2, 6, 3, 0, 0]]
    """

    pieces: WordPieces
    longest: int
    texts: int = 1

    @property
    def padding(self) -> int:
        """The number that stands behind a text where others are longer."""
        return self.pieces.numbers[PAD]

    def tokens(self, texts: Sequence[Sequence[str]]) -> Tensor:
        """Of each text, or pair, the numbers of its tokens: int64 (N, T). Raises as ``token_ids``."""
        firsts, *seconds = zip(*texts, strict=True)
        return token_ids(firsts, self.pieces, self.longest, seconds[0] if seconds else None)

    def as_json(self) -> dict[str, object]:
        """For ``student.json`` and the metadata of a file, which the script that runs the student reads."""
        return {"pieces": list(self.pieces.pieces), "longest": self.longest, "texts": self.texts}


def read_tokenisation(said: Any, where: str) -> Tokenisation:
    """What ``as_json`` gave, which may be somebody else's. Raises ``ValueError``, beginning with ``where``."""
    said = said if isinstance(said, Mapping) else {}
    pieces, longest, texts = said.get("pieces"), said.get("longest"), said.get("texts")
    sound = isinstance(pieces, list) and all(isinstance(x, str) for x in pieces)
    if not sound or type(longest) is not int or not SHORTEST <= longest <= MOST or texts not in (1, 2):
        raise ValueError(f"{where} does not say how a text becomes an input (tokenisation); restore it from a copy.")
    try:
        return Tokenisation(WordPieces(tuple(pieces)), longest, texts)
    except ValueError as error:
        raise ValueError(f"{where} holds no vocabulary: {str(error).rstrip('.')}; restore it from a copy.") from None
