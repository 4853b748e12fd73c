"""How sure networks are, as tables: when they are right, and when a sample is of another kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from tutelage.compress.variational import is_variational
from tutelage.data.labelled import Labelled
from tutelage.measures.calibration import calibration
from tutelage.measures.entropy import entropy
from tutelage.measures.errors import errors
from tutelage.measures.monte_carlo import monte_carlo
from tutelage.measures.outside import detected, outside
from tutelage.measures.predict import predict
from tutelage.results import Curve, Table
from tutelage.study.experiments.sparse_students import Student
from tutelage.study.sets import Sets

ALARMS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of the test samples that are taken for strangers, at which it is told how many strangers are."""
ENOUGH = 20
"""Samples of a bin whose share of right answers is told."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What a network answers to the test samples, and to each set of strangers: logits."""

    own: Tensor
    strangers: Mapping[str, Tensor]


def asked(students: Mapping[str, Student], data: Sets, strangers: Sequence[Labelled], passes: int) -> dict[str, Asked]:
    """The answers of each student: by its mean weights, and, of a random one, by ``passes`` draws of them besides."""
    found = {}
    draw = partial(monte_carlo, random=is_variational, passes=passes)
    for name, one in students.items():
        ways = [(name, predict, one.plain)] if one.plain is not None else []
        ways += [(drawn(name, passes), draw, one.trained)] if one.is_random else []
        for label, ask, network in ways:
            own, *others = (ask(network.last, x, transform=data.test_transform) for x in (data.test, *strangers))
            found[label] = Asked(own, {x.name: y for x, y in zip(strangers, others, strict=True)})
    return found


def drawn(name: str, passes: int) -> str:
    """How a student is called whose weights are drawn so many times.

    >>> drawn("kd+svd", 16)
    'kd+svd, 16 draws'
    """
    return f"{name}, {passes} draws"


def certainty_table(answers: Mapping[str, Asked], targets: Tensor) -> Table:
    """Whether each student is as often right as it says, and whether strangers make it less sure than its own samples.

    ``targets`` (N,) are those of the test samples.
    """
    rows, strangers = [], list(next(iter(answers.values())).strangers) if answers else []
    for label, one in answers.items():
        told = [outside(entropy(one.own), entropy(other)) for other in one.strangers.values()]
        rows.append((
            label, errors(one.own, targets), round(100 * calibration(one.own, targets).error, 3),
            round(entropy(one.own).mean().item(), 4),
            *(round(x, 4) for one in told for x in (one.auroc, one.false_alarms)),
        ))  # fmt: skip
    columns = [c for name in strangers for c in (f"AUROC, {name}", f"false alarms, {name}")]
    return Table(
        title="Certainties of the students",
        columns=("student", "errors", "calibration error, %", "mean entropy", *columns),
        rows=tuple(rows),
        note="Entropies are in nats. AUROC is how well they tell strangers from test samples, 0.5 by chance; false "
        "alarms are test samples that are as uncertain as all but 5 % of the strangers.",
    )


def reliability_table(answers: Mapping[str, Asked], targets: Tensor) -> Table:
    """How many answers are right among those of about one confidence, where there are ``ENOUGH`` of them."""
    rows: list[tuple[str, float, float, float | None]] = []
    for label, one in answers.items():
        found = calibration(one.own, targets, num_bins=10)
        for edge, right, share in zip(found.edges[1:], found.accuracy, found.share, strict=True):
            is_known = right is not None and round(share * len(targets)) >= ENOUGH
            accuracy = round(100 * right, 2) if right is not None and is_known else None
            rows.append((label, round(100 * edge), round(100 * share, 2), accuracy))
    return Table(
        title="Reliability of the students",
        columns=("student", "confidence up to, %", "of the samples, %", "right, %"),
        rows=tuple(rows),
        note=f"In bins of 10 % of confidence that hold {ENOUGH} test samples or more.",
        curve=Curve("confidence up to, %", "right, %", "student"),
    )


def strangers_tables(answers: Mapping[str, Asked]) -> list[Table]:
    """How many strangers are noticed by their entropy, for how many false alarms: a table for each kind of them."""
    kinds = next(iter(answers.values())).strangers if answers else {}
    return [_strangers_table(answers, kind) for kind in kinds]


def _strangers_table(answers: Mapping[str, Asked], kind: str) -> Table:
    rows = []
    for label, one in answers.items():
        shares = detected(entropy(one.own), entropy(one.strangers[kind]), ALARMS)
        rows += [(label, 100 * x, round(100 * y, 2)) for x, y in zip(ALARMS, shares, strict=True)]
    return Table(
        title=f"Strangers noticed: {kind}",
        columns=("student", "false alarms, %", "noticed, %"),
        rows=tuple(rows),
        note="A sample is taken for a stranger whose entropy is above that of all but so many % of the test samples.",
        curve=Curve("false alarms, %", "noticed, %", "student"),
    )
