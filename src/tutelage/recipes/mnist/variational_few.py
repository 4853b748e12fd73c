"""The Variational Student where labels are few: does doubt help, does a teacher, do both?"""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from tutelage.recipes.mnist.settings import DIGITS, DRAWN, QUICK_TEACHER, TEACHER, Digits, Net, with_training
from tutelage.recipes.mnist.variational import PAPER as PAPER
from tutelage.recipes.mnist.variational import STUDENT
from tutelage.study.bounds import Above, AtMost, Distinct, NotEmpty, Seed, Within, refuse_nonsense
from tutelage.study.experiments.sparse_settings import SPARSE, Row, SparseSettings
from tutelage.study.settings import TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

ROWS: tuple[Row, ...] = ("plain", "kd", "svd", "vbd", "kd+svd", "kd+vbd")


def variational_few(
    run: "Run",
    *,
    network: Literal["lenet-300-100", "lenet-5"] = "lenet-300-100",
    shares: Annotated[tuple[Annotated[float, Above(0), AtMost(100)], ...], NotEmpty(), Distinct()] = (1, 5, 10, 100),
    rows: Annotated[tuple[Row, ...], NotEmpty(), Distinct()] = ROWS,
    longer: Annotated[int, Within(1, 1000)] = 10,
    sparse: SparseSettings = SPARSE,
    teacher: Net = TEACHER,
    student: TrainingSettings = STUDENT,
    digits: Digits = DIGITS,
    seed: Seed = 0,
) -> None:
    """Where labels are few, does it help to doubt weights, or to have a teacher?

    The students of ``mnist:variational`` on a share of the training images and their labels; the teacher had them all.
    Fewer images are seen in more epochs, and the KL takes as many more of them to count in full.

    Args:
        network: LeNet-300-100 and a wide net of two hidden layers that teaches it, or LeNet-5 and a wider one
        shares: of the training images, in %, each class in proportion; the smaller is in the larger
        rows: which students: of soft targets (kd), sparse (svd) or Bayesian (vbd) variational dropout, and the
            block-sparse penalty, together
        longer: how many times more epochs students of few images have at most; up to there, all take as many steps
        teacher: the larger network, by the width of its hidden layers, and how it is trained
        student: how students of all images are trained
        seed: of weights, order, views and noise
    """
    from tutelage.recipes.mnist import nets, sparse_nets
    from tutelage.study.evaluated import Evaluated, publish_networks
    from tutelage.study.experiments.few_labels import few_in_words, few_labels_table, with_few
    from tutelage.study.experiments.sparse_comparison import METHODS, delivered, leader_of, words
    from tutelage.study.experiments.sparse_students import Ways, ways_of
    from tutelage.study.sets import Sets

    refuse_nonsense(variational_few, locals())
    data = nets.digits_of(run, digits)
    large = sparse_nets.train_teacher(run, data, network, teacher, seed)
    build = sparse_nets.build_student(network)

    def ways(few: Sets, times: float) -> Ways:
        more = min(round(times), longer)
        training = replace(student, epochs=more * student.epochs)
        own = replace(sparse, warm_up=more * sparse.warm_up)
        return ways_of(build, nets.plan_for(few, training, seed), large.last, ("teacher", network), own)

    found = with_few(run, data, shares, rows, ways)
    table, fewest = few_labels_table(found, data), found[0]
    networks = {"teacher": Evaluated("teacher", f"the larger network, {teacher.units} hidden units", large)}
    for name, one in fewest.students.items():
        if one.small is not None:
            networks[name] = Evaluated("baseline" if name == "plain" else "student", words(name), one.small)
    publish_networks(run, data, networks, METHODS)
    run.publish(tables=[table], headline=few_in_words(fewest, table))
    if (leader := leader_of(fewest.students)) is not None:
        small = delivered(fewest.students, leader)
        run.deliver(small.last, classes=data.test.classes, input=nets.INPUT)


variational_few_smoke = partial(
    variational_few,
    shares=(40, 100),
    rows=("plain", "kd+svd"),
    longer=2,
    sparse=replace(SPARSE, warm_up=1),
    teacher=with_training(replace(TEACHER, units=60), epochs=2, lr=0.05, batch_size=25),
    student=replace(STUDENT, epochs=1, batch_size=25, lr=2e-3),
    digits=DRAWN,
)
variational_few_quick = partial(
    variational_few,
    shares=(1, 10, 100),
    rows=("plain", "kd", "svd", "kd+svd"),
    sparse=replace(SPARSE, warm_up=4),
    teacher=with_training(QUICK_TEACHER, epochs=5),
    student=replace(STUDENT, epochs=10),
    digits=replace(DIGITS, train=10_000),
)
