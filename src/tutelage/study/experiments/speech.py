"""Recordings of words as an experiment on their frames: speakers set apart, frames named, and a few of the recordings.

Frames are named by states of words: a start in equal parts, then rounds of alignment by Gaussians (``left_to_right``).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tutelage.data.filter_banks import centred, log_mel, windows
from tutelage.data.labelled import Labelled
from tutelage.data.left_to_right import aligned
from tutelage.data.recordings import WORDS, Recording
from tutelage.data.split import share
from tutelage.profiling import clocked
from tutelage.study.sets import Sets
from tutelage.tasks.frames import Spoken, frames


@dataclass(frozen=True)
class Corpus:
    """The frames in three parts, none of whose speakers is in another, and whose frames they are."""

    sets: Sets
    spoken: Spoken

    def recordings(self, part: Labelled) -> int:
        """How many recordings the frames of ``part`` are of."""
        return len(self._of(part).unique())

    def few(self, part: float) -> Sets:
        """The same, but trained on the share ``part`` of the recordings, each word with its own; nested as shares are.

        Raises ``ValueError`` for a share that is not in (0, 1], and for one that leaves no recording of some word.
        """
        train = self.sets.train
        of_frame = self._of(train)
        numbers = of_frame.unique()
        words = self.spoken.words.to(numbers.device)[numbers]
        chosen = share(Labelled("recordings", numbers, words, numbers, ()), part).inputs
        left = self.spoken.words.to(chosen.device)[chosen]
        if lost := sorted({*words.tolist()} - {*left.tolist()}):
            raise ValueError(
                f"The share {part:g} leaves {len(chosen)} of {len(numbers)} recordings, none of which says "
                f"{WORDS[lost[0]]!r}; take a larger one."
            )
        return replace(self.sets, train=train[torch.isin(of_frame, chosen)])

    def _of(self, part: Labelled) -> Tensor:
        return self.spoken.recording.to(part.index.device)[part.index]


@clocked("data")
def corpus(
    name: str,
    recordings: Sequence[Recording],
    *,
    test: Collection[str],
    validation: Collection[str],
    states: int,
    rounds: int,
    device: torch.device,
) -> Corpus:
    """The frames of ``recordings``: of the speakers in ``test``, of those in ``validation``, and of all others.

    An input is float16 (26, 40), log mel energies of a frame and those around it, less their mean over the recording
    and divided by the deviation that each filter has among the frames that are trained on; a target is a state of a
    word. Half precision is finer than what is measured, and spells sets alike on machines that round otherwise.

    Raises ``ValueError`` for a part of nobody, for speakers that there are not or who are asked for twice, and as
    ``aligned`` does.
    """
    speakers = [recording.speaker for recording in recordings]
    refuse_speakers(set(speakers), test, validation)
    words = torch.tensor([recording.word for recording in recordings])
    known = torch.tensor([speaker not in {*test, *validation} for speaker in speakers])
    features = [centred(log_mel(recording.samples)) for recording in recordings]
    deviation = torch.cat([x for x, mine in zip(features, known.tolist(), strict=True) if mine]).std(0).clamp_min(1e-3)
    features = [x / deviation for x in features]
    targets = aligned(features, words, len(WORDS), states, known, rounds)
    recording = torch.arange(len(recordings)).repeat_interleave(torch.tensor([len(x) for x in features]))
    classes = tuple(f"{word} {state + 1}" for word in WORDS for state in range(states))

    def part(which: str, of: Tensor) -> Labelled:
        chosen = of.nonzero()[:, 0].tolist()
        inputs = torch.cat([windows(features[r]).half() for r in chosen])
        index = torch.isin(recording, of.nonzero()[:, 0]).nonzero()[:, 0]
        whole = Labelled(f"{name}/{which}", inputs, torch.cat([targets[r] for r in chosen]), index, classes)
        return whole.to(device)

    train, held, last = (
        part(which, torch.tensor([speaker in some for speaker in speakers]))
        for which, some in (
            ("train", set(speakers) - {*test, *validation}),
            ("validation", validation),
            ("test", test),
        )
    )
    often = train.targets.bincount(minlength=len(classes)).cpu()
    spoken = Spoken(recording, words, (often / often.sum()).log(), len(WORDS))
    normalisation = (0.0,) * len(deviation), tuple(deviation.tolist())
    return Corpus(Sets(train, held, last, task=frames(spoken), normalisation=normalisation), spoken)


def refuse_speakers(known: Collection[str], test: Collection[str], validation: Collection[str]) -> None:
    """Raise ``ValueError`` unless both parts are of some speakers that there are, no one in both, with others left."""
    for flag, speakers in (("--speech.test", test), ("--speech.validation", validation)):
        if not speakers:
            raise ValueError(f"Nobody is left for {flag}; name a speaker or more.")
        for speaker in speakers:
            if speaker not in known:
                raise ValueError(
                    f"There are recordings of {', '.join(sorted(known))}; nobody is called {speaker!r}, whom {flag} "
                    "names."
                )
    if both := sorted({*test} & {*validation}):
        raise ValueError(f"{both[0]} is to be heard in the test and in validation; a speaker is in one part alone.")
    if not set(known) - {*test, *validation}:
        raise ValueError("Every speaker is kept for the test or validation; leave somebody to train on.")
