"""What a training refuses before its first step, and what it must not refuse."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from examples import SGD, bits, cnn, images, label, mlp, run, same, vectors
from tutelage.data.labelled import labelled
from tutelage.data.views import plain, views
from tutelage.learn import train
from tutelage.learner import Learner
from tutelage.losses.kd import averaged_targets, soft_targets
from tutelage.losses.srrl import soft_cross_entropy
from tutelage.losses.standardized import standardized
from tutelage.objective import Objective, Term
from tutelage.shapes import Labels, Logits, Scalar
from tutelage.teachers.ensemble import ensemble
from tutelage.teachers.frozen import frozen


def fit(student=None, objective=None, *, teachers=None, batches=None, optimizer=SGD, **settings):
    learner = Learner(student or mlp(), objective or Objective(label=label()), optimizer, teachers=teachers or {})
    return run(train({"student": learner}, vectors() if batches is None else batches, 1, **settings))


def soft(loss=soft_targets, **settings):
    return Objective(soft=Term(loss, "student.output", "teacher.output", **settings))


# ---- probabilities in the place of logits


def softmaxed(network):
    return nn.Sequential(network, nn.Softmax(-1))


LOSSES_OF_LOGITS = [soft_targets, partial(soft_targets, dim=1), soft_cross_entropy, standardized(soft_targets)]


@pytest.mark.parametrize("loss", LOSSES_OF_LOGITS)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_teacher_that_ends_in_softmax_is_refused_by_every_loss_of_logits(loss, precision):
    teacher = frozen(softmaxed(mlp(16)))
    with pytest.raises(ValueError, match=r"Term 'soft' of learner 'student': 'teacher\.output' are probabilities"):
        fit(objective=soft(loss), teachers={"teacher": teacher}, precision=precision)


def test_a_softmax_is_found_in_students_committees_stored_answers_and_maps():
    with pytest.raises(ValueError, match=r"Term 'label'.*'student\.output' are probabilities"):
        fit(softmaxed(mlp()))
    committee = ensemble([frozen(softmaxed(mlp(seed=i))) for i in range(2)])
    with pytest.raises(ValueError, match=r"'teacher\.output' are probabilities"):
        fit(objective=soft(averaged_targets), teachers={"teacher": committee})
    half = lambda scene, _wanted: {"output": mlp()(scene["batch"]["input"]).softmax(-1).half().float()}  # noqa: E731
    with pytest.raises(ValueError, match="are probabilities"):
        fit(objective=soft(), teachers={"teacher": half})
    pixels = nn.Conv2d(3, 5, 1)
    with pytest.raises(ValueError, match="are probabilities"):
        fit(
            pixels,
            soft(partial(soft_targets, dim=1)),
            teachers={"teacher": frozen(nn.Sequential(deepcopy(pixels), nn.Softmax(1)))},
            batches=images(),
        )


@pytest.mark.parametrize(
    "ending",
    [nn.Identity(), nn.LogSoftmax(-1), nn.Sigmoid(), nn.ReLU(), nn.Hardtanh(0, 1)],
    ids=["logits", "logarithms of probabilities", "sigmoids", "no negative ones", "from 0 to 1"],
)
def test_logits_of_any_kind_are_no_probabilities(ending):
    teacher = nn.Sequential(mlp(16), ending)
    assert fit(objective=soft(), teachers={"teacher": frozen(teacher)}).finished


def test_few_logits_that_almost_sum_to_one_are_no_probabilities():
    def teacher(scene, _wanted):
        return {"output": torch.tensor([[0.302, 0.7]]).expand(len(scene["batch"]["input"]), 2)}

    batches = [{"input": torch.randn(2, 8)}]
    student = nn.Linear(8, 2)
    assert fit(student, soft(), teachers={"teacher": teacher}, batches=batches).finished


def test_losses_that_want_probabilities_may_have_them():
    objective = Objective(
        soft=Term(lambda s, p: (p * (p.log() - s.log_softmax(-1))).sum(-1).mean(), "student.output", "teacher.output"),
        label=Term(F.cross_entropy, "student.output", "teacher.output"),
    )
    assert fit(objective=objective, teachers={"teacher": frozen(softmaxed(mlp(16)))}).finished


# ---- labels


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (torch.zeros(8, 1, dtype=torch.long), r"must be int64 \[8\], not torch\.int64 \[8, 1\]"),
        (torch.zeros(8, dtype=torch.int32), r"must be int64 \[8\], not torch\.int32 \[8\]"),
        (torch.zeros(8), r"must be int64 \[8\], not torch\.float32 \[8\]"),
        (torch.arange(8) % 5 + 1, r"must be 0 to 4, one for each class; 5 is among them \(they are counted from 0\)"),
        (torch.arange(8) % 5 - 1, r"must be 0 to 4, one for each class; -1 is among them"),
        (F.one_hot(torch.arange(8) % 5), r"must be int64 \[8\], not torch\.int64 \[8, 5\]"),
    ],
)
@pytest.mark.parametrize(
    "loss", [F.cross_entropy, partial(F.cross_entropy, label_smoothing=0.1), nn.CrossEntropyLoss()]
)
def test_labels_that_are_no_classes_are_refused_at_the_first_batch(target, sentence, loss):
    batches = [{"input": torch.randn(8, 8), "target": target}]
    objective = Objective(label=Term(loss, "student.output", "batch.target"))
    with pytest.raises(ValueError, match=rf"Term 'label' of learner 'student': 'batch\.target' {sentence}"):
        fit(objective=objective, batches=batches)


def test_whatever_says_that_it_takes_labels_is_checked():
    def mine(student: Logits, target: Labels) -> Scalar:
        return student.square().mean() + 0 * target.sum()

    batches = [{"input": torch.randn(8, 8), "target": torch.zeros(8, 1, dtype=torch.long)}]
    with pytest.raises(ValueError, match=r"'batch\.target' must be int64 \[8\]"):
        fit(objective=Objective(mine=Term(mine, "student.output", "batch.target")), batches=batches)


@pytest.mark.parametrize(
    ("target", "settings"),
    [
        (torch.tensor([0, -100, 4, 1]), {}),
        (torch.tensor([0, 7, 4, 1]), {"ignore_index": 7}),
        (torch.tensor([0, 3, 4, 1], dtype=torch.uint8), {}),
        (torch.rand(4, 5).softmax(-1), {}),
    ],
    ids=["left out", "left out by another number", "bytes", "probabilities"],
)
def test_targets_that_cross_entropy_takes_are_taken(target, settings):
    objective = Objective(label=Term(partial(F.cross_entropy, **settings), "student.output", "batch.target"))
    assert fit(objective=objective, batches=[(torch.randn(4, 8), target)]).finished


def test_labels_of_pixels_have_the_shape_of_the_pixels():
    pixels = nn.Conv2d(3, 5, 1)
    good = [(torch.randn(2, 3, 4, 4), torch.randint(5, (2, 4, 4)))]
    assert fit(pixels, batches=good).finished
    with pytest.raises(ValueError, match=r"must be int64 \[2, 4, 4\], not torch\.int64 \[2, 1, 4, 4\]"):
        fit(pixels, batches=[(good[0][0], good[0][1][:, None])])


def test_a_head_of_one_logit_is_refused_where_classes_are_compared():
    batches = [(torch.randn(4, 8), torch.zeros(4, dtype=torch.long))]
    with pytest.raises(ValueError, match=r"Term 'label'.*two classes or more"):
        fit(nn.Linear(8, 1), batches=batches)
    with pytest.raises(ValueError, match=r"Term 'soft'.*at least two classes; got 1"):
        fit(nn.Linear(8, 1), soft(), teachers={"teacher": frozen(nn.Linear(8, 1))}, batches=batches)


# ---- batches of one sample


def normed():
    return nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4), nn.Linear(4, 5))


def loader(count, size, **settings):
    return DataLoader(TensorDataset(torch.randn(count, 8), torch.randint(5, (count,))), size, **settings)


SINGLE = {
    "the remainder of a loader": lambda: loader(33, 32),
    "a batch in a list": lambda: [*vectors(2), *vectors(1, 1)],
    "every batch": lambda: loader(3, 1),
    "the first from a function": lambda: lambda _epoch, first: vectors(2, 1)[first:],
}


@pytest.mark.parametrize("source", SINGLE)
def test_a_batch_of_one_sample_is_refused_before_the_first_step_where_nothing_can_be_made_of_it(source):
    two_samples = Objective(two=Term(two, "student.output"))
    at_once = source in ("every batch", "the first from a function")  # the plain rehearsal may find it before
    sentence = r"." if at_once else r"a batch of a single sample.*drop_last=True"
    for student, objective in ((normed(), None), (Squeezing(), None), (mlp(), two_samples)):
        with pytest.raises(ValueError, match=sentence):
            fit(student, objective, batches=SINGLE[source]())


class Squeezing(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = mlp()

    def forward(self, x):
        return self.body(x)[..., None].squeeze()


def two(student):
    if len(student) < 2:
        raise ValueError("Two samples are wanted.")
    return student.square().mean()


@pytest.mark.parametrize("source", SINGLE)
def test_a_batch_of_one_sample_is_welcome_where_something_can_be_made_of_it(source):
    assert fit(nn.Sequential(nn.Linear(8, 5), nn.Dropout()), batches=SINGLE[source]()).finished


def test_a_remainder_that_is_dropped_is_no_batch():
    assert fit(normed(), batches=loader(33, 32, drop_last=True)).finished
    assert fit(normed(), batches=loader(34, 32)).finished


def test_trying_a_single_sample_leaves_no_trace():
    batches = [*images(2), *images(1, 1)]
    student = nn.Sequential(cnn(4), nn.Dropout())
    before, state = torch.get_rng_state(), bits(student)
    training = train({"student": Learner(student, Objective(label=label()), SGD)}, batches, 1)
    assert same(bits(student), state) and torch.equal(torch.get_rng_state(), before) and training.step == 0
    assert training.states and all(module.training for module in student.modules())


def test_a_remainder_of_one_in_our_own_batches_joins_the_batch_before_it():
    data = labelled("mine", torch.randn(33, 8), torch.randint(5, (33,)))
    batches = views(data, plain, num_views=1, batch_size=16)
    assert [len(batch["input"]) for batch in batches(0, 0)] == [16, 17]
    assert fit(normed(), batches=batches).finished
