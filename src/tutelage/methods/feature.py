"""Methods that learn from what the teacher's layers show."""

from tutelage.losses import overhaul
from tutelage.losses import review as reviewed
from tutelage.losses.attention import attention_maps
from tutelage.losses.hint import mean_squares, normed_regressor
from tutelage.losses.simkd import borrowing, fed_features
from tutelage.losses.srrl import SoftmaxRegression, connector
from tutelage.losses.vid import VariationalInformation
from tutelage.matching.one_to_one import OneToOne, one_to_one
from tutelage.matching.projected import LazyLoss, projected
from tutelage.matching.review import Review
from tutelage.methods.pair import Pair, with_student
from tutelage.objective import Loss, Objective, Term


def hint(pair: Pair) -> Objective:
    """What later comparisons call FitNet: CE + 100 · MSE at the middle map. github.com/HobbitLong/RepDistiller."""
    students, teachers = pair.maps()
    middle = len(students) // 2
    loss = projected(mean_squares, normed_regressor)
    return Objective(label=pair.labels(), hint=Term(loss, students[middle], teachers[middle], weight=100.0))


def at(pair: Pair) -> Objective:
    """Attention transfer: CE + 1000 · Σ over the maps. github.com/HobbitLong/RepDistiller."""
    return Objective(label=pair.labels(), attention=Term(_summed(attention_maps, pair), *pair.maps(), weight=1000.0))


def srrl(pair: Pair) -> Objective:
    """Features and their softmax regression: CE + FM + SR, both mean squares. github.com/jingyang2017/KD_SRRL."""
    loss = projected(SoftmaxRegression(pair.head()), connector)
    student, _ = pair.last_maps()
    _, teacher = pair.embeddings()
    return Objective(label=pair.labels(), regression=Term(loss, student, teacher))


@with_student(borrowing)
def simkd(pair: Pair) -> Objective:
    """The teacher's classifier is borrowed, and only fed: MSE at the last map, no labels. github.com/DefangChen/SimKD.

    The student has to be one that borrows: ``losses.simkd.borrowing`` builds it.
    """
    _, teacher = pair.last_maps()
    return Objective(fed=Term(fed_features, "student.projector", teacher))


def vid(pair: Pair) -> Objective:
    """Variational information: CE + Σ over the maps. github.com/HobbitLong/RepDistiller."""
    measured = [LazyLoss(VariationalInformation.between) for _ in pair.of_student.maps]
    matched = one_to_one(measured, weights=[1.0] * len(measured))
    return Objective(label=pair.labels(), information=Term(matched, *pair.maps()))


def ofd(pair: Pair) -> Objective:
    """Overhauled features, read before the ReLU: CE + Σ 2^(i+1−n)/1000 · partial squares, the teacher in eval mode.

    github.com/clovaai/overhaul-distillation, which leaves the teacher in train mode.
    """
    losses = []
    for name in pair.of_teacher.norms:
        if name is None:
            raise ValueError(
                "OFD reads its margins from the batch norm before each layer's ReLU; the teacher lacks one."
            )
        norm = pair.teacher.get_submodule(name)
        losses.append(projected(overhaul.PartialSquares(overhaul.margins(norm)), overhaul.connector))  # type: ignore[arg-type]
    matched = one_to_one(losses, weights=overhaul.published_weights(len(losses)))
    return Objective(label=pair.labels(), overhauled=Term(matched, *pair.preactivations()))


def review(pair: Pair) -> Objective:
    """Knowledge review of the maps before their ReLU and of the embedding, growing over the first 20 of 240 epochs.

    CE + w · review, w = 0.6 for resnet56 → resnet20 and other thin pairs, 1 for resnet110 → resnet32, 8 for
    ShuffleNetV2, 5 elsewhere. github.com/dvlab-research/ReviewKD, CIFAR-100/script.
    """
    student_channels, teacher_channels = pair.channels(preactivations=True)
    widths = pair.widths()
    matched = Review([*student_channels, widths[0]], [*teacher_channels, widths[1]], reviewed.hierarchical_context)
    students, teachers = pair.preactivations()
    student, teacher = pair.embeddings()
    grow, weight = pair.growing(20), _review_weight(*pair.named)
    term = Term(matched, [*students, student], [*teachers, teacher], weight=lambda clock: weight * grow(clock))
    return Objective(label=pair.labels(), review=term)


def _review_weight(teacher: str, student: str) -> float:
    if student == "resnet32" and teacher == "resnet110":
        return 1.0
    if all(name.startswith("resnet") and "x" not in name for name in (teacher, student)):
        return 0.6
    return 8.0 if student.startswith("shufflenet_v2") else 5.0


def _summed(loss: Loss, pair: Pair) -> OneToOne:
    return one_to_one(loss, weights=[1.0] * len(pair.of_student.maps))
