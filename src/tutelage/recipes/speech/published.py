"""The two tables of speech as they were published, and what becomes of them here."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from statistics import mean

from torch import Tensor

from tutelage.recipes.speech import nets
from tutelage.results import Claim, Curve, Network, Table
from tutelage.run import Run
from tutelage.study.evaluated import Evaluated
from tutelage.study.sets import Sets
from tutelage.tasks.frames import FRAMES, WORDS

SOURCE = "Hinton, Vinyals & Dean 2015, arXiv:1503.02531, table"


@dataclass(frozen=True)
class Heard:
    """The frame accuracy and the word error of somebody on the test, in %."""

    frames: float
    words: float


@dataclass(frozen=True)
class Overfit:
    """Frame accuracies in %: on the frames that were trained on, and on the test."""

    train: float
    test: float

    @property
    def gap(self) -> float:
        return self.train - self.test


@dataclass(frozen=True)
class InOne:
    """Table 1: a single net, as the mean of several; one for as long as the student; all together; their student."""

    single: Heard
    longer: Heard
    together: Heard
    student: Heard

    @property
    def gain(self) -> float:
        """Of the ensemble over a single net, in points of frame accuracy."""
        return self.together.frames - self.single.frames

    def share(self, one: Heard) -> float:
        """The share of it that somebody has; 0 where there is none to have."""
        return (one.frames - self.single.frames) / self.gain if self.gain > 0 else 0.0


@dataclass(frozen=True)
class OfFew:
    """Table 5: a net that heard all recordings, and those of few, by labels (stopped early) and by soft targets."""

    everything: Overfit
    labels: Overfit
    soft: Overfit

    @property
    def closed(self) -> float:
        """The share that soft targets close of the gap between few recordings and all; 0 where there is none."""
        gap = self.everything.test - self.labels.test
        return (self.soft.test - self.labels.test) / gap if gap > 0 else 0.0


def in_one(networks: Mapping[str, Network], student: str, answers: Tensor, data: Sets) -> InOne:
    """Table 1 of what was measured: of the members among ``networks``, their joint ``answers`` and the ``student``."""
    members = [heard(one) for one in networks.values() if one.role == "member"]
    scores = data.task.score(answers, data.test)
    return InOne(
        Heard(mean(one.frames for one in members), mean(one.words for one in members)),
        heard(networks["baseline"]),
        Heard(scores[FRAMES.name].value, scores[WORDS.name].value),
        heard(networks[student]),
    )


def of_few(one: Evaluated, labels: Evaluated, soft: Evaluated, data: Sets, few: Sets) -> OfFew:
    """Table 5: the net ``one`` was trained on all of ``data``, the others on ``few``; one of these stops early."""
    return OfFew(
        Overfit(*(nets.accuracy(one.finished.last, data, part) for part in (data.train, data.test))),
        Overfit(*(nets.accuracy(labels.finished.best, data, part) for part in (few.train, data.test))),
        Overfit(*(nets.accuracy(soft.finished.last, data, part) for part in (few.train, data.test))),
    )


def heard(network: Network) -> Heard:
    return Heard(network.scores[FRAMES.name].value, network.scores[WORDS.name].value)


def table_1(found: InOne, members: int, temperature: float, recordings: int) -> Table:
    one, longer, many, student = found.single, found.longer, found.together, found.student
    rows = (
        (f"a single net, mean of {members}", one.frames, one.words, 0.0),
        ("a single net, for as long as the student", longer.frames, longer.words, found.share(longer)),
        (f"{members} nets together", many.frames, many.words, found.share(many)),
        (f"one student of theirs at T = {temperature:g}", student.frames, student.words, found.share(student)),
    )
    return Table(
        title="What many know, in one",
        columns=("who", FRAMES.name, WORDS.name, "share of the gain"),
        rows=tuple((who, *(round(x, 2) for x in numbers)) for who, *numbers in rows),
        note=f"In %, on {recordings} recordings of speakers that nobody heard before. Published: 58.9, 61.1 and 60.8 % "
        "of the frames, 10.9, 10.7 and 10.7 % word error; 86 % of the gain.",
    )


def table_5(found: OfFew, few: str) -> Table:
    rows = {
        "all, by labels": found.everything,
        f"{few}, by labels, stopped early": found.labels,
        f"{few}, by soft targets": found.soft,
    }
    return Table(
        title="Few recordings",
        columns=("recordings", "frame accuracy in training", FRAMES.name),
        rows=tuple((who, round(one.train, 2), round(one.test, 2)) for who, one in rows.items()),
        note="In %. The soft targets are those of the net in the first row. Published: 63.4 and 58.9, 67.3 and 44.5, "
        "65.4 and 57.0 %.",
    )


def temperatures(networks: Mapping[str, Network], students: Mapping[str, float]) -> Table:
    """The students of the ensemble over the temperature of its targets."""
    rows = [
        (t, networks[name].validation or {}, heard(networks[name]))
        for name, t in sorted(students.items(), key=lambda student: student[1])
    ]
    return Table(
        title="Students by temperature",
        columns=("T", f"validation {FRAMES.name}", FRAMES.name, WORDS.name),
        rows=tuple(
            (t, round(held.get(FRAMES.name, 0.0), 2), round(one.frames, 2), round(one.words, 2))
            for t, held, one in rows
        ),
        note="In %. Published: 2 was best of 1, 2, 5 and 10.",
        curve=Curve("T", FRAMES.name, log_x=True),
    )


def claim_tables(run: Run, one: InOne, few: OfFew, reason: str) -> None:
    """What can be repeated with other recordings and nets: who is better, and the shares.

    The paper's accuracies are of 2,000 hours of other speech and are no claim about FSDD. Of a difference, its sign
    counts. A share is held against what the paper says of it (more than 80 %), or against a half where it says nothing.
    """
    direction = "of other recordings and a larger net: who is better counts"
    points = partial(Claim, unit="points", low=0.01, note=direction, reason=reason, paired=True)
    first, fifth = partial(points, source=f"{SOURCE} 1"), partial(points, source=f"{SOURCE} 5")
    share = partial(Claim, reason=reason)
    for claim in (
        first("ten nets name more frames right than one", 2.2, round(one.gain, 2)),
        first("ten nets mistake fewer words than one", 0.2, round(one.single.words - one.together.words, 2)),
        first("their student mistakes fewer words than one", 0.2, round(one.single.words - one.student.words, 2)),
        share("their student keeps most of the gain in frames", 0.86, round(one.share(one.student), 2), "of the gain",
              f"{SOURCE} 1", low=0.8, note="the paper says: more than 80 %"),
        fifth("few recordings teach more by soft targets than by labels", 12.5,
              round(few.soft.test - few.labels.test, 2)),
        fifth("few recordings are overfitted less by soft targets", 14.4, round(few.labels.gap - few.soft.gap, 2)),
        share("soft targets close most of the gap between few recordings and all", 0.87, round(few.closed, 2),
              "of the gap", f"{SOURCE} 5", low=0.5, note="the paper gives no spread; half of it counts"),
    ):  # fmt: skip
        run.claim(claim)


def in_words(one: InOne, few: OfFew, members: int, some: str) -> str:
    """Both tables in two sentences."""
    return (
        f"A single net names {one.single.frames:.1f} % of the frames right, {members} together "
        f"{one.together.frames:.1f} %, and one student of theirs {one.student.frames:.1f} %; they mistake "
        f"{one.single.words:.1f}, {one.together.words:.1f} and {one.student.words:.1f} % of the words. "
        f"From {some} of the recordings, labels make {few.labels.test:.1f} % of the frames right, soft targets "
        f"{few.soft.test:.1f} %."
    )
