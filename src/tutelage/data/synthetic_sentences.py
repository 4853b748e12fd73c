"""Sentences that nobody said: words of three letters in a row, and pairs that share as many as their score says."""

from dataclasses import replace

import torch
from torch import Tensor

from tutelage.data.draws import below, checked_seed, uniform
from tutelage.data.glue import Sentences
from tutelage.data.wordpiece import SPECIAL, WordPieces

FIRST, SECOND, THIRD = "bdfgk", "aeiou", "lmnrt"
WORDS = tuple(f"{first}{second}{third}" for first in FIRST for second in SECOND for third in THIRD)
FEWEST, MOST = 4, 10
"""Words of a sentence."""


def spoken(count: int, seed: int = 0) -> list[str]:
    """``count`` sentences of words of ``WORDS``; the same for the same seed. Raises ``ValueError`` for fewer than 1.

    >>> spoken(1)
    ['gal kin kur ken ger bor']
    """
    return [_said(row) for row in _drawn(count, seed)]


def pairs(count: int, seed: int = 0) -> Sentences:
    """``count`` pairs, the second a copy of the first in which a share of the words was drawn anew.

    The score is 5 times the share that was kept. Raises ``ValueError`` for fewer than 1.
    """
    firsts, others = _drawn(count, seed), _drawn(count, seed + 1)
    index, places = torch.arange(count)[:, None], torch.arange(MOST)
    kept = uniform(seed, 2, index, places) < uniform(seed, 3, index)
    seconds = torch.where(kept | (firsts < 0), firsts, others.clamp_min(0))
    same = ((firsts == seconds) & (firsts >= 0)).sum(1) / (firsts >= 0).sum(1)
    return Sentences(
        "synthetic/pairs",
        tuple(map(_said, firsts)),
        tuple(map(_said, seconds)),
        5 * same.float().unsqueeze(1),
        (),
    )


def alike(count: int, seed: int = 0) -> Sentences:
    """``pairs`` told apart in two classes: by whether most of their words are the same."""
    drawn = pairs(count, seed)
    return replace(drawn, targets=(drawn.targets[:, 0] > 2.5).long(), labels=("other", "alike"))


def known_pieces() -> WordPieces:
    """The vocabulary of these sentences: a piece a word, and the letters that words are spelt with."""
    return WordPieces((*SPECIAL, *FIRST, *(f"##{x}" for x in SECOND + THIRD), *WORDS))


def _drawn(count: int, seed: int) -> Tensor:
    """Numbers of words (count, MOST), −1 behind the last."""
    if count < 1:
        raise ValueError(f"One sentence or more is drawn; got {count}.")
    checked_seed(seed)
    index, places = torch.arange(count)[:, None], torch.arange(MOST)
    lengths = FEWEST + below(MOST - FEWEST + 1, seed, 0, index)
    return torch.where(places < lengths, below(len(WORDS), seed, 1, index, places), -1)


def _said(row: Tensor) -> str:
    return " ".join(WORDS[number] for number in row.tolist() if number >= 0)
