"""What cuts texts into numbered pieces, whatever it is, and what a network gets of them: (N, T) with padding."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

Frame: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""The numbers before a text, between it and a second one, and behind the last."""


class Pieces(Protocol):
    """A vocabulary that cuts: ``len`` of it are its pieces; ``unknown`` is −1 where every text can be spelt."""

    @property
    def padding(self) -> int: ...
    @property
    def unknown(self) -> int: ...
    @property
    def frame(self) -> Frame: ...
    @property
    def checksum(self) -> str: ...
    def __len__(self) -> int: ...
    def of_text(self, text: str) -> list[int]: ...
    def name(self, number: int) -> str: ...
    def as_json(self) -> dict[str, object]: ...


def separator(pieces: Pieces) -> int:
    """The number behind which another text begins; −1 where nothing stands there."""
    return next(iter(pieces.frame[1][:1] or pieces.frame[2][-1:]), -1)


def token_ids(texts: Sequence[str], pieces: Pieces, longest: int = 128, seconds: Sequence[str] | None = None) -> Tensor:
    """Each text as ``[CLS] text [SEP]``, with padding behind it, int64 (N, T); T is the longest one's.

    With ``seconds``, ``[CLS] text [SEP] second [SEP]``. What is longer than ``longest`` tokens is cut at its end; of
    pairs, always the longer of both. Raises ``ValueError`` for no texts, for a ``longest`` that leaves no room for a
    token of each, and for a text without any piece, or with the padding.

    >>> from tutelage.data.wordpiece import SPECIAL, WordPieces
    >>> pieces = WordPieces((*SPECIAL, "a", "b"))
    >>> token_ids(["a b", "b"], pieces).tolist()
    [[2, 5, 6, 3], [2, 6, 3, 0]]
    """
    parts = [texts] if seconds is None else [texts, seconds]
    if not len(texts) or {len(part) for part in parts} != {len(texts)}:
        raise ValueError(f"There is one text or more, and a second one for each; got {[len(part) for part in parts]}.")
    if longest < (fewest := framing(pieces, len(parts)) + len(parts)):
        raise ValueError(f"{fewest} tokens are the fewest that a text can be cut to; got {longest}.")
    rows = []
    for number, together in enumerate(zip(*parts, strict=True)):
        found = [pieces.of_text(text) for text in together]
        if not is_seen(found, pieces):
            what = "no word" if not all(found) else "the padding token"
            raise ValueError(f"Text {number + 1} of {len(texts)} has {what} in it, {together!r}; leave it out.")
        rows.append(row_of(found, pieces, longest))
    return padded(rows, max(map(len, rows)), pieces.padding)


def is_seen(parts: Sequence[Sequence[int]], pieces: Pieces) -> bool:
    """Whether there is a piece in each of ``parts``, and none that is the padding, at which networks do not look.

    A text may have that where it spells a special token, ``<pad>``, or where the padding is the unknown piece as well.
    """
    return all(parts) and not any(pieces.padding in part for part in parts)


def row_of(parts: Sequence[Sequence[int]], pieces: Pieces, longest: int) -> list[int]:
    """The numbers of a text, or of a pair, as a network gets them: cut to ``longest``, in the frame of ``pieces``."""
    before, between, behind = pieces.frame
    first, *second = _cut_to([[*part] for part in parts], longest - framing(pieces, len(parts)))
    return [*before, *first, *(number for part in second for number in (*between, *part)), *behind]


def framing(pieces: Pieces, texts: int) -> int:
    """How many tokens of a row of so many ``texts`` are of none of them."""
    before, between, behind = pieces.frame
    return len(before) + (texts - 1) * len(between) + len(behind)


def padded(rows: Sequence[Sequence[int]], width: int, padding: int) -> Tensor:
    """Rows of any length as int64 (N, ``width``), with ``padding`` behind each.

    >>> padded([[5], [6, 7]], 3, 0).tolist()
    [[5, 0, 0], [6, 7, 0]]
    """
    ids = torch.full((len(rows), width), padding)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
    return ids


def refuse_unknown(ids: Tensor, pieces: Pieces, most: float = 0.5, name: str = "The corpus") -> None:
    """Raise ``ValueError`` for a corpus of which more than the share ``most`` of the pieces is unknown.

    So it is for a corpus in another alphabet than the vocabulary's, or one that was cut for another vocabulary.
    """
    silent = {pieces.padding, *(number for part in pieces.frame for number in part)} - {pieces.unknown}
    said = ~torch.isin(ids, torch.tensor(sorted(silent)))
    share = float((ids == pieces.unknown).sum() / said.sum().clamp_min(1))
    if share > most:
        raise ValueError(
            f"{name} is to {100 * share:.0f} % of pieces that the vocabulary does not know, and at most "
            f"{100 * most:.0f} % may be; take the vocabulary that is made for this language and spelling."
        )


def _cut_to(parts: list[list[int]], most: int) -> list[list[int]]:
    """Without the last pieces of the longer part, one by one, until all are ``most`` or fewer."""
    while sum(map(len, parts)) > most:
        max(reversed(parts), key=len).pop()
    return parts
