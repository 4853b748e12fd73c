"""Students that have the labels of few samples, with a teacher that had them all and without: as a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tutelage.compress.footprint import footprint
from tutelage.data.split import share as share_of
from tutelage.measures.calibration import calibration
from tutelage.measures.errors import errors
from tutelage.measures.predict import predict
from tutelage.plurals import counted
from tutelage.results import Curve, Table
from tutelage.run import Run
from tutelage.study.experiments.sparse_comparison import words
from tutelage.study.experiments.sparse_students import Student, Ways, student
from tutelage.study.sets import Sets


@dataclass(frozen=True, eq=False)
class Few:
    """The students of so many ``samples``, by the way they learn, and how long they did."""

    share: float
    samples: int
    epochs: int
    students: Mapping[str, Student]


def with_few(
    run: Run, data: Sets, shares: Sequence[float], rows: Sequence[str], ways: Callable[[Sets, float], Ways]
) -> list[Few]:
    """Students of ``shares`` (in %, 100 are all) of the training samples, each class in proportion, smaller ones first.

    ``ways`` says how those of a set learn, given the times that its samples are fewer. The smaller of two sets is in
    the larger.
    """
    found = []
    for share in sorted(shares):
        few = replace(data, train=share_of(data.train, share / 100))
        own = ways(few, len(data.train) / len(few.train))
        students = {row: student(run, row, own, name=f"{row}, {share:g} %") for row in rows}
        found.append(Few(share, len(few.train), own.plan.epochs, students))
    return found


def few_labels_table(found: Sequence[Few], data: Sets) -> Table:
    """What students of each share make wrong, how sure they are of it, and what is left of their weights."""
    rows: list[tuple[object, ...]] = []
    for few in found:
        for name, one in few.students.items():
            head = (name, few.share, few.samples, few.epochs)
            if one.small is None:
                rows.append((*head, *[None] * 4, one.remark))
                continue
            assert one.plain is not None
            answers = predict(one.small.last, data.test, transform=data.test_transform)
            wrong = errors(answers, data.test.targets)
            unsure = calibration(answers, data.test.targets).error
            ratio = footprint(one.plain.last).count_ratio
            share = round(100 * wrong / len(data.test), 3)
            rows.append((*head, wrong, share, round(100 * unsure, 3), round(ratio, 2), None))
    return Table(
        title="Few labels",
        columns=("student", "labels, %", "samples", "epochs", "test errors", "error, %", "calibration error, %",
                 "× fewer weights", "remark"),
        rows=tuple(rows),
        note="The teacher had all labels. Variational dropout on labels alone (svd, vbd) is the Bayesian baseline, "
        "plain the other one.",
        curve=Curve("labels, %", "error, %", "student", log_x=True),
    )  # fmt: skip


def few_in_words(few: Few, table: Table) -> str:
    """What the students of the fewest labels make wrong, in a sentence."""
    errors = {row[0]: row[4] for row in table.rows if row[1] == few.share and row[4] is not None}
    told = "; ".join(f"{wrong:,} by {words(name)}" for name, wrong in errors.items())
    return f"With the labels of {counted(few.samples, 'sample')}, test errors are: {told or 'none measured'}."
