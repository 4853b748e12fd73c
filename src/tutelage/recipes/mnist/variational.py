"""The Variational Student: compact by distillation, sparse by inference, and unsure where it should be."""

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, PLAIN, QUICK_TEACHER, TEACHER, Digits, Net, with_training
from tutelage.study.bounds import (
    Above,
    AtMost,
    Count,
    Distinct,
    Epochs,
    NotEmpty,
    Seed,
    Temperature,
    Weight,
    refuse_nonsense,
)
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Hegde, Prasad, Hebbalaguppe & Kumar 2020, arXiv:1910.12061"

Row: TypeAlias = Literal[
    "plain", "kd", "svd", "vbd", "kd+svd", "kd+vbd",
    "plain+blocks", "kd+blocks", "svd+blocks", "vbd+blocks", "kd+svd+blocks", "kd+vbd+blocks",
]  # fmt: skip
ROWS: tuple[Row, ...] = (
    "plain", "kd", "svd", "vbd", "kd+svd", "kd+vbd",
    "plain+blocks", "kd+blocks", "svd+blocks", "vbd+blocks", "kd+svd+blocks", "kd+vbd+blocks",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sparse:
    """How a variational student is taught, and what is noise."""

    temperature: Temperature = 2.0
    """softness of the teacher's targets"""
    soft: Weight = 2.0
    """weight of the teacher's targets, beside labels of weight 1"""
    warm_up: Epochs = 20
    """epochs until the KL counts in full; in the first quarter of them it counts nothing"""
    deviation: Annotated[float, Above(0), AtMost(1)] = 0.0067
    """standard deviation that every weight begins with"""
    threshold: Annotated[float, Above(0), AtMost(9.9)] = 3.0
    """log α from which on a weight is noise, and 0"""
    blocks: Weight = 1e-3
    """weight of the block-sparse penalty, which is summed over blocks and divided by the training samples"""
    draws: Count = 16
    """random passes of a prediction that knows how unsure it is"""


SPARSE = Sparse()
STUDENT = replace(PLAIN, epochs=200, batch_size=100, lr=1e-3, optimizer="adam")


def variational(
    run: "Run",
    *,
    network: Literal["lenet-300-100", "lenet-5"] = "lenet-300-100",
    rows: Annotated[tuple[Row, ...], NotEmpty(), Distinct()] = ROWS,
    sparse: Sparse = SPARSE,
    teacher: Net = TEACHER,
    student: TrainingSettings = STUDENT,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """How sparse can a student be that doubts its weights? Variational dropout, with a teacher and without.

    The same small network learns from labels or from a larger one, its weights sure or uncertain; what is mostly noise
    is 0 in the end. Beside it, the student of soft targets is pruned by magnitude to as many weights.

    Args:
        network: LeNet-300-100 and a wide net of two hidden layers that teaches it, or LeNet-5 and a wider one, which
            needs a smaller rate (the preset lenet5)
        rows: which students: of soft targets (kd), sparse (svd) or Bayesian (vbd) variational dropout, and the
            block-sparse penalty, together
        teacher: the larger network, by the width of its hidden layers, and how it is trained
        student: how all students are trained
        seed: of weights, order, views and noise
    """
    from math import log

    from tutelage.methods.response import softened
    from tutelage.methods.weights import rising
    from tutelage.recipes.mnist import nets, sparse_nets
    from tutelage.schemes.by_method import Teaching
    from tutelage.study import certainty_tables, sparse_students, sparse_tables
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated, publish_networks

    refuse_nonsense(variational, locals())
    reason = cannot_decide(run, variational, locals(), free=("rows",), deciding={"lenet5": variational_lenet5})
    data = nets.digits_of(run, digits)
    build = sparse_nets.build_student(network)
    large = sparse_nets.train_teacher(run, data, network, teacher, seed)
    method = partial(softened, temperature=sparse.temperature, label=1.0, soft=sparse.soft)
    ways = sparse_students.Ways(
        build=build,
        plan=nets.plan_for(data, student, seed),
        teaching=Teaching(method, large.last, ("teacher", network)),
        beta=partial(rising, begin=sparse.warm_up / 4, end=sparse.warm_up),
        log_variance=2 * log(sparse.deviation),
        threshold=sparse.threshold,
        blocks=sparse.blocks,
    )
    students: dict[str, sparse_students.Student] = {}
    for row in rows:
        students[row] = sparse_students.student(run, row, ways)
    found = sparse_students.counted(students)
    if (rival := sparse_nets.rival_of(students)) is not None:
        share = 1 - found[rival].nonzero / found[rival].weights
        alone = students["kd"].trained
        students[sparse_nets.RIVAL] = sparse_students.pruned_by_magnitude(run, sparse_nets.RIVAL, alone, share, ways)
        found = sparse_students.counted(students)

    leader = sparse_nets.leader_of(students)
    networks = {"teacher": Evaluated("teacher", f"the larger network, {teacher.units} hidden units", large)}
    for name in sorted(found, key=lambda name: name != leader):
        finished = students[name].small
        assert finished is not None
        networks[name] = Evaluated("baseline" if name == "plain" else "student", sparse_nets.words(name), finished)
    measured = publish_networks(run, data, networks, sparse_nets.METHODS)
    errors = nets.errors_of(measured)
    answers = certainty_tables.asked(students, data, sparse_nets.strangers(data.test), sparse.draws)
    told = {name: one for name, one in answers.items() if name.partition(",")[0] in ("kd", leader)}
    taken_out = sparse_tables.removal_table(students, data.example)
    run.publish(
        tables=[
            sparse_tables.sizes_table(students, found, errors, large.last),
            *([taken_out] if taken_out.rows else []),
            sparse_tables.layers_table(found),
            certainty_tables.certainty_table(answers, data.test.targets),
            certainty_tables.reliability_table(told, data.test.targets),
            certainty_tables.strangers_table(told),
        ],
        headline=sparse_nets.headline(network, found, errors, leader),
    )
    if leader is not None:
        delivered = networks[leader].finished.last
        run.deliver(delivered, classes=data.test.classes, input=nets.INPUT)
    if not data.synthetic:
        sparse_nets.claim_sparse(run, network, found, measured, large.last, reason)


variational_smoke = partial(
    variational,
    rows=("plain", "kd", "kd+svd", "vbd+blocks"),
    sparse=Sparse(warm_up=1, draws=3),
    teacher=with_training(replace(TEACHER, units=60), epochs=3, lr=0.05, batch_size=25),
    student=replace(STUDENT, epochs=2, batch_size=50, lr=2e-3),
    digits=DRAWN,
)
variational_quick = partial(
    variational,
    rows=("plain", "kd", "svd", "kd+svd", "kd+vbd", "kd+svd+blocks"),
    sparse=Sparse(warm_up=8),
    teacher=with_training(QUICK_TEACHER, epochs=5),
    student=replace(STUDENT, epochs=20),
    digits=replace(DIGITS, train=10_000),
)
variational_lenet5 = partial(
    variational,
    network="lenet-5",
    teacher=with_training(
        replace(TEACHER, units=1000), lr=0.02
    ),  # at the rate of a net without convolutions it diverges
)
