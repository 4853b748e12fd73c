"""The Variational Student: compact by distillation, sparse by inference, and unsure where it should be."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, PLAIN, QUICK_TEACHER, TEACHER, Digits, Net, with_training
from tutelage.study.bounds import Distinct, NotEmpty, Seed, refuse_nonsense
from tutelage.study.experiments.sparse_settings import ROWS, SPARSE, Row, SparseSettings
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Hegde, Prasad, Hebbalaguppe & Kumar 2020, arXiv:1910.12061"
STUDENT = replace(PLAIN, epochs=200, batch_size=100, lr=1e-3, optimizer="adam")


def variational(
    run: "Run",
    *,
    network: Literal["lenet-300-100", "lenet-5"] = "lenet-300-100",
    rows: Annotated[tuple[Row, ...], NotEmpty(), Distinct()] = ROWS,
    sparse: SparseSettings = SPARSE,
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
    from tutelage.recipes.mnist import nets, sparse_nets
    from tutelage.study.claims import cannot_decide
    from tutelage.study.evaluated import Evaluated
    from tutelage.study.experiments.sparse_comparison import delivered, publish_students, train_students
    from tutelage.study.experiments.sparse_students import ways_of
    from tutelage.tasks.classification import ERRORS

    refuse_nonsense(variational, locals())
    reason = cannot_decide(run, variational, locals(), free=("rows",), deciding=DECIDING)
    data = nets.digits_of(run, digits)
    large = sparse_nets.train_teacher(run, data, network, teacher, seed)
    build, plan = sparse_nets.build_student(network), nets.plan_for(data, student, seed)
    students = train_students(run, rows, ways_of(build, plan, large.last, ("teacher", network), sparse))
    wide = Evaluated("teacher", f"the larger network, {teacher.units} hidden units", large)
    published = publish_students(run, data, students, wide, network, sparse.draws, ERRORS)
    if published.leader is not None:
        run.deliver(delivered(students, published.leader).last, classes=data.test.classes, input=nets.INPUT)
    if not data.synthetic:
        sparse_nets.claim_sparse(run, network, published.found, published.measured, large.last, reason)


variational_smoke = partial(
    variational,
    rows=("plain", "kd", "kd+svd", "vbd+blocks"),
    sparse=SparseSettings(warm_up=1, draws=3),
    teacher=with_training(replace(TEACHER, units=60), epochs=3, lr=0.05, batch_size=25),
    student=replace(STUDENT, epochs=2, batch_size=50, lr=2e-3),
    digits=DRAWN,
)
variational_quick = partial(
    variational,
    rows=("plain", "kd", "svd", "kd+svd", "kd+vbd", "kd+svd+blocks"),
    sparse=SparseSettings(warm_up=8),
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
variational_full = partial(
    variational,
    rows=("plain", "kd", "svd", "kd+svd"),
    teacher=with_training(TEACHER, epochs=30),
    student=replace(STUDENT, epochs=150),
)
"""Three quarters of the published 200 epochs: 22 minutes of a core a seed."""
variational_full_lenet5 = partial(
    variational,
    network="lenet-5",
    rows=("plain", "kd", "svd", "kd+svd"),
    sparse=SparseSettings(warm_up=6),
    teacher=with_training(replace(TEACHER, units=1000), lr=0.02, epochs=8),
    student=replace(STUDENT, epochs=24, lr=2e-3),
)
"""An eighth of the published 200 epochs, at twice the rate, the KL in full after 6 instead of 20: likewise."""
DECIDING = {
    "lenet5": variational_lenet5,
    "full": variational_full,
    "full_lenet5": variational_full_lenet5,
}
"""Presets that are long enough for what was published."""
