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
from tutelage.study.experiments.shares import share_of_gain
from tutelage.study.experiments.speech import Corpus
from tutelage.study.sets import Sets
from tutelage.tasks.frames import FRAMES, WORDS

SOURCE = "Hinton, Vinyals & Dean 2015, arXiv:1503.02531, table"
LONGER = "a single net trained as long on labels"
WITHOUT = "published over the single net, as the paper has none trained as long"


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
    """Table 1: a single net, as the mean of several; one trained as long on labels; all together; their student.

    ``chance`` is how many points of frame accuracy the choice of recordings may make of a gain over a single net.
    """

    single: Heard
    longer: Heard
    together: Heard
    student: Heard
    chance: float = 0.0

    @property
    def alone(self) -> Heard:
        """The better of both single nets, by each metric: over it a student gains, and not by learning for longer."""
        return Heard(max(self.single.frames, self.longer.frames), min(self.single.words, self.longer.words))

    def share(self, one: Heard) -> float | None:
        """The share that somebody has of what all gain over a single net; nothing where that may be chance."""
        return _rounded(share_of_gain(self.alone.frames, self.together.frames, one.frames, self.chance))


@dataclass(frozen=True)
class OfFew:
    """Table 5: a net that heard all recordings, and those of few, by labels (stopped early) and by soft targets."""

    everything: Overfit
    labels: Overfit
    soft: Overfit
    chance: float = 0.0

    @property
    def closed(self) -> float | None:
        """The share that soft targets close of the gap from few recordings to all; nothing where it may be chance."""
        return _rounded(share_of_gain(self.labels.test, self.everything.test, self.soft.test, self.chance))


def in_one(networks: Mapping[str, Network], student: str, answers: Tensor, data: Sets, chance: float) -> InOne:
    """Table 1 of what was measured: of the members among ``networks``, their joint ``answers`` and the ``student``."""
    members = [heard(one) for one in networks.values() if one.role == "member"]
    scores = data.task.score(answers, data.test)
    return InOne(
        Heard(mean(one.frames for one in members), mean(one.words for one in members)),
        heard(networks["baseline"]),
        Heard(scores[FRAMES.name].value, scores[WORDS.name].value),
        heard(networks[student]),
        chance,
    )


def of_few(one: Evaluated, labels: Evaluated, soft: Evaluated, heard: Corpus, few: Sets) -> OfFew:
    """Table 5: the net ``one`` was trained on all that is ``heard``, the others on ``few``; one of them stops early."""
    data = heard.sets
    everything = data.task.predict(one.finished.last, data.test)
    return OfFew(
        Overfit(*(nets.accuracy(one.finished.last, data, part) for part in (data.train, data.test))),
        Overfit(*(nets.accuracy(labels.finished.best, data, part) for part in (few.train, data.test))),
        Overfit(*(nets.accuracy(soft.finished.last, data, part) for part in (few.train, data.test))),
        nets.chance_of_gain(everything, labels.finished.best, heard),
    )


def heard(network: Network) -> Heard:
    return Heard(network.scores[FRAMES.name].value, network.scores[WORDS.name].value)


def table_1(found: InOne, members: int, temperature: float, recordings: int) -> Table:
    one, longer, many, student = found.single, found.longer, found.together, found.student
    rows = (
        (f"a single net, mean of {members}", one),
        (LONGER, longer),
        (_together(members), many),
        (f"one student of theirs at T = {temperature:g}", student),
    )
    shares = (
        "Shares are of the gain over the better single net."
        if found.share(many) is not None
        else f"Nobody has a share: together they gain no more than the {found.chance:.2f} points that the choice of "
        "recordings may make."
    )
    return Table(
        title="What many know, in one",
        columns=("who", FRAMES.name, WORDS.name, "share of the gain"),
        rows=tuple((who, round(x.frames, 2), round(x.words, 2), found.share(x)) for who, x in rows),
        note=f"In %, on {recordings} recordings of speakers that nobody heard before. {shares} Published: 58.9, 61.1 "
        "and 60.8 % of the frames, 10.9, 10.7 and 10.7 % word error; 86 % of the gain. The paper has no net trained as "
        "long.",
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
        note="In %. The soft targets are those of the net in the first row. What the states of few recordings are was "
        "learnt from all that are trained on, which favours the labels. Published: 63.4 and 58.9, 67.3 and 44.5, "
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
    counts. A share is held against what the paper says of it (more than 80 %), or against a half where it says nothing;
    a share of what may be chance is no claim. What the student gains is over the better single net of two, a member and
    one trained for as long as the student, on labels; the paper has the first alone.
    """
    direction = "of other recordings and a larger net: who is better counts"
    points = partial(Claim, unit="points", low=0.01, note=direction, reason=reason, paired=True)
    first, fifth = partial(points, source=f"{SOURCE} 1"), partial(points, source=f"{SOURCE} 5")
    share = partial(Claim, reason=reason)
    for claim in (
        first("ten nets name more frames right than one", 2.2, round(one.together.frames - one.single.frames, 2)),
        first("ten nets mistake fewer words than one", 0.2, round(one.single.words - one.together.words, 2)),
        first("their student mistakes fewer words than the better single net", 0.2,
              round(one.alone.words - one.student.words, 2), note=f"{direction}; {WITHOUT}"),
        first("one student of the ensemble beats a net trained as long on labels", 1.9,
              round(one.student.frames - one.longer.frames, 2), note=f"{direction}; {WITHOUT}"),
        fifth("few recordings teach more by soft targets than by labels", 12.5,
              round(few.soft.test - few.labels.test, 2)),
        fifth("few recordings are overfitted less by soft targets", 14.4, round(few.labels.gap - few.soft.gap, 2)),
    ):  # fmt: skip
        run.claim(claim)
    if (kept := one.share(one.student)) is not None:
        run.claim(share("their student keeps most of the gain in frames", 0.86, kept, "of the gain", f"{SOURCE} 1",
                        low=0.8, note=f"the paper says: more than 80 %; {WITHOUT}"))  # fmt: skip
    if few.closed is not None:
        run.claim(share("soft targets close most of the gap between few recordings and all", 0.87, few.closed,
                        "of the gap", f"{SOURCE} 5", low=0.5,
                        note="the paper gives no spread; half of it counts"))  # fmt: skip


def in_words(one: InOne, few: OfFew, members: int, some: str) -> str:
    """Both tables in a few sentences."""
    gain = round(one.student.frames - one.alone.frames, 1)
    than = f"{abs(gain):.1f} points {'better' if gain > 0 else 'worse'} than" if gain else "as good as"
    kept = one.share(one.student)
    share = f": {100 * kept:.0f} % of the gain of {members} together" if kept is not None and gain > 0 else ""
    return (
        f"Frames named right: a single net, mean of {members}: {one.single.frames:.1f} %; {LONGER}: "
        f"{one.longer.frames:.1f} %; {_together(members)}: {one.together.frames:.1f} %; one student of theirs: "
        f"{one.student.frames:.1f} %. They mistake {one.single.words:.1f}, {one.longer.words:.1f}, "
        f"{one.together.words:.1f} and {one.student.words:.1f} % of the words. In frames the student is {than} the "
        f"better of both single nets{share}. From {some} of the recordings, labels make "
        f"{few.labels.test:.1f} % of the frames right, soft targets {few.soft.test:.1f} %."
    )


def _together(members: int) -> str:
    return "that net alone, an ensemble of one" if members == 1 else f"{members} nets together"


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 2)
