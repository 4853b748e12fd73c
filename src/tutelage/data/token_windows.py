"""A long text as one row of tokens, and the row as windows of which each place is to tell the token after it."""

from collections.abc import Iterable

import torch
from torch import Tensor

from tutelage.data.pieces import Pieces
from tutelage.data.wikitext import STRUCK_OUT

IGNORED = -100
"""The target of a place after which nothing comes."""


def token_row(lines: Iterable[str], pieces: Pieces) -> Tensor:
    """The pieces of all ``lines`` one behind the other, int64 (M,), each line as ``pieces_of_line`` cuts it.

    Raises ``ValueError`` where no line has a word.

    >>> from tutelage.data.wordpiece import SPECIAL, WordPieces
    >>> token_row(["a b", "b <unk>"], WordPieces((*SPECIAL, "a", "b"))).tolist()
    [5, 6, 3, 6, 1, 3]
    """
    row = [token for line in lines for token in pieces_of_line(line, pieces)]
    if {*row} <= {*pieces.frame[2]}:
        raise ValueError("There is no word in the text; give lines with words.")
    return torch.tensor(row)


def pieces_of_line(line: str, pieces: Pieces) -> list[int]:
    """The pieces of a ``line``, and what stands where a text ends, such as ``[SEP]``.

    A word that was struck out (``<unk>``) is the unknown piece, where there is one.
    """
    first, *others = line.split(STRUCK_OUT) if pieces.unknown >= 0 else [line]
    row = pieces.of_text(first)
    for part in others:
        row += [pieces.unknown, *pieces.of_text(part)]
    return [*row, *pieces.frame[2]]


def token_windows(row: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """A row of tokens (M,) as inputs and targets, (N, length) each: every token but the first is a target once.

    So what a place is to tell is the token after it, the next window's first one included. Behind the end of the row
    inputs are 0 and targets −100. Raises ``ValueError`` for a row that does not fill a window.

    >>> [x.tolist() for x in token_windows(torch.tensor([5, 6, 7, 8, 9, 5]), 3)]
    [[[5, 6, 7], [8, 9, 0]], [[6, 7, 8], [9, 5, -100]]]
    """
    if length < 1 or row.ndim != 1 or len(row) <= length:
        raise ValueError(
            f"A text of {len(row)} tokens is shorter than a window of {length} and the token after it; give a longer "
            f"text, or shorter windows."
        )
    left = -(len(row) - 1) % length
    inputs = torch.cat([row[:-1], row.new_zeros(left)])
    targets = torch.cat([row[1:], row.new_full((left,), IGNORED)])
    return inputs.view(-1, length), targets.view(-1, length)
