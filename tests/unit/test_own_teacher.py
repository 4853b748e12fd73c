"""A teacher that its own student moves is refused; memory that stays as it is may be shared."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from examples import SGD, label, mlp, run, vectors
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.kd import soft_targets
from tutelage.objective import Objective, Term
from tutelage.teachers.cached import cached
from tutelage.teachers.ensemble import ensemble
from tutelage.teachers.frozen import folded, frozen


def fit(student=None, objective=None, *, teachers=None, batches=None, optimizer=SGD, **settings):
    learner = Learner(student or mlp(), objective or Objective(label=label()), optimizer, teachers=teachers or {})
    return run(train({"student": learner}, vectors() if batches is None else batches, 1, **settings))


def soft(loss=soft_targets, **settings):
    return Objective(soft=Term(loss, "student.output", "teacher.output", **settings))


class Halves(nn.Module):
    """A student whose body is somebody else's."""

    def __init__(self, body):
        super().__init__()
        self.body, self.head = body, nn.Linear(5, 5)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.mark.parametrize(
    "wrap", [frozen, folded, lambda x: ensemble([frozen(x)]), lambda x: cached(frozen(x), samples=9, views=1)]
)
def test_a_teacher_that_the_student_trains_is_refused(wrap):
    student = mlp()
    batches = [{**batch, "index": torch.arange(8), "view": torch.zeros(8, dtype=torch.long)} for batch in vectors()]
    loss = soft(lambda s, t: soft_targets(s, t if t.ndim == 2 else t[0]))
    for network in (student, Halves(student)):
        teachers = {"teacher": wrap(student)}
        with pytest.raises(
            ValueError, match=r"Teacher 'teacher' of learner 'student' has 4 parameters that this learner"
        ):
            fit(network, loss, teachers=teachers, batches=batches)


def test_sharing_what_does_not_train_copies_and_layers_of_oneself_are_no_teacher_of_oneself():
    teacher = mlp().requires_grad_(False)
    assert fit(Halves(teacher), soft(), teachers={"teacher": frozen(teacher)}).finished
    student = mlp()
    assert fit(student, soft(), teachers={"teacher": frozen(deepcopy(student))}).finished
    assert fit(student, Objective(self=Term(soft_targets, "student.output", "student.2"))).finished
    unread = {"teacher": frozen(student)}
    assert fit(student, teachers=unread).finished


def normed(**settings):
    return nn.Sequential(nn.Linear(8, 5), nn.BatchNorm1d(5, **settings))


def sliced():
    student, teacher = mlp(), mlp(seed=3)
    student[0].weight = nn.Parameter(torch.as_strided(teacher[0].weight.data, student[0].weight.shape, (8, 1)))
    student[2].bias = nn.Parameter(teacher[0].bias.data[1:6])
    return student, teacher


def measuring(**settings):
    student, teacher = normed(**settings), normed(**settings)
    student[1].running_mean = teacher[1].running_mean
    return student, teacher


@pytest.mark.parametrize(
    ("networks", "sentence"),
    [
        (sliced, "has 2 parameters that this learner trains"),
        (measuring, r"has 1 buffers that this learner's BatchNorms move \('1\.running_mean' first\)"),
        (partial(measuring, affine=False), "has 1 buffers that this learner's BatchNorms move"),
    ],
)
@pytest.mark.parametrize("wrap", [frozen, folded])
def test_a_teacher_whose_memory_the_student_writes_to_is_refused(networks, sentence, wrap):
    student, teacher = networks()
    with pytest.raises(ValueError, match=sentence):
        fit(student, soft(), teachers={"teacher": wrap(teacher)})


def test_memory_that_stays_as_it_is_and_neighbours_in_memory_may_be_shared():
    student, teacher = measuring()
    student[1].requires_grad_(False)  # so it stays in eval mode
    before = teacher[1].running_mean.clone()
    assert fit(student, soft(), teachers={"teacher": frozen(teacher)}).finished
    assert torch.equal(teacher[1].running_mean, before)
    student, teacher, flat = nn.Linear(8, 5), nn.Linear(8, 5), torch.randn(80)
    student.weight, teacher.weight = (nn.Parameter(half.view(5, 8)) for half in (flat[:40], flat[40:]))
    assert fit(student, soft(), teachers={"teacher": frozen(teacher)}).finished


def test_one_network_is_one_learner():
    network, objective = mlp(), lambda: Objective(label=label())
    with pytest.raises(ValueError, match="Learners 'a' and 'b' are one network"):
        train({"a": Learner(network, objective(), SGD), "b": Learner(network, objective(), SGD)}, vectors(), 1)
