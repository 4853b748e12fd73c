"""Ways down from a teacher to a student: which was best, which the paper's rule would have chosen, what each gained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tutelage.results import Curve, Metric, Network, Table
from tutelage.study.comparison import BASELINE

ARROW = " → "
STEPS = ("NOKD", "BLKD", "TAKD")
"""As the paper calls a student alone, one taught by the teacher itself, and one taught by way of assistants."""


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
    def single(self) -> dict[str, str]:
        """The assistants, and the way through each of them alone."""
        return {name: ARROW.join((self.names[0], name, self.names[-1])) for name in self.names[1:-1]}

    @property
    def chosen(self) -> str:
        """Of the ways through one assistant or more, the one whose student is best on validation; the first of equals.

        The direct one where there is no assistant.
        """
        longer = [way for way in self.to_student if way != self.direct]
        return min(longer, key=self._validation, default=self.direct)

    @property
    def best(self) -> str:
        """The way whose student is best on validation, the direct one included; the first of equals."""
        return min(self.to_student, key=self._validation)

    @property
    def nearest(self) -> str:
        """The assistant that alone comes nearest to the mean of teacher and student alone: the paper's rule."""
        return min(self.single, key=self.distance, default="")

    def distance(self, name: str) -> float:
        """How far a network alone is from the mean of the teacher and the student alone."""
        mean = (self.alone(self.names[0]) + self.alone(self.names[-1])) / 2
        return abs(self.alone(name) - mean)

    def alone(self, name: str) -> float:
        return self.value(BASELINE if name == self.names[-1] else name)

    def value(self, network: str) -> float:
        return self.networks[network].scores[self.metric.name].value

    def gain(self, network: str, over: str) -> float:
        return round(self.metric.gain(self.value(network), over=self.value(over)), 2)

    def _validation(self, way: str) -> float:
        value = (self.networks[way].validation or {}).get(self.metric.name)
        if value is None:  # nothing was set apart, or what was measured is no number
            return float("inf")
        return value if self.metric.better == "lower" else -value


def tables_of(ways: Ways) -> list[Table]:
    """The three rows of the paper, every way, and every size alone beside what it is worth as an assistant."""
    return [_rows(ways), _every_way(ways), _sizes(ways)]


def in_words(ways: Ways) -> str:
    """Alone, taught directly, taught by the best way through assistants, and what the paper's rule says to that."""
    metric, student = ways.metric, ways.names[-1]
    named = {name: f"{ways.value(name):g} {metric.unit or metric.name}" for name in (BASELINE, ways.direct)}
    words = f"{student} alone: {named[BASELINE]}; taught by {ways.names[0]}: {named[ways.direct]}"
    if not ways.single:
        return f"{words}."
    through = ways.chosen.split(ARROW)[1:-1]
    rule = ways.single[ways.nearest]
    words += f"; by way of {' and '.join(through)}, the best on validation: {ways.value(ways.chosen):g}."
    return f"{words} The assistant that alone is nearest to the mean of both is {ways.nearest}: {ways.value(rule):g}."


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
        note=f"NOKD: labels alone; BLKD: taught by the teacher; TAKD: by the way through assistants that is best on "
        f"validation. Test {ways.metric.name} after the last epoch.",
        paired=tuple(over),
    )


def _every_way(ways: Ways) -> Table:
    rows = [
        (
            way,
            len(way.split(ARROW)) - 2,
            _rounded(ways.networks[way].validation, ways.metric),
            ways.value(way),
            ways.gain(way, BASELINE),
            ways.gain(way, ways.direct),
            "best on validation" if way == ways.best else "",
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
        "the one before it alone.",
        paired=("over NOKD", "over BLKD"),
    )


def _sizes(ways: Ways) -> Table:
    rows = []
    for name in ways.names:
        network = ways.networks[BASELINE if name == ways.names[-1] else name]
        way = ways.single.get(name)
        rows.append((
            name, network.parameters, ways.alone(name), round(ways.distance(name), 2),
            None if way is None else ways.value(way), None if way is None else ways.gain(way, ways.direct),
            "nearest to the mean" if name == ways.nearest else "",
        ))  # fmt: skip
    return Table(
        title="Sizes alone, and as the only assistant",
        columns=(
            "network",
            "parameters",
            f"{ways.metric.name} alone",
            "from the mean",
            f"student's {ways.metric.name}",
            "over BLKD",
            "remark",
        ),
        rows=tuple(rows),
        note="The paper's rule: the best assistant is that which alone is nearest to the mean of teacher and student.",
        curve=Curve("parameters", "over BLKD", log_x=True),
        paired=("over BLKD",),
    )


def _rounded(validation: Mapping[str, float] | None, metric: Metric) -> float | None:
    value = (validation or {}).get(metric.name)
    return None if value is None else round(value, 2)
