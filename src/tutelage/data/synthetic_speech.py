"""Recordings that nobody said: a tune a digit, hummed by speakers of different pitch, pace and loudness."""

from math import pi

import torch
from torch import Tensor

from tutelage.data.draws import checked_seed, uniform
from tutelage.data.recordings import Recording
from tutelage.data.waves import RATE

SPEAKERS = ("ann", "bob", "cid", "dee")
TUNES = (
    *((300, 300, 900), (300, 900, 300), (900, 300, 300), (300, 900, 900), (900, 300, 900)),
    *((900, 900, 300), (500, 1500, 500), (1500, 500, 500), (500, 500, 1500), (1500, 1500, 500)),
)
"""The three tones of each digit, in Hz."""


def hummed(takes: int, seed: int = 0) -> list[Recording]:
    """Each of ten digits, ``takes`` times by each of four speakers: the tones of ``TUNES`` in a row, and noise.

    A speaker has a pitch and a loudness of his own; how long a tone takes differs from one to the next. A recording
    depends on the seed, its word, speaker and take alone. Raises ``ValueError`` for fewer than 1 take and for a
    negative seed.

    >>> recordings = hummed(2)
    >>> len(recordings), recordings[0].speaker, recordings[0].samples.dtype
    (80, 'ann', torch.int16)
    """
    if takes < 1:
        raise ValueError(f"A digit is said at least once; got {takes} takes.")
    checked_seed(seed)
    return [
        Recording(word, name, take, _tune(tones, seed, speaker, 1000 * word + take))
        for word, tones in enumerate(TUNES)
        for speaker, name in enumerate(SPEAKERS)
        for take in range(takes)
    ]


def _tune(tones: tuple[int, ...], seed: int, speaker: int, number: int) -> Tensor:
    pitch, loud = (1 + 0.2 * (uniform(seed, 0, speaker, torch.arange(2)) - 0.5)).tolist()
    lengths = 400 + (400 * uniform(seed, 1, speaker, number, torch.arange(3))).long()
    hertz = torch.tensor(tones, dtype=torch.float64).repeat_interleave(lengths) * pitch
    noise = uniform(seed, 2, speaker, number, torch.arange(len(hertz))) - 0.5
    wave = (2 * pi / RATE * hertz).cumsum(0).sin() + 0.5 * noise
    return torch.as_tensor(2**13 * loud * wave).to(torch.int16)
