"""Ways down from a teacher to a student: which was best, which the paper's rule would have chosen, what each gained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite

from tutelage.results import Curve, Metric, Network, Table
from tutelage.study.comparison import BASELINE
from tutelage.study.experiments.choice import figure, picked, validation

ARROW = " → "
STEPS = ("NOKD", "BLKD", "TAKD")
"""As the paper calls a student alone, one taught by the teacher itself, and one taught by way of assistants."""
_IN_FULL = "NOKD, no distillation: labels alone; BLKD, baseline distillation: taught by the teacher"


@dataclass(frozen=True)
class Ways:
    """Networks by their ``names``, from the teacher down to the student, measured along all ways and alone.

    ``networks`` has them by way (``a → b → c``) and, where nobody taught them, by name; the student alone is the
    baseline.
    """

    names: Sequence[str]
    networks: Mapping[str, Network]
    metric: Metric

    @property
    def direct(self) -> str:
        return ARROW.join((self.names[0], self.names[-1]))

    @property
    def full(self) -> str:
        """The way through every assistant."""
        return ARROW.join(self.names)

    @property
    def to_student(self) -> list[str]:
        """All ways to the student, short ones and those through large assistants first."""
        ways = [way for way in self.networks if ARROW in way and way.split(ARROW)[-1] == self.names[-1]]
        return sorted(ways, key=lambda way: [way.count(ARROW), *map(self.names.index, way.split(ARROW))])

    @property
    def through(self) -> list[str]:
        """The ways to the student through one assistant or more."""
        return [way for way in self.to_student if way != self.direct]

    @property
    def single(self) -> dict[str, str]:
        """The assistants, and the way through each of them alone."""
        return {name: ARROW.join((self.names[0], name, self.names[-1])) for name in self.names[1:-1]}

    @property
    def chosen(self) -> str:
        """Of the ways through one assistant or more, the one whose student is best on validation; the first of equals.

        The direct one where there is no assistant.
        """
        return picked(self.through, self.networks, self.metric) or self.direct

    @property
    def best(self) -> str:
        """The way whose student is best on validation, the direct one included; the first of equals."""
        return picked(self.to_student, self.networks, self.metric)

    @property
    def nearest(self) -> str:
        """The assistant that alone, on validation, comes nearest to the mean of teacher and student: the paper's rule.

        It chooses before any student of an assistant is looked at, and never by the test set.
        """
        return min(self.single, key=self.distance, default="")

    def distance(self, name: str) -> float:
        """How far a network alone is from the mean of the teacher and the student alone, on validation.

        Infinite where one of the three was not validated, or has no number.
        """
        one, teacher, student = (validation(self.alone(x), self.metric) for x in (name, self.names[0], self.names[-1]))
        return inf if one is None or teacher is None or student is None else abs(one - (teacher + student) / 2)

    def alone(self, name: str) -> Network:
        """A network that nobody taught."""
        return self.networks[BASELINE if name == self.names[-1] else name]

    def value(self, network: str) -> float:
        return self.networks[network].scores[self.metric.name].value

    def gain(self, network: str, over: str) -> float:
        return round(self.metric.gain(self.value(network), over=self.value(over)), 2)


def tables_of(ways: Ways) -> list[Table]:
    """The three rows of the paper, every way, and every size alone beside what it is worth as an assistant."""
    return [_rows(ways), _every_way(ways), _sizes(ways)]


def in_words(ways: Ways) -> str:
    """Alone, taught directly, taught by the best way through assistants, and what the paper's rule says to that."""

    def told(name: str, *, named: bool = False) -> str:
        return figure(ways.networks[name], ways.metric, named=named)

    words = f"{ways.names[-1]} alone: {told(BASELINE, named=True)}; taught by {ways.names[0]}: {told(ways.direct)}"
    by_way = f"by way of {' and '.join(ways.chosen.split(ARROW)[1:-1])}"
    if len(ways.single) < 2:
        return f"{words}; {by_way}: {told(ways.chosen)}." if ways.single else f"{words}."
    which = f"the best on validation of the {len(ways.through)} ways through assistants"
    behind = ", where the direct way is not worse" if ways.best == ways.direct else ""
    words += f"; {by_way}, {which}{behind}: {told(ways.chosen)}."
    rule = f"By way of {ways.nearest}, which alone is nearest to the mean of both on validation"
    return f"{words} {rule}: {told(ways.single[ways.nearest])}."


