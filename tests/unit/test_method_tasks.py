"""Which methods suit which tasks: those whose terms compare what the task's answers are; no other is refused."""

from functools import partial

import pytest
import torch
from torch import nn

from examples import SGD, run
from task_networks import CASES, SIZE, Segmenter, UNet
from tutelage.data.lesson import Lesson
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.dkd import dkd
from tutelage.losses.kd import soft_targets
from tutelage.losses.pixelwise import pixelwise_targets
from tutelage.methods.by_name import family, method, methods
from tutelage.methods.check import check_methods
from tutelage.methods.pair import Pair
from tutelage.methods.suited import refuse_unsuited
from tutelage.models.outline import outline
from tutelage.objective import Objective, Term
from tutelage.optimizers.usual import sgd
from tutelage.schemes.mutual import from_each
from tutelage.schemes.plan import Plan
from tutelage.tasks.classification import CLASSIFICATION
from tutelage.tasks.multi_label import MULTI_LABEL
from tutelage.tasks.segmentation import SEGMENTATION
from tutelage.teachers.frozen import frozen

pytestmark = pytest.mark.slow

OTHERS = [name for name in CASES if name != "classification"]
OF_CLASSES = ["dkd", "dist", "nkd", "wsl", "standardized", "multi_level"]
OF_CLASSES += ["ban", "ban_labels", "cwtm", "dkpp", "refinery_both_ways"]
OF_MAPS = ["hint", "at", "sp", "vid", "ofd", "hint_last", "attend_dot", "semckd", "from_last"]
OF_EMBEDDINGS = ["rkd", "cosines", "cc", "pkt", "crd", "crd_kd", "srrl", "review", "direction"]


def pair(name):
    case = CASES[name]
    return Pair(case.teacher(), case.student(), Lesson(case.data(), batch_size=16), 2, task=case.task)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("of_classes", OF_CLASSES)
def test_what_compares_probabilities_of_classes_is_for_classifications(name, of_classes):
    sentence = rf"The method {of_classes} cannot be .* logits of classes of which one holds, and .* the task .*; kd "
    with pytest.raises(ValueError, match=sentence):
        check_methods(pair(name), {of_classes: method(of_classes)})


@pytest.mark.parametrize("name", CASES)
def test_what_compares_the_tasks_own_answers_or_maps_is_for_all(name):
    given = pair(name)
    check_methods(given, {one: method(one) for one in ("kd", "refinery", *OF_MAPS, "0.5*kd + at")})


@pytest.mark.parametrize("name", [name for name in OTHERS if name != "segmentation"])
def test_what_compares_embeddings_is_for_all_that_have_a_linear_head(name):
    given = pair(name)
    check_methods(given, {one: method(one) for one in OF_EMBEDDINGS})


def test_no_method_is_left_out_above():
    named = {*OF_CLASSES, *OF_MAPS, *OF_EMBEDDINGS, "kd", "refinery"}
    rest = {name for name, one in methods().items() if family(one) not in ("attention",)} - named
    assert rest == {"crd_shared", "simkd"}  # as crd; and for the networks that it builds itself


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("how", ["kd", "0.5*kd + 0.1*hint", "crd_kd"])
def test_a_student_learns_by_them(name, how):
    if name == "segmentation" and how == "crd_kd":
        return  # refused: there is no linear head
    given = pair(name)
    plan = Plan(given.lesson, partial(sgd, lr=0.01), 1, task=given.task)
    objective = method(how)(given)
    learner = plan.learner(given.student, objective, {"teacher": frozen(given.teacher)})
    finished = run(train({"student": learner}, given.lesson.batches(), 1))
    assert finished.finished


def test_a_plan_refuses_what_no_method_names():
    case = CASES["multi-label"]
    plan = Plan(Lesson(case.data(), batch_size=16), SGD, 1, task=MULTI_LABEL)
    objective = Objective(label=MULTI_LABEL.labels(), peers=from_each(["other"]))
    with pytest.raises(ValueError, match="Term 'peers' compares logits of classes"):
        plan.learner(case.student(), objective)
    peers = from_each(["other"], loss=MULTI_LABEL.soft(1.0))
    assert isinstance(plan.learner(case.student(), Objective(peers=peers)), Learner)


@pytest.mark.parametrize(
    ("loss", "task", "suits"),
    [
        (soft_targets, CLASSIFICATION, True),
        (soft_targets, MULTI_LABEL, False),
        (partial(soft_targets, temperature=2.0), SEGMENTATION, False),
        (partial(soft_targets, dim=1), SEGMENTATION, True),  # says where the classes are
        (pixelwise_targets, CLASSIFICATION, False),
        (pixelwise_targets, SEGMENTATION, True),
        (nn.MSELoss(), MULTI_LABEL, True),
        (lambda student, teacher: (student - teacher).abs().mean(), SEGMENTATION, True),
    ],
)
def test_a_loss_without_a_shape_type_suits_every_task(loss, task, suits):
    objective = Objective(own=Term(loss, "student.output", "teacher.output"))
    if suits:
        refuse_unsuited(objective, task)
    else:
        with pytest.raises(ValueError, match="Term 'own' compares"):
            refuse_unsuited(objective, task)


def test_what_reads_no_answer_is_not_looked_at():
    reads_a_layer = Term(dkd, "student.fc", "teacher.fc", "batch.target")
    refuse_unsuited(Objective(own=reads_a_layer), MULTI_LABEL)


@pytest.mark.parametrize("build", [UNet, Segmenter])
def test_the_maps_of_a_network_of_masks_are_those_before_its_scores(build):
    layers = outline(build(), torch.zeros(2, 3, SIZE, SIZE))
    assert layers.maps == ("stage1", "stage2", "stage3") and layers.last == "stage3"
    with pytest.raises(ValueError, match="does not end in a linear layer"):
        _ = layers.head


@pytest.mark.parametrize("name", ["multi-label", "binary"])
def test_a_sigmoid_at_the_end_of_a_teacher_is_told_from_logits(name):
    given = pair(name)
    plan = Plan(given.lesson, SGD, 1, task=given.task)

    def sure(scene, _wanted):
        return {"output": (20 * torch.randn(len(scene["batch"]["input"]), len(given.lesson.train.classes)))[:, :width]}

    width = given.student.head.out_features
    learner = plan.learner(given.student, method("kd")(given), {"teacher": sure})
    assert run(train({"student": learner}, given.lesson.batches(), 1)).finished
    ended = lambda scene, wanted: {"output": sure(scene, wanted)["output"].sigmoid()}  # noqa: E731
    learner = plan.learner(given.student, method("kd")(given), {"teacher": ended})
    with pytest.raises(ValueError, match=r"'teacher\.output' are probabilities .* last sigmoid"):
        train({"student": learner}, given.lesson.batches(), 1)
