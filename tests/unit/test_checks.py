"""What a training refuses before its first step, and what it must not refuse."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from examples import SGD, images, label, mlp, run, vectors
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


def test_one_member_of_a_committee_that_ends_in_softmax_is_enough():
    answers = mlp(), softmaxed(mlp(seed=1))
    for members in (answers, answers[::-1]):
        committee = ensemble([frozen(network) for network in members])
        with pytest.raises(ValueError, match=r"'teacher\.output' are probabilities"):
            fit(objective=soft(averaged_targets), teachers={"teacher": committee})
    maps = [nn.Conv2d(3, 5, 1), nn.Sequential(nn.Conv2d(3, 5, 1), nn.Softmax(1))]
    committee = ensemble([frozen(network) for network in maps])
    loss = partial(averaged_targets, dim=1)
    with pytest.raises(ValueError, match="are probabilities"):
        fit(nn.Conv2d(3, 5, 1), soft(loss), teachers={"teacher": committee}, batches=images())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_softmax_in_half_precision_is_found_in_few_rows(dtype):
    for seed in range(5):
        network = mlp(seed=seed)
        teacher = lambda scene, _, net=network: {"output": net(scene["batch"]["input"]).softmax(-1).to(dtype)}  # noqa: E731
        with pytest.raises(ValueError, match="are probabilities"):
            fit(objective=soft(), teachers={"teacher": teacher}, batches=[(torch.randn(2, 8), torch.zeros(2).long())])


# ---- labels


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (
            torch.zeros(8, 1, dtype=torch.long),
            r"must be int64 \[8\], not torch\.int64 \[8, 1\]: write target\.squeeze\(1\)\.$",
        ),
        (torch.zeros(8, dtype=torch.int32), r"must be int64 \[8\], not torch\.int32 \[8\]: write target\.long\(\)\.$"),
        (torch.zeros(8), r"must be int64 \[8\], not torch\.float32 \[8\]: write target\.long\(\)\.$"),
        (
            torch.arange(8) % 5 + 1,
            r"must be 0 to 4, one for each class; 5 is among them \(they are counted from 0: subtract 1\)",
        ),
        (torch.arange(8) % 5 - 1, r"must be 0 to 4, one for each class; -1 is among them"),
        (
            F.one_hot(torch.arange(8) % 5),
            r"must be int64 \[8\], not torch\.int64 \[8, 5\]: write target\.argmax\(1\)\.$",
        ),
        (torch.rand(8), r"must be int64 \[8\], not torch\.float32 \[8\]\.$"),
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


ROWS = torch.randn(8, 8), torch.arange(8) % 5


@pytest.mark.parametrize(
    ("target", "kind"),
    [(ROWS[1].tolist(), "a list"), (ROWS[1].numpy(), "an ndarray"), (["cat"] * 8, "a list"), (None, "None")],
)
def test_labels_are_a_tensor(target, kind):
    with pytest.raises(ValueError, match=rf"'batch\.target' must be an int64 tensor \[8\].*got {kind}"):
        fit(batches=[(ROWS[0], target)])
    with pytest.raises(ValueError, match=rf"Batch 2 of epoch 1: Term 'label'.*int64 tensor \[8\].*got {kind}"):
        fit(batches=[ROWS, (ROWS[0], target)])


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        ((ROWS[0], ROWS[1] + 3), "must be 0 to 4, one for each class; 5 is among them"),
        ((ROWS[0], ROWS[1].float()), r"must be int64 \[8\], not torch\.float32"),
        ((ROWS[0], ROWS[1][:7]), r"must be int64 \[8\], not torch\.int64 \[7\]"),
    ],
)
@pytest.mark.parametrize("accumulate", [1, 3])
def test_labels_of_a_later_batch_that_are_no_classes_are_named_with_their_batch(batch, sentence, accumulate):
    with pytest.raises(ValueError, match=rf"Batch 3 of epoch 1: Term 'label' of learner 'student'.*{sentence}"):
        fit(nn.Sequential(mlp(), nn.BatchNorm1d(5)), batches=[ROWS, ROWS, batch], accumulate=accumulate)


@pytest.mark.parametrize("kind", [IndexError, RuntimeError, TypeError, ValueError, KeyError])
def test_what_another_look_does_not_explain_is_raised_as_it_is(kind):
    calls = []

    def broken(student):
        calls.append(student)
        if len(calls) == 3:  # the first was the rehearsal
            raise kind("mine")
        return student.square().mean()

    with pytest.raises(kind, match=r"^'?mine'?$") as error:
        fit(objective=Objective(broken=Term(broken, "student.output")))
    assert error.value.__cause__ is None


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


def test_a_later_batch_is_named_among_several_processes_too():
    import torch.distributed as dist

    batches = [(torch.randn(8, 8), torch.full((8,), label)) for label in (1, 7)]
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with pytest.raises(ValueError, match=r"Batch 2 of epoch 1: Term 'label'.*must be 0 to 4.*7 is among them"):
            fit(batches=batches)
    finally:
        dist.destroy_process_group()


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
