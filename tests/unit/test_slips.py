"""What slips from one's hand ends in one sentence: before the first step, and by name."""

import gc
import warnings
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
from tutelage.teachers.frozen import frozen

pytestmark = pytest.mark.slow


def fit(student=None, objective=None, *, teachers=None, batches=None, optimizer=SGD, **settings):
    learner = Learner(student or mlp(), objective or Objective(label=label()), optimizer, teachers=teachers or {})
    return run(train({"student": learner}, vectors() if batches is None else batches, 1, **settings))


def soft(loss=soft_targets, **settings):
    return Objective(soft=Term(loss, "student.output", "teacher.output", **settings))


# ---- slips


@pytest.mark.parametrize(
    ("slip", "sentence"),
    [
        (lambda: fit(teachers={"teacher": mlp()}), r"Teacher 'teacher' is a network \(Sequential\).*frozen\(network\)"),
        (lambda: fit(teachers={"teacher": "teacher.pt"}), "Teacher 'teacher' is a function .*got a str"),
        (lambda: fit(teachers={"teacher": lambda _scene: {}}), r"Teacher 'teacher' is asked with \(scene, wanted\)"),
        (lambda: fit(teachers=[frozen(mlp())]), "learner's teachers must be of the type Mapping; got a list"),
        (lambda: ensemble([mlp()]), "Member 0 of the ensemble is a network"),
        (lambda: cached(mlp(), samples=1, views=1), "What is cached is a network"),
        (lambda: frozen("teacher.pt"), "A teacher is made of a network.*got a str"),
        (lambda: fit(optimizer=torch.optim.SGD(mlp().parameters(), lr=0.1)), "function that makes one.*got an SGD"),
        (lambda: fit(optimizer=partial(torch.optim.SGD, mlp().parameters(), lr=0.1)), "cannot be made of a list"),
        (lambda: fit(optimizer=lambda _: torch.optim.SGD(mlp().parameters())), "holds none of its parameters"),
        (lambda: fit(optimizer=lambda _: None), "let the function return an optimizer"),
        (lambda: train(Learner(mlp(), Objective(label=label()), SGD), [], 1), r'train\(\{"student": learner\}, …\)'),
        (lambda: train([1], [], 1), "train takes learners by name.*got a list"),
        (lambda: train({"student": mlp()}, [], 1), "train takes learners by name"),
        (lambda: Learner(mlp, Objective(label=label()), SGD), "learner's student must be of the type Module"),
        (lambda: Learner(mlp(), label(), SGD), "learner's objective must be of the type Objective; got a Term"),
        (lambda: Learner(mlp(), Objective(label=label()), SGD, WeightedSum), "got the class WeightedSum"),
        (lambda: fit(teachers={"teacher": nn.Linear}), r"Teacher 'teacher' is the class Linear.*frozen\(network\)"),
        (lambda: fit(optimizer=partial(torch.optim.SGD, lr="0.1")), "was not made: '.*' not supported.*a list of its"),
        (lambda: fit(optimizer=partial(torch.optim.SGD, rate=0.1)), "was not made: .*unexpected keyword.*'rate'"),
        (lambda: Learner(mlp(), Objective(label=label()), SGD, call="x"), "learner's call is a function.*got a str"),
        (lambda: Learner(mlp(), Objective(label=label()), SGD, call=lambda _: 1), "learner's call .*it takes"),
        (lambda: Learner(mlp(), Objective(label=label()), SGD, trains=["0.weight"]), "trains is .*got a list"),
        (lambda: Learner(mlp(), Objective(label=label()), SGD, trains=lambda: True), "trains is .*it takes"),
        (lambda: Learner(mlp(), Objective(label=label()), SGD, read={"0": 1}), r"read\['0'\] is .*got an int"),
        (lambda: Term("student.output", "batch.target", F.cross_entropy), r"got a str, 'student.output', .*first"),
        (lambda: Term(F.cross_entropy, "student.output", 3), r"An address reads 'who\.what'.*got 3"),
        (lambda: Term(F.cross_entropy, "student.output", [3]), r"An address reads 'who\.what'.*got 3"),
        (lambda: Term(nn.CrossEntropyLoss, "student.output", "batch.target"), r"such as CrossEntropyLoss\(\)"),
        (lambda: Term(partial(nn.MSELoss, reduction="sum"), "student.output"), r"got the class MSELoss: make one"),
        (lambda: Term(F.cross_entropy, "student.output", "batch.target", weight="1"), "finite number.*got '1'"),
        (lambda: Term(F.cross_entropy, "student.output", "batch.target", weight=None), "finite number.*got None"),
        (lambda: Objective(label()), r"have names: Objective\(label=Term\(…\)\).*got a Term without one"),
        (lambda: Objective({"label": label()}), r"have names.*\*\*terms.*got a dict without one"),
        (lambda: Objective(label=F.cross_entropy), r"made of terms.*\['label'\] are none"),
        (lambda: Term("cross_entropy", "student.output"), "A term's loss is a function of tensors; got a str"),
        (lambda: Term(soft_targets, "student.output"), r"soft_targets does not fit a term of 1 addresses.*'teacher'"),
        (lambda: fit(objective=Objective(vector=Term(lambda x: x.mean(1), "student.output"))),
         r"Term 'vector' of learner 'student': A loss is one number, a scalar tensor; got a tensor \(8,\)"),
        (lambda: fit(objective=Objective(imaginary=Term(lambda x: x.sum() * 1j, "student.output"))),
         r"Term 'imaginary'.*a scalar tensor; got a tensor \(\) of torch.complex64"),
        (lambda: fit(objective=Objective(number=Term(lambda _: 1.0, "student.output"))), "Term 'number'.*got a float"),
        (lambda: fit(objective=soft(), teachers={"teacher": lambda scene, _: mlp()(scene["batch"]["input"])}),
         "Teacher 'teacher' of learner 'student': A teacher answers with a mapping.*got a Tensor"),
    ],
)  # fmt: skip
def test_a_slip_ends_in_one_sentence(slip, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        slip()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("count", [0, -1, 1.5, float("inf"), float("nan"), None, "3", [3], torch.tensor(2.5)])
@pytest.mark.parametrize("what", ["epochs", "accumulate"])
def test_what_is_counted_is_a_whole_number(what, count):
    learners = {"student": Learner(mlp(), Objective(label=label()), SGD)}
    with pytest.raises(ValueError, match=rf"1 or more {what}, a whole number; got "):
        train(learners, vectors(), **{"epochs": 1, what: count})


@pytest.mark.parametrize("count", [2, 2.0, torch.tensor(2), True])
def test_a_whole_number_of_another_type_is_one(count):
    learners = {"student": Learner(mlp(), Objective(label=label()), SGD)}
    assert len(list(train(learners, vectors(), count, accumulate=count))) == int(count)


class Closed(nn.Linear):
    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)


