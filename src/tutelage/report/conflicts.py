"""Where losses pull apart: cosines between their gradients, and terms whose gradient drowns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TypeAlias

from tutelage.report.groups import Group
from tutelage.report.numbers import significant
from tutelage.report.statistics import History, Means, Row, history
from tutelage.results import DROWNED

FIRST = ("", "backbone", "head")  # the parts that come before the stages of a network
NAMED = 4  # stages that a warning names, of more it says how many
Place: TypeAlias = tuple[str, tuple[str, ...], str]  # what a statistic is, of which terms, on which part


@dataclass(frozen=True)
class Conflict:
    """The gradients of one stage's terms, means over its epochs and over seeds.

    ``cosine`` and ``negative`` (the share of looks in which the cosine was negative) have a row a pair and a column a
    part of the network, ``None`` where no parameter of the part is reached by both. The part with the empty name is all
    parameters that terms share. ``relative`` is the length of a term's gradient over the longest one's.
    """

    group: str
    stage: str
    learner: str
    epochs: int
    pairs: tuple[tuple[str, ...], ...]
    parts: tuple[str, ...]
    cosine: tuple[Row, ...]
    negative: tuple[Row, ...]
    relative: dict[str, float]

    @property
    def drowned(self) -> dict[str, float]:
        """Term -> relative length of its gradient, for those that are not heard."""
        return {term: length for term, length in self.relative.items() if length < DROWNED}


def conflicts_of(group: Group) -> tuple[Conflict, ...]:
    """What was seen of conflicts in each stage; the stage of the group's main network comes first."""
    stages = group.statistics.items()
    pairs = [(stage, learner, _of(every, learner)) for stage, every in stages for learner in _learners(every)]
    return tuple(_conflict(group.name, *each) for each in pairs)


def cosines_over_time(group: Group, conflict: Conflict) -> History:
    """The cosine of every pair on all shared parameters, over epochs."""
    mine = _of(group.statistics[conflict.stage], conflict.learner)
    return history({pair: mine.get(("cosine", pair, ""), {}) for pair in conflict.pairs})


def on_part(conflict: Conflict, part: str) -> list[tuple[tuple[str, ...], float | None, float | None]]:
    """(pair, mean cosine, share of negative ones) for every pair on a part of the network, if it was seen."""
    if part not in conflict.parts:
        return []
    place = conflict.parts.index(part)
    rows = zip(conflict.pairs, conflict.cosine, conflict.negative, strict=True)
    return [(pair, cosines[place], negatives[place]) for pair, cosines, negatives in rows]


def lengths(conflict: Conflict) -> dict[str, str]:
    """Term -> length of its gradient in per cent of the longest one's, in words; the longest first."""
    order = sorted(conflict.relative.items(), key=lambda item: -item[1])
    drowned = conflict.drowned
    return {term: f"{_percent(length)} %{' (drowned)' if term in drowned else ''}" for term, length in order}


def drowned_warnings(conflicts: Sequence[Conflict]) -> tuple[str, ...]:
    """A sentence for each term that drowns; where several stages were watched, it says in which.

    >>> seen = Conflict("", "student", "student", 5, (), (), (), (), {"label": 1.0, "hint": 0.0031})
    >>> drowned_warnings([seen])
    ('hint is drowned: its gradient is 0.3 % of label’s.',)
    """
    terms: dict[str, list[Conflict]] = {}
    for conflict in conflicts:
        for term in conflict.drowned:
            terms.setdefault(term, []).append(conflict)
    return tuple(_warning(term, some, len(conflicts)) for term, some in terms.items())


def _warning(term: str, some: Sequence[Conflict], total: int) -> str:
    lengths = sorted(conflict.drowned[term] for conflict in some)
    low, high = _percent(lengths[0]), _percent(lengths[-1])
    share = f"{high} %" if low == high else f"{low} to {high} %"
    whose = {_longest(conflict.relative) for conflict in some}
    whom = whose.pop() if len(whose) == 1 else "the longest"
    return f"{term} is drowned{_where(some, total)}: its gradient is {share} of {whom}."


def _where(some: Sequence[Conflict], total: int) -> str:
    names = list(dict.fromkeys(": ".join(filter(None, (conflict.group, conflict.stage))) for conflict in some))
    if total == 1:
        return ""
    if len(some) == 1:
        return f" in {names[0]}"
    count = f" in {len(some)} of {total} stages" if len(some) < total else f" in all {total} stages"
    return f"{count} ({', '.join(names)})" if len(some) < total and len(names) <= NAMED else count


def _longest(relative: Mapping[str, float]) -> str:
    """Whose gradient the others are compared with: one term's, if it is the longest in nearly every look."""
    term = max(relative, key=lambda name: relative[name])
    return f"{term}’s" if relative[term] > 0.995 else "the longest"


def _percent(share: float) -> str:
    percent = 100 * share
    if percent < 0.01:
        return "0" if percent == 0 else "below 0.01"
    return significant(percent, 1 if percent < 0.95 else 2) if percent < 10 else f"{percent:.0f}"


def _learners(every: Means) -> list[str]:
    return list(dict.fromkeys(learner for learner, about in every if about.what == "cosine"))


def _of(every: Means, learner: str) -> dict[Place, dict[int, float]]:
    """What a learner's gradients showed; which module kept it does not matter."""
    return {(about.what, about.about, about.part): line for (who, about), line in every.items() if who == learner}


def _conflict(group: str, stage: str, learner: str, mine: Mapping[Place, Mapping[int, float]]) -> Conflict:
    average = {place: round(fmean(line.values()), 4) for place, line in mine.items()}
    cosines = [(pair, part) for what, pair, part in mine if what == "cosine"]
    pairs = tuple(dict.fromkeys(pair for pair, _ in cosines))
    names = dict.fromkeys(part for _, part in cosines)
    parts = tuple(sorted(names, key=lambda part: FIRST.index(part) if part in FIRST else len(FIRST)))
    cosine, negative = (
        tuple(tuple(average.get((what, pair, part)) for part in parts) for pair in pairs)
        for what in ("cosine", "negative")
    )
    relative = {  # of the middle epoch: a loud first one does not hide that a term is drowned in all others
        term[0]: round(median(line.values()), 4)
        for (what, term, part), line in mine.items() if what == "relative" and not part
    }  # fmt: skip
    epochs = {epoch for (what, _, _), line in mine.items() if what == "cosine" for epoch in line}
    return Conflict(group, stage, learner, len(epochs), pairs, parts, cosine, negative, relative)
