"""The Variational Student on CIFAR-100 and CIFAR-10: a VGG whose weights are uncertain, taught by a deeper one."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

from tutelage.recipes.cifar100.settings import BRIEF, IMAGES, SMALL, SMOKE, SUBSET, Images
from tutelage.study.bounds import Distinct, NotEmpty, Seed, refuse_nonsense
from tutelage.study.experiments.sparse_settings import SPARSE, Row, SparseSettings
from tutelage.study.settings import NetworkSettings, TeacherSettings, TrainingSettings

if TYPE_CHECKING:
    from tutelage.run import Run

PAPER = "Hegde, Prasad, Hebbalaguppe & Kumar 2020, arXiv:1910.12061"
TRAINING = TrainingSettings(epochs=200, batch_size=128, lr=1e-3, schedule="cosine", optimizer="adam", weight_decay=0.0)
TEACHER = TeacherSettings(name="vgg13")
STUDENT = NetworkSettings(name="vgg8", training=TRAINING)
GOES_ON = replace(SPARSE, temperature=4.0, start="trained", deviation=0.00055)
"""As VGG was published with sparse variational dropout: on from trained weights, log σ² = −15."""
UNPAIRED: tuple[Row, ...] = ("plain", "kd", "svd", "vbd", "kd+svd", "kd+vbd")
"""Those without the block-sparse penalty, which pairs the layers of two networks of one depth."""


def variational(
    run: "Run",
    *,
    rows: Annotated[tuple[Row, ...], NotEmpty(), Distinct()] = UNPAIRED,
    sparse: SparseSettings = GOES_ON,
    teacher: TeacherSettings = TEACHER,
    student: NetworkSettings = STUDENT,
    images: Images = IMAGES,
    seed: Seed = 0,
) -> None:
    """How sparse can a VGG be that doubts its weights? Variational dropout, with a teacher and without.

    As ``mnist:variational``. The variational students, and the one that is pruned by magnitude, go on from what the
    students of sure weights have learnt, as long again.

    Args:
        rows: which students: of soft targets (kd), sparse (svd) or Bayesian (vbd) variational dropout, and the
            block-sparse penalty (blocks), together, the last for networks that have as many layers
        student: the network of all students, and how each is trained, and trained on
        seed: of the students' weights, order, views and noise
    """
    from tutelage.compress.block_sparse import paired
    from tutelage.methods.response import kd
    from tutelage.recipes.cifar100.images import INPUT, pictures_of, plan_for
    from tutelage.study.evaluated import Evaluated
    from tutelage.study.experiments.sparse_comparison import delivered, publish_students, train_students
    from tutelage.study.experiments.sparse_students import ways_of
    from tutelage.study.own.networks import PairOfNetworks, teacher_of
    from tutelage.tasks.classification import ACCURACY

    refuse_nonsense(variational, locals())
    data = pictures_of(run, images)
    pair = PairOfNetworks(teacher, student, data)
    plan = plan_for(data, student, seed)
    pair.refuse_strangers(run, plan, {"kd": kd})
    if any("blocks" in row for row in rows):
        paired(pair.build_student(), pair.build_teacher())  # told before hours are spent
    large = teacher_of(run, data, teacher, plan_for(data, teacher, teacher.seed))
    ways = ways_of(pair.build_student, plan, large.last, (teacher.name, student.name), sparse)
    students = train_students(run, rows, ways)
    wide = Evaluated("teacher", teacher.name, large)
    published = publish_students(run, data, students, wide, student.name, sparse.draws, ACCURACY)
    if published.leader is not None:
        run.deliver(delivered(students, published.leader).last, classes=data.test.classes, input=INPUT)


variational_smoke = partial(
    variational,
    rows=("kd", "svd", "kd+vbd+blocks"),
    sparse=replace(GOES_ON, warm_up=1, deviation=0.05, draws=2),
    teacher=TeacherSettings(name="wide_cnn(2)", training=replace(BRIEF, epochs=2, lr=0.02)),
    student=NetworkSettings(
        name="narrow_cnn(2)", views=2, training=replace(TRAINING, epochs=2, batch_size=32, lr=3e-3)
    ),
    images=SMOKE["images"],
)
variational_quick = partial(
    variational,
    rows=("plain", "kd", "svd", "kd+svd"),
    sparse=replace(GOES_ON, warm_up=4, deviation=0.0067),
    teacher=TeacherSettings(name="wide_cnn(6)", training=replace(SMALL, epochs=10, lr=0.1)),
    student=NetworkSettings(name="wide_cnn(4)", views=3, training=replace(TRAINING, epochs=8)),
    images=SUBSET,
)
variational_cpu = partial(
    variational,
    rows=("plain", "kd", "svd", "kd+svd"),
    sparse=replace(GOES_ON, warm_up=4, deviation=0.0067, strength=0.1, draws=4),
    teacher=TeacherSettings(name="vgg11", training=replace(SMALL, epochs=15, lr=0.1)),
    student=NetworkSettings(name="vgg8", views=3, training=replace(TRAINING, epochs=12)),
    images=SUBSET,
)
"""On 10,000 of the pictures; about 40 minutes of a core. The KL in full, a sum over 3,960,512 weights beside so few
pictures, left 14,226 of them and 8.4 % of validation right; a tenth of it left 212,188 and 35.8 %, where the student
of labels that it went on from had 37.5 % (seed 0)."""