IDLE = {
    "a student without gradient": lambda: fit(Closed(8, 5)),
    "a detached loss": lambda: fit(objective=Objective(x=Term(lambda s: s.square().mean().detach(), "student.output"))),
    "a count": lambda: fit(objective=Objective(x=Term(lambda s: s.argmax(1).sum() + 1, "student.output"))),
    "a training inside no_grad": lambda: torch.no_grad()(fit)(),
}


@pytest.mark.parametrize("idle", IDLE)
def test_losses_without_any_gradient_are_refused_at_the_first_batch(idle):
    with pytest.raises(ValueError, match=r"No loss of learner 'student' has a gradient \(\['(label|x)'\]\)"):
        IDLE[idle]()


def test_a_loss_without_gradient_may_stand_beside_others_before_them_or_come_to_nothing():
    watched = Term(lambda s: s.detach().square().mean(), "student.output")
    assert fit(objective=Objective(label=label(), watched=watched)).losses["student"]["watched"] > 0
    later = Term(F.cross_entropy, "student.output", "batch.target", weight=lambda clock: float(clock.step > 0))
    assert fit(objective=Objective(later=later, watched=watched)).finished
    calls = []

    def mined(student):
        calls.append(len(student))
        return student.square().mean() if len(calls) > 2 else torch.zeros(())  # the first was the rehearsal

    assert fit(objective=Objective(mined=Term(mined, "student.output"))).finished

    class Fitted(nn.Linear):
        def forward(self, x):
            return super().forward(x.detach()).square().mean()

    student, loss = mlp(), Fitted(5, 5)
    before = student[0].weight.clone(), loss.weight.clone()
    assert fit(student, Objective(fitted=Term(loss, "student.output"))).finished
    assert torch.equal(student[0].weight, before[0]) and not torch.equal(loss.weight, before[1])


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
