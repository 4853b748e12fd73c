"""Words as states in a row: which frame is in which, by equal parts or by the best path, and how well a word fits.

A word has ``states`` states. Its first frame is in the first, its last frame in the last; from one frame to the next it
stays or goes one on. Rabiner, "A tutorial on hidden Markov models", 1989, §IV; transitions cost nothing here.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

LOWEST = float("-inf")
SHRUNK = 1e-3
"""Of the mean variance, added to each: a covariance of few frames has an inverse, too."""
LEAST = 1e-6
"""And so has one of silence."""


def equal_parts(frames: int, states: int) -> Tensor:
    """The state of each of ``frames`` frames where all take the same time: a flat start.

    >>> equal_parts(7, 3).tolist()
    [0, 0, 0, 1, 1, 2, 2]
    """
    return torch.arange(frames) * states // frames


def fit(scores: Tensor, lengths: Tensor) -> Tensor:
    """The sum of scores along the best path through the states: (R, T, …, states) -> (R, …).

    Recording ``r`` has ``lengths[r]`` frames; scores beyond are not looked at. −∞ where it has fewer than states.
    """
    best = _entered(scores)
    for t in range(1, scores.shape[1]):
        best = torch.where(_on(best, lengths, t), _arrived(best)[0] + scores[:, t], best)
    return best[..., -1]


def best_path(scores: Tensor, lengths: Tensor) -> Tensor:
    """The states of that path, (R, T, states) -> int64 (R, T); the last state beyond the end. Viterbi's algorithm.

    Of two ways that are as good, it stays. Raises ``ValueError`` for a recording of fewer frames than states.
    """
    states = scores.shape[-1]
    if int(lengths.min()) < states:
        raise ValueError(f"A path through {states} states takes as many frames or more; got {int(lengths.min())}.")
    best, moves = _entered(scores), []
    for t in range(1, scores.shape[1]):
        on = _on(best, lengths, t)
        arrived, moved = _arrived(best)
        best = torch.where(on, arrived + scores[:, t], best)
        moves.append(moved & on)
    state = torch.full_like(lengths, states - 1)
    path = [state]
    for moved in reversed(moves):
        state = state - moved.gather(1, state[:, None])[:, 0].long()
        path.append(state)
    return torch.stack(path[::-1], 1)


def aligned(
    features: Sequence[Tensor], words: Tensor, num_words: int, states: int, learnt_from: Tensor, rounds: int
) -> list[Tensor]:
    """The state of each frame of each recording, ``word · states`` and on: equal parts, then ``rounds`` of alignment.

    In a round, each state is a Gaussian of the frames that were in it, all with one covariance, and each recording
    takes its best path through the states of its own word. The Gaussians are learnt only from the recordings where
    ``learnt_from`` (bool) holds; the others are aligned by them. Nothing is drawn at random. Features are float64,
    (frames, filters).

    Raises ``ValueError`` for a recording of fewer frames than states, and for a word that nobody says to learn from.
    """
    lengths = torch.tensor([len(x) for x in features])
    if int(lengths.min()) < states:
        shortest = int(lengths.min())
        raise ValueError(f"A recording has {shortest} frames, too few for {states} states a word; take fewer states.")
    if unheard := sorted(set(range(num_words)) - set(words[learnt_from].tolist())):
        raise ValueError(f"No recording to learn from says word {unheard[0]}; learn from more of them.")
    offsets = words * states
    found = [equal_parts(len(x), states) + first for x, first in zip(features, offsets, strict=True)]
    known = torch.cat([features[r] for r in learnt_from.nonzero()[:, 0].tolist()])
    for _ in range(rounds):
        targets = torch.cat([found[r] for r in learnt_from.nonzero()[:, 0].tolist()])
        scores = _gaussian(known, targets, num_words * states)
        found = []
        for some in torch.arange(len(features)).split(200):  # so that little memory is taken
            rows = [scores(features[r])[:, offsets[r] : offsets[r] + states] for r in some.tolist()]
            paths = best_path(pad_sequence(rows, batch_first=True), lengths[some])
            found += [paths[i, : lengths[r]] + offsets[r] for i, r in enumerate(some.tolist())]
    return found


def _gaussian(features: Tensor, targets: Tensor, classes: int) -> Callable[[Tensor], Tensor]:
    """What maps frames to the log density of each class, but for what all classes share."""
    counts = targets.bincount(minlength=classes).to(features.dtype)
    means = features.new_zeros(classes, features.shape[1]).index_add_(0, targets, features) / counts[:, None]
    gaps = features - means[targets]
    covariance = gaps.T @ gaps / len(gaps)
    covariance.diagonal().add_(SHRUNK * covariance.diagonal().mean() + LEAST)
    slopes = torch.linalg.solve(covariance, means.T)
    offsets = (means.T * slopes).sum(0) / 2
    return lambda x: x @ slopes - offsets


def _entered(scores: Tensor) -> Tensor:
    """The best sums after the first frame, which is in the first state."""
    best = torch.full_like(scores[:, 0], LOWEST)
    best[..., 0] = scores[:, 0, ..., 0]
    return best


def _arrived(best: Tensor) -> tuple[Tensor, Tensor]:
    """The best sum with which each state is arrived at, and whether that is by going on."""
    before = torch.full_like(best, LOWEST)
    before[..., 1:] = best[..., :-1]
    return torch.maximum(best, before), before > best


def _on(best: Tensor, lengths: Tensor, t: int) -> Tensor:
    """Which recordings have a frame ``t``, to be broadcast over ``best``."""
    return (lengths > t).view(-1, *[1] * (best.ndim - 1))