def _rows(ways: Ways) -> Table:
    over = [f"over {name}" for name in STEPS[:2]]
    rows = [(step, way, ways.value(network), ways.gain(network, BASELINE), ways.gain(network, ways.direct))
            for step, way, network in zip(STEPS, (ways.names[-1], ways.direct, ways.chosen),
                                          (BASELINE, ways.direct, ways.chosen), strict=True)]  # fmt: skip
    if ways.single:
        fixed = {"all assistants": ways.full, "nearest to the mean": ways.single[ways.nearest]}
        rows += [(step, way, ways.value(way), ways.gain(way, BASELINE), ways.gain(way, ways.direct))
                 for step, way in fixed.items()]  # fmt: skip
    return Table(
        title="With and without assistants",
        columns=("student", "way", ways.metric.name, *over),
        rows=tuple(rows),
        note=f"{_IN_FULL}; TAKD, distillation by teacher assistants: by the way through them that is best on "
        f"validation, and some of its lead is the luck of being picked. Test {ways.metric.name} after the last epoch.",
        paired=tuple(over),
    )


def _every_way(ways: Ways) -> Table:
    rows = [
        (
            way,
            len(way.split(ARROW)) - 2,
            _rounded(ways.networks[way], ways.metric),
            ways.value(way),
            ways.gain(way, BASELINE),
            ways.gain(way, ways.direct),
            _remark(way, ways),
        )
        for way in ways.to_student
    ]
    return Table(
        title="Ways down to the student",
        columns=(
            "way",
            "assistants",
            f"validation {ways.metric.name}",
            ways.metric.name,
            "over NOKD",
            "over BLKD",
            "remark",
        ),
        rows=tuple(rows),
        note=f"Test {ways.metric.name} of {ways.names[-1]} after the last epoch; each network of a way is taught by "
        f"the one before it alone. {_IN_FULL}.",
        paired=("over NOKD", "over BLKD"),
    )


def _sizes(ways: Ways) -> Table:
    rows = []
    for name in ways.names:
        network, way = ways.alone(name), ways.single.get(name)
        distance = round(ways.distance(name), 2) if isfinite(ways.distance(name)) else None
        rows.append((
            name, network.parameters, _rounded(network, ways.metric), network.scores[ways.metric.name].value, distance,
            None if way is None else ways.value(way), None if way is None else ways.gain(way, ways.direct),
            "nearest to the mean" if name == ways.nearest else "",
        ))  # fmt: skip
    return Table(
        title="Sizes alone, and as the only assistant",
        columns=(
            "network",
            "parameters",
            f"validation {ways.metric.name}",
            f"{ways.metric.name} alone",
            "from the mean",
            f"student's {ways.metric.name}",
            "over BLKD",
            "remark",
        ),
        rows=tuple(rows),
        note="The paper's rule: the best assistant is that which alone is nearest to the mean of teacher and student, "
        "here on validation.",
        curve=Curve("parameters", "over BLKD", log_x=True) if len(ways.single) > 2 else None,
        paired=("over BLKD",),
    )


def _remark(way: str, ways: Ways) -> str:
    if way == ways.best:
        return "best on validation"
    return "best of those through assistants" if way == ways.chosen else ""


def _rounded(network: Network, metric: Metric) -> float | None:
    value = validation(network, metric)
    return None if value is None else round(value, 2)
