"""Frames of speech: the state of a word, frame by frame. Frame accuracy decides; word error is of whole recordings."""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from hashlib import sha256

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tutelage.data.labelled import Labelled
from tutelage.data.left_to_right import fit
from tutelage.measures.wilson import wilson
from tutelage.results import Interval, Metric, Score
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.task import Task

FRAMES = Metric("frame accuracy", "%", "higher")
WORDS = Metric("word error", "%")


@dataclass(frozen=True, eq=False)
class Spoken:
    """Whose the frames of a corpus are: ``recording`` (frames,) by the index of each, and the word of each recording.

    ``log_prior`` (words · states,) is the log of how often each state is among the frames that are trained on. State
    ``s`` of word ``w`` is class ``w · states + s``. Raises ``ValueError`` for states that the words do not share.
    """

    recording: Tensor
    words: Tensor
    log_prior: Tensor
    num_words: int

    def __post_init__(self) -> None:
        if len(self.log_prior) % self.num_words:
            raise ValueError(f"{self.num_words} words have as many states each; got {len(self.log_prior)} in all.")

    @cached_property
    def checksum(self) -> str:
        """The sha-256 over all of it: part of the key of every stage that is validated by it."""
        digest = sha256(str(self.num_words).encode())
        for part in (self.recording, self.words, self.log_prior):
            digest.update(f"{part.dtype} {list(part.shape)}".encode())
            digest.update(part.contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()


def frames(spoken: Spoken) -> Task:
    """The task of naming the state of each frame of a corpus."""
    score = partial(frames_and_words, spoken=spoken)
    return replace(CLASSIFICATION, metrics=(FRAMES, WORDS), score=score, constant=commonest_state)


def frames_and_words(logits: Tensor, data: Labelled, *, spoken: Spoken) -> dict[str, Score]:
    """The share (%) of frames whose largest logit is their state's, and of recordings taken for another word.

    Both with 95 % intervals of the choice of the recordings: frames of one are right or wrong together, so that they
    count as fewer than there are. Neither speaks of the choice of speakers, of whom there are few.
    """
    order, numbers, lengths, right = _right(logits, data, spoken)
    low, high = _share_interval(right.tolist(), lengths.tolist())
    heard = recognised(logits[order], lengths, spoken)
    wrong = int((heard != spoken.words.to(order.device)[numbers]).sum())
    fewest, most = (_percent(x / len(numbers)) for x in wilson(wrong, len(numbers)))
    return {
        FRAMES.name: Score(_percent(int(right.sum()) / len(data)), (_percent(low), _percent(high))),
        WORDS.name: Score(_percent(wrong / len(numbers)), (fewest, most)),
    }


def chance_of_gain(some: Tensor, others: Tensor, data: Labelled, *, spoken: Spoken) -> float:
    """How much of the difference in frame accuracy (points) of two nets' logits the choice of recordings may make.

    ``1.96 · √Var(Σ(a − b) / Σn)`` of right frames ``a`` and ``b`` of the same recordings of ``n`` frames: half of the
    95 % interval, and narrower than those of either net, as both find the same recordings hard. The variance is that of
    a ratio of sums over recordings: Cochran, "Sampling Techniques", 1977, §2.11.
    """
    (*_, lengths, mine), (*_, theirs) = (_right(logits, data, spoken) for logits in (some, others))
    gaps, counts = (mine - theirs).double(), lengths.double()
    num, total = len(counts), counts.sum()
    spread = (gaps - gaps.sum() / total * counts).square().sum() * num / max(num - 1, 1)
    return float(100 * 1.96 * spread.sqrt() / total)


def recognised(logits: Tensor, lengths: Tensor, spoken: Spoken) -> Tensor:
    """The word of each recording: the one of whose states the best path fits its frames best.

    ``logits`` are of the frames of one recording after the other, ``lengths`` of each. A frame fits a state as ``log
    p(state | frame) − log p(state)``, which is ``log p(frame | state)`` but for what all states share: Bourlard &
    Morgan, "Connectionist Speech Recognition: A Hybrid Approach", 1994, ch. 7.
    """
    scores = logits.log_softmax(-1) - spoken.log_prior.to(logits)
    rows = pad_sequence(list(scores.split(lengths.tolist())), batch_first=True)
    best: Tensor = fit(rows.unflatten(-1, (spoken.num_words, -1)), lengths).argmax(-1)
    return best


def commonest_state(data: Labelled) -> float:
    """The frame accuracy of whoever gives every frame the same state."""
    return 100 * int(data.targets.bincount().max()) / len(data)


def _right(logits: Tensor, data: Labelled, spoken: Spoken) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The order of the frames by recording; of each of these its number, its frames, and how many are right."""
    order = data.index.argsort()
    recording = spoken.recording.to(order.device)[data.index[order]]
    numbers, place, lengths = recording.unique_consecutive(return_inverse=True, return_counts=True)
    right = (logits.argmax(-1) == data.targets)[order].long()
    return order, numbers, lengths, torch.zeros_like(lengths).index_add_(0, place, right)


def _share_interval(right: list[int], counts: list[int]) -> Interval:
    """Wilson's, of as many independent frames as vary like those of these recordings.

    The variance of a ratio of sums over recordings: Cochran, "Sampling Techniques", 1977, §2.11; the number that goes
    with it: Kish, "Survey Sampling", 1965, §8.2. Where all are right, or none is, a recording counts as one frame.
    """
    total, num = sum(counts), len(counts)
    share = sum(right) / total
    gaps = sum((k - share * n) ** 2 for k, n in zip(right, counts, strict=True))
    variance = gaps * num / max(num - 1, 1) / total**2
    mixed = 0 < share < 1
    effective = round(share * (1 - share) / variance) if variance and mixed else total if mixed else num
    effective = max(1, min(effective, total))
    fewest, most = wilson(round((1 - share) * effective), effective)
    return min(share, 1 - most / effective), max(share, 1 - fewest / effective)


def _percent(part: float) -> float:
    return round(100 * part, 4)
