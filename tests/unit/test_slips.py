"""What slips from one's hand ends in one sentence: before the first step, and by name."""

import gc
import warnings
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from examples import SGD, label, mlp, run, vectors
from tutelage.combine.weighted_sum import WeightedSum
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


# ---- a teacher that is its own student


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


# ---- slips


@pytest.mark.parametrize(
    ("slip", "sentence"),
    [
        (lambda: fit(teachers={"teacher": mlp()}), r"Teacher 'teacher' is a network \(Sequential\).*frozen\(network\)"),
        (lambda: fit(teachers={"teacher": "teacher.pt"}), "Teacher 'teacher' is a function .*got a str"),
        (lambda: fit(teachers={"teacher": lambda _scene: {}}), r"Teacher 'teacher' is asked with \(scene, wanted\)"),
        (lambda: fit(teachers=[frozen(mlp())]), "teachers of a learner is of the type Mapping; got a list"),
        (lambda: ensemble([mlp()]), "Member 0 of the ensemble is a network"),
        (lambda: cached(mlp(), samples=1, views=1), "What is cached is a network"),
        (lambda: frozen("teacher.pt"), "A teacher is made of a network.*got a str"),
        (lambda: fit(optimizer=torch.optim.SGD(mlp().parameters(), lr=0.1)), "function that makes one.*got a SGD"),
        (lambda: fit(optimizer=partial(torch.optim.SGD, mlp().parameters(), lr=0.1)), "cannot be made of a list"),
        (lambda: fit(optimizer=lambda _: torch.optim.SGD(mlp().parameters())), "holds none of its parameters"),
        (lambda: fit(optimizer=lambda _: None), "let the function return an optimizer"),
        (lambda: train(Learner(mlp(), Objective(label=label()), SGD), [], 1), r'train\(\{"student": learner\}, …\)'),
        (lambda: train([1], [], 1), "train takes learners by name.*got a list"),
        (lambda: train({"student": mlp()}, [], 1), "train takes learners by name"),
        (lambda: Learner(mlp, Objective(label=label()), SGD), "student of a learner is of the type Module"),
        (lambda: Learner(mlp(), label(), SGD), "objective of a learner is of the type Objective; got a Term"),
        (lambda: Learner(mlp(), Objective(label=label()), SGD, WeightedSum), "got the class WeightedSum"),
        (lambda: Objective(label=F.cross_entropy), r"made of terms.*\['label'\] are none"),
        (lambda: Term("cross_entropy", "student.output"), "A term's loss is a function of tensors; got a str"),
        (lambda: Term(soft_targets, "student.output"), r"soft_targets does not fit a term of 1 addresses.*'teacher'"),
        (lambda: fit(objective=Objective(vector=Term(lambda x: x.mean(1), "student.output"))),
         r"Term 'vector' of learner 'student': A loss is one number, a scalar tensor; got a tensor \(8,\)"),
        (lambda: fit(objective=Objective(number=Term(lambda _: 1.0, "student.output"))), "Term 'number'.*got a float"),
        (lambda: fit(objective=soft(), teachers={"teacher": lambda scene, _: mlp()(scene["batch"]["input"])}),
         "Teacher 'teacher' of learner 'student': A teacher answers with a mapping.*got a Tensor"),
        (lambda: train({"student": Learner(mlp(), Objective(label=label()), SGD)}, vectors(), float("nan")), "got nan"),
    ],
)  # fmt: skip
def test_a_slip_ends_in_one_sentence(slip, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        slip()
    assert "\n" not in str(error.value)


def test_a_loss_of_one_element_is_one_number():
    assert fit(objective=Objective(one=Term(lambda x: x.mean().view(1), "student.output"))).finished


# ---- a training that nobody goes through


def begun():
    return train({"student": Learner(mlp(), Objective(label=label()), SGD)}, vectors(), 1)


def dropped(use):
    training = begun()
    use(training)
    del training
    gc.collect()


def test_a_training_that_nobody_goes_through_says_so():
    with pytest.warns(RuntimeWarning, match="Nothing was trained"):
        begun()
    with pytest.warns(RuntimeWarning, match="Nothing was trained"):
        dropped(iter)


LOOKS = {
    "a step": lambda training: next(iter(training)),
    "all of it": list,
    "its state": lambda training: training.state_dict(),
    "another's state": lambda training: training.load_state_dict({**begun().state_dict()}),
    "what it is made of": lambda training: training.states,
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_training_that_somebody_looked_at_goes_quietly(look):
    with warnings.catch_warnings(action="error"):
        dropped(LOOKS[look])


def test_a_training_that_was_refused_goes_quietly():
    with warnings.catch_warnings(action="error"):
        with pytest.raises(ValueError, match="nothing to learn from"):
            train({"student": Learner(mlp(), Objective(label=label()), SGD)}, [], 1)
        gc.collect()
